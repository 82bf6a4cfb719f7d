/* SPDX-License-Identifier: MIT */
#include "core/agent/run_verbs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "core/agent/state.h"
#include "core/agent/submit.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

/* What a worker is given. */
struct run_call {
    char *run;
    int64_t options, offset;
};

/* A submission that was begun goes on to its end when the session is lost: what it has not
 * handed over yet, nobody else would. Only a cancel ends it. */
static void outlive_session(void)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (null >= 0)
        (void)dup2(null, STDERR_FILENO); /* sshd would wait for who holds it */
    (void)prctl(PR_SET_PDEATHSIG, 0);
    (void)signal(SIGPIPE, SIG_IGN); /* nobody may be listening any more */
    (void)signal(SIGHUP, SIG_IGN);
    (void)setsid();
}

static int submit_worker(struct site *site, void *arg, int out, struct repx_buf *fields,
                         struct repx_err *err)
{
    const struct run_call *r = arg;

    outlive_session();
    return submit_run(site, r->run, (unsigned)r->options, out, fields, err);
}

static int watch_worker(struct site *site, void *arg, int out, struct repx_buf *fields,
                        struct repx_err *err)
{
    const struct run_call *r = arg;

    return run_watch(site, r->run, r->offset, out, fields, err);
}

static int cancel_worker(struct site *site, void *arg, int out, struct repx_buf *fields,
                         struct repx_err *err)
{
    const struct run_call *r = arg;

    (void)out;
    return run_cancel(site, r->run, fields, err);
}

static int run_call_begin(struct call *c, const void *msg, size_t n,
                          int (*worker)(struct site *site, void *arg, int out,
                                        struct repx_buf *fields, struct repx_err *err),
                          struct repx_err *err)
{
    struct run_call *r = REPX_NEW(struct run_call);

    r->run = msg_text(msg, n, F_RUN);
    r->options = msg_number(msg, n, F_OPTIONS, 0);
    r->offset = msg_number(msg, n, F_OFFSET, 0);
    call_set_own(c, r);
    if (!r->run || !run_id_ok(r->run)) {
        return repx_fail(err, REPX_E_USAGE, "%s: not the name of a run",
                         r->run ? r->run : "");
    }
    call_fork(c, worker, r);
    return 0;
}

static int submit_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    if (run_call_begin(c, msg, n, submit_worker, err) < 0)
        return -1;
    call_outlives(c);
    return 0;
}

static int watch_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    return run_call_begin(c, msg, n, watch_worker, err);
}

static int cancel_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    return run_call_begin(c, msg, n, cancel_worker, err);
}

static void run_call_drop(struct call *c)
{
    struct run_call *r = call_own(c);

    if (r)
        free(r->run);
    free(r);
    call_set_own(c, NULL);
}

const struct verb run_verbs[] = {
    {V_RUN_CREATE, run_create_begin, run_create_data, run_create_end, run_create_drop},
    {V_RUN_SUBMIT, submit_begin, NULL, NULL, run_call_drop},
    {V_RUN_WATCH, watch_begin, NULL, NULL, run_call_drop},
    {V_RUN_CANCEL, cancel_begin, NULL, NULL, run_call_drop},
    {V_STATUS, status_begin, status_data, status_end, status_drop},
    {0},
};
