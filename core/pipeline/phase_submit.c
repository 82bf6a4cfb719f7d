/* SPDX-License-Identifier: MIT */
/* submit: ask what is complete, hand the run record and the plan to the target, let the
 * agent submit the rest there, and, for the target's own queue, follow it to its end. */
#include <stdio.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/clock.h>

#include "core/target/exchange.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"
#include "jobs.h"
#include "pipeline.h"
#include "run_record.h"
#include "watch.h"

static void count_status(struct pipeline *p)
{
    for (size_t i = 0; i < p->plan->count; i++) {
        int done = job_is_done(&p->status[i]);
        if (done && p->status[i].stale)
            p->stale++;
        if (!done || (p->status[i].stale && p->options->rerun_stale))
            p->todo++;
    }
}

static int create_run(struct pipeline *p, const char *helper, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};
    REPX_AUTO_BUF struct repx_buf lines = {0};

    if (run_id_make(p->run, err) < 0 || run_record_line(p, helper, &lines, err) < 0)
        return -1;
    for (size_t i = 0; i < p->plan->count; i++)
        plan_line(p->plan, i, &lines);
    msg_put_text(&msg, F_RUN, p->run);
    msg_put_text(&msg, F_SCHEDULER, p->plan->scheduler);
    msg_put_text(&msg, F_HELPER, helper);
    return session_upload(target_session(p->target), V_RUN_CREATE, &msg, &lines, NULL,
                          err);
}

static int submit_run(struct pipeline *p, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};
    REPX_AUTO_BUF struct repx_buf fields = {0};
    struct event_stream stream = {.p = p};

    msg_put_text(&msg, F_RUN, p->run);
    msg_put_number(&msg, F_OPTIONS, p->options->rerun_stale ? 1 : 0);
    struct session_call *call =
        session_call(target_session(p->target), V_RUN_SUBMIT, msg.data, msg.len,
                     event_stream_data, &stream);
    int rc = session_finish(call, &fields, err);
    event_stream_finish(&stream);
    if (rc == 0) {
        p->waiting = (size_t)msg_number(fields.data, fields.len, F_LEFT, 0);
        REPX_AUTO_FREE char *why = msg_text(fields.data, fields.len, F_REASON);
        (void)snprintf(p->waiting_reason, sizeof(p->waiting_reason), "%s",
                       why ? why : "");
    }
    return rc;
}

static int submit_all(struct pipeline *p, const char *helper, struct repx_err *err)
{
    int is_local = strcmp(p->plan->scheduler, "local") == 0;

    if (scheduler_check_plan(p, err) < 0 || create_run(p, helper, err) < 0 ||
        submit_run(p, err) < 0)
        return -1;
    if ((!is_local && !p->options->wait) || p->options->detach)
        return 0;
    return watch_run(p, err);
}

static int take_root(struct pipeline *p, struct repx_err *err)
{
    struct session_call *root = p->root;
    REPX_AUTO_BUF struct repx_buf fields = {0};

    p->root = NULL;
    if (!root)
        return 0;
    if (session_finish(root, &fields, err) < 0)
        return -1;
    if (!p->root_early || msg_number(fields.data, fields.len, F_COUNT, 0))
        return 0;
    pipeline_keep_root(p, NULL, 0); /* something was not known after all */
    root = p->root;
    p->root = NULL;
    return session_finish(root, NULL, err);
}

#define EARLY_MS 5000 /* so long an early answer is as good as one of now */

/* What was asked when the Lab's phase began, unless that took long. */
static struct job_status *ask(struct pipeline *p, const char *helper,
                              struct repx_err *err)
{
    struct status_call *asked = p->asked;

    p->asked = NULL;
    if (asked && repx_now_ms() - p->asked_ms > EARLY_MS) {
        plan_status_cancel(asked);
        asked = NULL;
    }
    if (!asked)
        asked = plan_status_begin(p->target, p->plan, helper);
    return plan_status_finish(asked, err);
}

static int submit_perform(struct pipeline *p, struct repx_err *err)
{
    REPX_AUTO_FREE char *file = NULL;
    REPX_AUTO_FREE char *helper = NULL;
    struct digest digest;

    if (pipeline_helper(p->target, p->plan->scheduler, &file, &helper, &digest, err) <
        0)
        return -1;
    p->status = ask(p, helper, err);
    if (!p->status || take_root(p, err) < 0 ||
        sets_settle(target_sets(p->target), err) < 0)
        return -1;
    count_status(p);
    p->listener->status(p->listener->ctx, p->plan, p->status);
    if (!p->todo && !p->placed)
        session_leave_at_once(target_session(p->target));
    return p->todo ? submit_all(p, helper, err) : 0;
}

const struct phase phase_submit = {
    .name = "submit",
    .summary = "the jobs that are not complete",
    .perform = submit_perform,
};
