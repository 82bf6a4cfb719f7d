/* SPDX-License-Identifier: MIT */
/* plugin.c: what this plugin is. It connects when a command starts, since that is what
 * ssh does; what ssh can do (jumps, tokens, certificates, Kerberos), it can. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/ssh.h>

#include "openssh.h"

int openssh_init(struct openssh *o, const struct repx_host *host,
                 const struct repx_endpoint *endpoint, struct repx_err *err)
{
    struct repx_ssh_address a;
    uint64_t size = host->size < sizeof(o->host) ? host->size : sizeof(o->host);

    memcpy(&o->host, host, (size_t)size);
    o->target = repx_strdup(endpoint->target);
    o->address = repx_strdup(endpoint->address);
    o->mode = endpoint->mode;
    o->deadline_ms = endpoint->deadline_ms;
    o->stats.size = sizeof(o->stats);
    if (repx_ssh_address(o->address, &a, err) < 0)
        return -1;
    repx_ssh_address_free(&a);
    o->master = repx_ssh_master_find(o->target, o->address);
    return 0;
}

void openssh_finish(struct openssh *o)
{
    free(o->target);
    free(o->address);
    free(o->master);
}

static void openssh_close(void *self)
{
    struct openssh *o = self;

    if (!o)
        return;
    while (o->streams)
        openssh_end(o->streams);
    openssh_finish(o);
    free(o);
}

static int32_t openssh_open(void **self, const struct repx_host *host,
                            const struct repx_endpoint *endpoint, struct repx_err *err)
{
    struct openssh *o = REPX_NEW(struct openssh);

    if (openssh_init(o, host, endpoint, err) < 0) {
        openssh_close(o);
        return -1;
    }
    o->uses_master = master_lives(o);
    if (o->mode == REPX_OPEN_REUSE && !o->uses_master) {
        (void)repx_fail(err, REPX_E_AUTH,
                        "%s: there is no login to use; run: repx login %s", o->address,
                        o->target);
        openssh_close(o);
        return -1;
    }
    *self = o;
    return 0;
}

static void openssh_stats(void *self, struct repx_transport_stats *stats)
{
    const struct openssh *o = self;
    uint64_t size = stats->size < sizeof(*stats) ? stats->size : sizeof(*stats);

    memcpy(stats, &o->stats, (size_t)size);
    stats->size = size;
}

static int32_t openssh_suits(const struct repx_host *host,
                             const struct repx_endpoint *endpoint, struct repx_err *why)
{
    struct repx_ssh_address a;

    (void)host;
    if (repx_ssh_address(endpoint->address, &a, why) < 0)
        return -1;
    repx_ssh_address_free(&a);
    return 1;
}

static const struct repx_transport_ops ops = {
    .size = sizeof(ops),
    .open = openssh_open,
    .close = openssh_close,
    .start = openssh_start,
    .read = openssh_read,
    .write = openssh_write,
    .half_close = openssh_half_close,
    .wait = openssh_wait,
    .exit_status = openssh_exit_status,
    .end = openssh_end,
    .stats = openssh_stats,
    .login = openssh_login,
    .logout = openssh_logout,
    .suits = openssh_suits,
};

static const struct repx_field fields[] = {
    {"program", REPX_FIELD_STRING, 0, 0, 0, "ssh", "the ssh to run"},
    {"user", REPX_FIELD_STRING, 0, 0, 0, NULL, "login name; default: ssh's own choice"},
    {"port", REPX_FIELD_INT, 0, 1, 65535, NULL, "TCP port; default: ssh's own choice"},
    {"identity", REPX_FIELD_LIST, 0, 0, 0, NULL,
     "private key files, tried before those of ssh's configuration"},
    {"known_hosts", REPX_FIELD_LIST, 0, 0, 0, NULL,
     "files of host keys, in place of ssh's own"},
    {"config_file", REPX_FIELD_STRING, 0, 0, 0, NULL,
     "in place of ~/.ssh/config and /etc/ssh/ssh_config"},
    {"options", REPX_FIELD_LIST, 0, 0, 0, NULL,
     "more options as ssh -o takes them: \"KEY=VALUE\""},
    {"connect_timeout", REPX_FIELD_DURATION, 0, 1000, 3600000, "15s",
     "give up connecting after this long"},
    {"keepalive", REPX_FIELD_DURATION, 0, 0, 3600000, "15s",
     "ask a silent server for a sign of life this often; 0 never"},
    {"persist", REPX_FIELD_DURATION, 0, 1000, 2592000000, "12h",
     "how long an unused login is kept"},
};

static const struct repx_plugin plugin = {
    .size = sizeof(plugin),
    .magic = REPX_PLUGIN_MAGIC,
    .abi_major = REPX_ABI_MAJOR,
    .abi_minor = REPX_ABI_MINOR,
    .kind = REPX_KIND_TRANSPORT,
    .name = "openssh",
    .version = REPX_VERSION,
    .vendor = "repx",
    .license = "MIT",
    .summary = "the user's own ssh, with all that its configuration can do",
    .vtable = &ops,
    .vtable_size = sizeof(ops),
    .fields = fields,
    .field_count = sizeof(fields) / sizeof(fields[0]),
    .field_stride = sizeof(fields[0]),
};

const struct repx_plugin *repx_plugin_v0(void)
{
    return &plugin;
}
