/* SPDX-License-Identifier: MIT */
/* plugin.c: what this plugin is, and a connection from open to close. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "ssh.h"

#define CLOSE_TRIES 50

int64_t ssh_now(const struct ssh *s)
{
    return s->host.now_ms(s->host.ctx);
}

int64_t ssh_earlier(int64_t a, int64_t b)
{
    if (!a || !b)
        return a ? a : b;
    return a < b ? a : b;
}

static void ssh_close(void *self)
{
    struct ssh *s = self;

    if (!s)
        return;
    if (s->session && s->fd >= 0)
        (void)libssh2_session_disconnect(s->session, "done");
    if (s->fd >= 0)
        (void)shutdown(s->fd, SHUT_RDWR); /* nothing below waits for the far end now */
    ssh_drop_streams(s);
    if (s->session) {
        for (int i = 0; i < CLOSE_TRIES; i++) {
            if (libssh2_session_free(s->session) != LIBSSH2_ERROR_EAGAIN)
                break;
        }
    }
    if (s->fd >= 0)
        (void)close(s->fd);
    settings_free(&s->settings);
    free(s->where);
    free(s);
}

/* The host as far as both sides know it. */
static void copy_host(struct repx_host *to, const struct repx_host *from)
{
    memcpy(to, from, from->size < sizeof(*to) ? (size_t)from->size : sizeof(*to));
}

static int32_t ssh_open(void **self, const struct repx_host *host,
                        const struct repx_endpoint *endpoint, struct repx_err *err)
{
    if (endpoint->mode == REPX_OPEN_REUSE) {
        return repx_fail(
            err, REPX_E_AUTH,
            "transport ssh keeps no login; set transport = \"openssh\" and "
            "run: repx login %s",
            endpoint->target);
    }
    if (libssh2_init(0) != 0)
        return repx_fail(err, REPX_E_FAILED, "libssh2 cannot be initialised");
    struct ssh *s = REPX_NEW(struct ssh);
    copy_host(&s->host, host);
    s->fd = -1;
    s->mode = endpoint->mode;
    s->stats.size = sizeof(s->stats);
    if (settings_read(&s->host, endpoint, &s->settings, err) == 0) {
        int64_t deadline = endpoint->deadline_ms;
        s->where = repx_format("%s@%s:%d", s->settings.user, s->settings.hostname,
                               s->settings.port);
        if (ssh_connect(s, deadline, err) == 0 && ssh_check_host_key(s, err) == 0 &&
            ssh_authenticate(s, deadline, err) == 0) {
            s->stats.logins = 1;
            *self = s;
            return 0;
        }
    }
    ssh_close(s);
    return -1;
}

static void ssh_stats(void *self, struct repx_transport_stats *stats)
{
    const struct ssh *s = self;
    uint64_t size = stats->size < sizeof(*stats) ? stats->size : sizeof(*stats);

    memcpy(stats, &s->stats, (size_t)size);
    stats->size = size;
}

static const struct repx_transport_ops ops = {
    .size = sizeof(ops),
    .open = ssh_open,
    .close = ssh_close,
    .start = ssh_start,
    .read = ssh_read,
    .write = ssh_write,
    .half_close = ssh_half_close,
    .wait = ssh_wait_streams,
    .exit_status = ssh_exit_status,
    .end = ssh_end,
    .stats = ssh_stats,
    .suits = ssh_suits,
};

static const struct repx_field fields[] = {
    {"user", REPX_FIELD_STRING, 0, 0, 0, NULL, "login name; default: ssh's own choice"},
    {"port", REPX_FIELD_INT, 0, 1, 65535, NULL, "TCP port; default: ssh's own choice"},
    {"identity", REPX_FIELD_LIST, 0, 0, 0, NULL,
     "private key files; only these are offered then"},
    {"known_hosts", REPX_FIELD_LIST, 0, 0, 0, NULL,
     "files of host keys, in place of ssh's own"},
    {"config_file", REPX_FIELD_STRING, 0, 0, 0, NULL,
     "in place of ~/.ssh/config and /etc/ssh/ssh_config"},
    {"connect_timeout", REPX_FIELD_DURATION, 0, 100, 3600000, NULL,
     "give up connecting after this long; default: ssh's ConnectTimeout, or 15s"},
    {"keepalive", REPX_FIELD_DURATION, 0, 0, 3600000, NULL,
     "ask a silent server for a sign of life this often, 0 never; default 15s"},
    {"password", REPX_FIELD_BOOL, 0, 0, 0, "true",
     "ask for a password when the server wants one and somebody can answer"},
};

static const struct repx_plugin plugin = {
    .size = sizeof(plugin),
    .magic = REPX_PLUGIN_MAGIC,
    .abi_major = REPX_ABI_MAJOR,
    .abi_minor = REPX_ABI_MINOR,
    .kind = REPX_KIND_TRANSPORT,
    .name = "ssh",
    .version = REPX_VERSION,
    .vendor = "repx",
    .license = "MIT",
    .summary = "ssh through libssh2: keys, agent, passwords; strict about host keys",
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
