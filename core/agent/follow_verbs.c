/* SPDX-License-Identifier: MIT */
/* follow_verbs.c: the verbs of following; every one works in a child. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/agent/call_log.h"
#include "core/agent/follow.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define IDS_MAX (64u << 20)

struct follow_call {
    char *run, *name;
    int64_t options, limit;
    struct repx_buf ids;
};

static struct follow_call *take(struct call *c, const void *msg, size_t n)
{
    struct follow_call *f = REPX_NEW(struct follow_call);

    f->run = msg_text(msg, n, F_RUN);
    f->name = msg_text(msg, n, F_NAME);
    f->options = msg_number(msg, n, F_OPTIONS, 0);
    f->limit = msg_number(msg, n, F_LIMIT, 20);
    call_set_own(c, f);
    return f;
}

static void follow_drop(struct call *c)
{
    struct follow_call *f = call_own(c);

    if (!f)
        return;
    free(f->run);
    free(f->name);
    repx_buf_free(&f->ids);
    free(f);
    call_set_own(c, NULL);
}

static int list_worker(struct site *site, void *arg, int out, struct repx_buf *fields,
                       struct repx_err *err)
{
    const struct follow_call *f = arg;

    (void)fields;
    return run_list(site, f->limit, out, err);
}

static int show_worker(struct site *site, void *arg, int out, struct repx_buf *fields,
                       struct repx_err *err)
{
    const struct follow_call *f = arg;

    return run_show(site, f->run, f->options, out, fields, err);
}

static int jobs_worker(struct site *site, void *arg, int out, struct repx_buf *fields,
                       struct repx_err *err)
{
    const struct follow_call *f = arg;

    return run_jobs(site, f->run, out, fields, err);
}

static int cancel_worker(struct site *site, void *arg, int out, struct repx_buf *fields,
                         struct repx_err *err)
{
    struct follow_call *f = arg;

    return jobs_cancel(site, f->run, f->ids.len ? f->ids.data : NULL, out, fields, err);
}

static int explain_worker(struct site *site, void *arg, int out,
                          struct repx_buf *fields, struct repx_err *err)
{
    const struct follow_call *f = arg;

    (void)fields;
    return job_explain(site, f->name, out, err);
}

static int stats_worker(struct site *site, void *arg, int out, struct repx_buf *fields,
                        struct repx_err *err)
{
    (void)arg, (void)fields;
    return call_stats(site, out, err);
}

static int stats_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    (void)err;
    call_fork(c, stats_worker, take(c, msg, n));
    return 0;
}

static int list_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    (void)err;
    call_fork(c, list_worker, take(c, msg, n));
    return 0;
}

static int run_begin(struct call *c, const void *msg, size_t n,
                     int (*worker)(struct site *site, void *arg, int out,
                                   struct repx_buf *fields, struct repx_err *err),
                     struct repx_err *err)
{
    struct follow_call *f = take(c, msg, n);

    if (!f->run)
        return repx_fail(err, REPX_E_USAGE, "no run is named");
    call_fork(c, worker, f);
    return 0;
}

static int show_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    return run_begin(c, msg, n, show_worker, err);
}

static int jobs_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    return run_begin(c, msg, n, jobs_worker, err);
}

static int cancel_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    (void)err;
    (void)take(c, msg, n);
    return 0;
}

static int cancel_data(struct call *c, const void *bytes, size_t n,
                       struct repx_err *err)
{
    struct follow_call *f = call_own(c);

    if (f->ids.len + n > IDS_MAX)
        return repx_fail(err, REPX_E_USAGE, "too many jobs at once");
    repx_buf_add(&f->ids, bytes, n);
    return 0;
}

static int cancel_end(struct call *c, struct repx_err *err)
{
    (void)err;
    call_fork(c, cancel_worker, call_own(c));
    return 0;
}

static int explain_begin(struct call *c, const void *msg, size_t n,
                         struct repx_err *err)
{
    const struct follow_call *f = take(c, msg, n);

    if (!f->name)
        return repx_fail(err, REPX_E_USAGE, "no job is named");
    call_fork(c, explain_worker, call_own(c));
    return 0;
}

const struct verb follow_verbs[] = {
    {V_RUN_LIST, list_begin, NULL, NULL, follow_drop},
    {V_RUN_SHOW, show_begin, NULL, NULL, follow_drop},
    {V_RUN_JOBS, jobs_begin, NULL, NULL, follow_drop},
    {V_JOBS_CANCEL, cancel_begin, cancel_data, cancel_end, follow_drop},
    {V_JOB_EXPLAIN, explain_begin, NULL, NULL, follow_drop},
    {V_STATS, stats_begin, NULL, NULL, follow_drop},
    {0},
};
