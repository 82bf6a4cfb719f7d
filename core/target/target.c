/* SPDX-License-Identifier: MIT */
#include "target.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/printable.h>

#include "core/wire/msg.h"
#include "core/wire/verbs.h"
#include "fault.h"
#include "first_command.h"

#define HELLO_MS 60000
#define CONNECT_MS 120000

struct target {
    const struct config_target *config;
    const struct plugin_paths *paths;
    const struct ui *ui;
    struct plugin *transport;
    struct host *transport_host;
    const struct repx_transport_ops
        *ops;     /* the transport's, or fault.h's around them */
    void *link;   /* their self */
    void *stream; /* the agent's channel */
    struct session *session;
    struct sets *sets;
    char *base, *arch, *agent;
    int read_all;
};

/* Load a transport and check its table of the target. */
static int transport_use(struct target *t, const char *name, struct repx_err *err)
{
    REPX_AUTO_FREE char *table = repx_format("transport-%s", name);

    t->transport = plugin_load(t->paths, REPX_KIND_TRANSPORT, name, err);
    if (!t->transport)
        return -1;
    host_destroy(t->transport_host);
    t->transport_host =
        host_create(t->transport, config_table_of(t->config, table), t->ui, err);
    return t->transport_host ? 0 : -1;
}

static struct repx_endpoint endpoint_of(const struct target *t, uint32_t mode,
                                        int64_t deadline)
{
    return (struct repx_endpoint){.size = sizeof(struct repx_endpoint),
                                  .address =
                                      t->config->address ? t->config->address : "",
                                  .target = t->config->name,
                                  .mode = mode,
                                  .deadline_ms = deadline};
}

/* `auto`: ssh when libssh2 covers all that is in effect, else the user's own ssh. Decided
 * before connecting, and never tried one after the other: sites ban addresses for that. */
static int transport_choose(struct target *t, uint32_t mode, struct repx_err *err)
{
    struct repx_endpoint endpoint = endpoint_of(t, mode, 0);
    struct repx_err why = {0};

    if (strcmp(t->config->transport, "auto") != 0)
        return transport_use(t, t->config->transport, err);
    if (transport_use(t, "ssh", err) < 0)
        return -1;
    const struct repx_host *services = host_services(t->transport_host);
    int32_t fits = t->transport->ops.transport.suits
                       ? t->transport->ops.transport.suits(services, &endpoint, &why)
                       : 1;
    if (fits == 1)
        return 0;
    REPX_AUTO_FREE char *text =
        repx_format("transport openssh, since ssh does not cover: %s", why.text);
    services->log(services->ctx, REPX_LOG_INFO, text);
    return transport_use(t, "openssh", err);
}

static const struct repx_host *clock_of(const struct target *t)
{
    return host_services(t->transport_host);
}

static int reach_agent(struct target *t, const struct target_request *request,
                       struct repx_err *err)
{
    const struct repx_host *h = clock_of(t);
    struct plugin *bootstrap =
        plugin_load(t->paths, REPX_KIND_SYNC, t->config->bootstrap, err);

    if (!bootstrap)
        return -1;
    if (bootstrap->descriptor->phase != REPX_PHASE_BOOTSTRAP ||
        !bootstrap->ops.sync.connect) {
        return repx_fail(err, REPX_E_USAGE, "plugin sync-%s serves another phase",
                         t->config->bootstrap);
    }
    REPX_AUTO_FREE char *table = repx_format("sync-%s", t->config->bootstrap);
    struct host *host =
        host_create(bootstrap, config_table_of(t->config, table), t->ui, err);
    if (!host)
        return -1;
    struct first_command first = {.ops = t->ops,
                                  .transport = t->link,
                                  .host = h,
                                  .libexec = plugin_libexec(t->paths),
                                  .base_path = t->config->base_path,
                                  .state_path = t->config->state_path,
                                  .gate = request->gate,
                                  .gate_ctx = request->gate_ctx};
    int rc = first_command_run(&first, bootstrap, host_services(host), &t->stream, err);
    host_destroy(host);
    if (rc < 0)
        return -1;
    t->session = session_create(t->ops, t->link, t->stream, h,
                                h->now_ms(h->ctx) + HELLO_MS, err);
    if (!t->session)
        return -1;
    t->sets = sets_create(t->session, h);
    return 0;
}

