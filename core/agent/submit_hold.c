/* SPDX-License-Identifier: MIT */
/* submit_hold.c: branches that wait for room, or for somebody who may submit: a request is
 * left for whoever feeds the run. Until its branches are all handed over the scatter stands
 * for the job; its gather comes after them, anew, and so does what depends on the job. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/agent/state_check.h"
#include "core/agent/submit_own.h"
#include "core/agent/waiting.h"

/* ---- leaving it ---- */

static int leave_request(struct submission *s, size_t job, struct repx_err *err)
{
    struct waiting w;
    int there = waiting_read(s->site, s->run->id, &w), rc;

    w.jobs += !there;
    w.t = state_now_ms();
    w.next = w.t;
    w.needs_client = s->nodes == NODES_NO;
    if (!w.reason || !*w.reason) {
        free(w.reason);
        w.reason = repx_strdup(s->room);
    }
    /* a request that nobody looks for would keep the job from everybody */
    rc = waiting_write(s->site, s->run->id, &w, err);
    if (rc == 0)
        rc = request_leave(s->site, s->run->id, job, err);
    waiting_finish(&w);
    return rc;
}

static int tell_withdrawn(struct submission *s, size_t job, struct repx_err *err)
{
    const char *why = s->nodes == NODES_NO
                          ? "waits for a client that submits its branches"
                          : "waits for room";

    return submission_event(s,
                            json_pack("{s:I,s:s,s:s}", "i", (json_int_t)job, "e",
                                      "withdrawn", "reason", why),
                            err);
}

static int depends(const json_t *plan, const char *behind)
{
    const json_t *deps = json_object_get(plan, "deps");

    for (size_t k = 0; k < json_array_size(deps); k++) {
        if (behind[json_integer_value(json_array_get(deps, k))])
            return 1;
    }
    return 0;
}

/* What was submitted to follow it would never start. */
static int withdraw_behind(struct submission *s, size_t job, struct repx_err *err)
{
    char *behind = repx_array(s->run->count + 1, 1);
    int rc = tell_withdrawn(s, job, err);

    behind[job] = 1;
    for (size_t i = job + 1; rc == 0 && i < s->run->count; i++) {
        json_t *plan = run_plan(s->run, i, err);
        rc = plan ? 0 : -1;
        behind[i] = (char)depends(plan, behind);
        if (behind[i] &&
            job_leave(s->site, state_text(plan, "id", ""), s->run->id, NULL))
            rc = tell_withdrawn(s, i, err);
        json_decref(plan);
    }
    free(behind);
    return rc;
}

int submission_hold(struct submission *s, size_t job, const char *scatter,
                    struct repx_err *err)
{
    const char *id = state_text(s->plan[job], "id", "");

    if (leave_request(s, job, err) < 0 ||
        live_set(s->site, id, s->run->id, job, scatter, err) < 0)
        return -1;
    return withdraw_behind(s, job, err);
}

/* ---- finding it ---- */

static void mark_anew(void *ctx, size_t job)
{
    const struct submission *s = ctx;

    if (job < s->run->count)
        s->jobs[job].anew = 1;
}

void submission_requests(struct submission *s)
{
    request_each(s->site, s->run->id, mark_anew, s);
}

int submission_request_stands(struct submission *s, size_t job, int there,
                              const char *key)
{
    if (!there || (key && submission_is_scatter(s, s->run->id, job, key)))
        return 1;
    /* whoever handed the gather over may have died before it asked for it */
    if (!key || claim_there(s->site, key))
        request_take(s->site, s->run->id, job);
    return 0;
}
