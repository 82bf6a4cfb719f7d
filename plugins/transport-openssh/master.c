/* SPDX-License-Identifier: MIT */
/* master.c: an authentication that outlives us: ssh's own master connection, at a socket
 * of ours. */
#include <stdlib.h>
#include <unistd.h>

#include <kit/child.h>
#include <kit/ssh.h>

#include "openssh.h"

#define STEP_MS 200
#define LOCAL_MS 10000

/* ssh -O COMMAND: talks to the socket only, never to the host. */
static int control(const struct openssh *o, const char *command, int *status,
                   struct repx_err *err)
{
    struct words w = {0};
    int rc = words_begin(&w, o, err);

    words_add(&w, "-o");
    words_fmt(&w, "ControlPath=%s", o->master);
    words_add(&w, "-O");
    words_add(&w, command);
    if (rc == 0)
        rc = words_host(&w, o, err);
    if (rc == 0)
        rc = repx_child_run(words_argv(&w), LOCAL_MS, NULL, NULL, status, err);
    words_free(&w);
    return rc;
}

int master_lives(const struct openssh *o)
{
    int status = 1;

    return o->master && control(o, "check", &status, NULL) == 0 && status == 0;
}

/* Until it went into the background, or gave up; the user may stop it. */
static int await(const struct openssh *o, struct repx_child *c, struct repx_err *err)
{
    int status = 0;

    for (;;) {
        int rc = repx_child_wait(c, STEP_MS, &status, err);
        if (rc < 0)
            return -1;
        if (rc > 0)
            break;
        int late = o->deadline_ms && o->host.now_ms(o->host.ctx) > o->deadline_ms;
        if (late || o->host.canceled(o->host.ctx)) {
            repx_child_end(c);
            return late ? repx_fail(err, REPX_E_TIMEOUT, "no login in time")
                        : repx_fail(err, REPX_E_CANCELED, "cancelled");
        }
    }
    if (status != 0) {
        return repx_fail(err, REPX_E_AUTH,
                         "ssh did not log in (exit %d); what it said stands above",
                         status);
    }
    if (!master_lives(o)) {
        return repx_fail(err, REPX_E_FAILED,
                         "ssh logged in, but keeps no connection at %s; does its "
                         "configuration or the server forbid multiplexing "
                         "(MaxSessions)?",
                         o->master);
    }
    return 0;
}

static int begin(struct openssh *o, struct repx_err *err)
{
    struct words w = {0};
    struct repx_child child;
    int64_t ms = 0;
    int rc;

    free(o->master);
    o->master = repx_ssh_master_path(o->target, o->address, err);
    if (!o->master)
        return -1;
    (void)unlink(o->master); /* of a master that died */
    rc = words_begin(&w, o, err);
    (void)o->host.config_number(o->host.ctx, "persist", &ms);
    words_add(&w, "-M");
    words_add(&w, "-N");
    words_add(&w, "-f");
    words_add(&w, "-o");
    words_fmt(&w, "ControlPath=%s", o->master);
    words_add(&w, "-o");
    words_fmt(&w, "ControlPersist=%lld", (long long)(ms / 1000));
    if (rc == 0)
        rc = words_host(&w, o, err);
    if (rc == 0)
        rc = repx_child_start(&child, words_argv(&w), REPX_CHILD_TERMINAL, err);
    if (rc == 0)
        rc = await(o, &child, err);
    words_free(&w);
    return rc;
}

int32_t openssh_login(const struct repx_host *host,
                      const struct repx_endpoint *endpoint, struct repx_err *err)
{
    struct openssh o = {0};
    int rc = openssh_init(&o, host, endpoint, err);

    if (rc == 0 && master_lives(&o)) {
        o.host.log(o.host.ctx, REPX_LOG_INFO, "is logged in already");
    } else if (rc == 0) {
        rc = begin(&o, err);
    }
    openssh_finish(&o);
    return rc;
}

int32_t openssh_logout(const struct repx_host *host,
                       const struct repx_endpoint *endpoint, struct repx_err *err)
{
    struct openssh o = {0};
    int status = 0, rc = openssh_init(&o, host, endpoint, err);

    if (rc == 0 && !o.master) {
        o.host.log(o.host.ctx, REPX_LOG_INFO, "was not logged in");
    } else if (rc == 0) {
        rc = control(&o, "exit", &status, err);
        if (rc == 0 && status != 0) {
            rc = repx_fail(err, REPX_E_FAILED, "ssh -O exit: exit %d (socket %s)",
                           status, o.master);
        }
    }
    openssh_finish(&o);
    return rc;
}