static int read_hello(struct target *t, struct repx_err *err)
{
    const struct repx_host *h = clock_of(t);
    size_t n;
    const void *hello = session_hello(t->session, &n);

    t->base = msg_text(hello, n, F_BASE);
    t->arch = msg_text(hello, n, F_ARCH);
    REPX_AUTO_FREE char *warning = msg_text(hello, n, F_WARNING);
    if (warning) {
        repx_printable(warning, "");
        h->log(h->ctx, REPX_LOG_WARN, warning);
    }
    if (!t->base || t->base[0] != '/' || !t->arch || strchr(t->arch, '/'))
        return repx_fail(err, REPX_E_CORRUPT, "the agent's hello lacks its base path");
    t->agent = first_command_agent(plugin_libexec(t->paths), t->arch, err);
    return t->agent ? 0 : -1;
}

static int connect_target(struct target *t, const struct target_request *request,
                          struct repx_err *err)
{
    uint32_t mode = request->mode;

    if (transport_choose(t, mode, err) < 0)
        return -1;
    const struct repx_host *h = clock_of(t);
    struct repx_endpoint endpoint =
        endpoint_of(t, mode, h->now_ms(h->ctx) + CONNECT_MS);
    t->ops = &t->transport->ops.transport;
    if (t->ops->open(&t->link, h, &endpoint, err) < 0) {
        t->link = NULL;
        return -1;
    }
    if (request->fault) {
        t->link = fault_link(request->fault, t->ops, t->link, h);
        t->ops = &fault_ops;
    }
    if (reach_agent(t, request, err) < 0)
        return -1;
    return read_hello(t, err);
}

static struct target *target_create(const struct target_request *request)
{
    struct target *t = REPX_NEW(struct target);

    t->config = request->config;
    t->paths = request->paths;
    t->ui = request->ui;
    return t;
}

struct target *target_open(const struct target_request *request, struct repx_err *err)
{
    struct target *t = target_create(request);

    if (connect_target(t, request, err) == 0)
        return t;
    (void)repx_wrap(err, "target '%s'", t->config->name);
    target_close(t);
    return NULL;
}

void target_close(struct target *t)
{
    if (!t)
        return;
    sets_destroy(t->sets);
    session_destroy(t->session);
    if (t->stream)
        t->ops->end(t->stream);
    if (t->link)
        t->ops->close(t->link);
    host_destroy(t->transport_host);
    free(t->base);
    free(t->arch);
    free(t->agent);
    free(t);
}

int target_login(const struct target_request *request, int login, struct repx_err *err)
{
    struct target *t = target_create(request);
    const char *name = t->config->transport;
    int rc;

    /* Only the user's own ssh can keep a connection beyond this process. */
    rc = transport_use(t, strcmp(name, "auto") == 0 ? "openssh" : name, err);
    if (rc == 0) {
        struct repx_endpoint endpoint = endpoint_of(t, REPX_OPEN_PROMPT, 0);
        const struct repx_transport_ops *ops = &t->transport->ops.transport;
        int32_t (*act)(const struct repx_host *, const struct repx_endpoint *,
                       struct repx_err *) = login ? ops->login : ops->logout;
        rc = act ? act(clock_of(t), &endpoint, err)
                 : repx_fail(err, REPX_E_UNSUPPORTED,
                             "transport %s keeps no login; set transport = \"openssh\"",
                             name);
    }
    if (rc < 0)
        (void)repx_wrap(err, "target '%s'", t->config->name);
    target_close(t);
    return rc;
}

struct session *target_session(struct target *t)
{
    return t->session;
}

struct sets *target_sets(struct target *t)
{
    return t->sets;
}

const struct config_target *target_config(const struct target *t)
{
    return t->config;
}

const char *target_base(const struct target *t)
{
    return t->base;
}

const char *target_arch(const struct target *t)
{
    return t->arch;
}

const char *target_agent(const struct target *t)
{
    return t->agent;
}

const struct plugin_paths *target_paths(const struct target *t)
{
    return t->paths;
}

const struct ui *target_ui(const struct target *t)
{
    return t->ui;
}

const struct repx_host *target_clock(const struct target *t)
{
    return clock_of(t);
}

void target_read_all(struct target *t, int all)
{
    t->read_all = all;
}

int target_reads_all(const struct target *t)
{
    return t->read_all;
}

uint64_t target_logins(const struct target *t)
{
    struct repx_transport_stats stats = {.size = sizeof(stats)};

    t->ops->stats(t->link, &stats);
    return stats.logins;
}
