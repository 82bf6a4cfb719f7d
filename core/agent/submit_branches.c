/* SPDX-License-Identifier: MIT */
/* submit_branches.c: the steps of a scatter-gather job, submitted when their number is
 * known: by the scatter's supervisor, where it runs; what finds no room then, by whoever
 * feeds the run. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/agent/scatter.h"
#include "core/agent/state_check.h"
#include "core/agent/submit_steps.h"
#include "core/agent/units_end.h"
#include "core/agent/waiting.h"

#define LEASE_WAIT_MS 600000
#define AMEND_MS 60000
#define CANCEL_MS 60000

/* ---- the gather, which was submitted together with the scatter ---- */

/* deps is stolen. With nothing left to wait for it only waits for the scatter. */
static int amend_gather(struct submission *s, const char *gather, json_t *deps,
                        struct repx_err *err)
{
    if (json_array_size(deps) == 0) {
        json_decref(deps);
        return 0;
    }
    return scheduler_call(&s->scheduler, "amend",
                          json_pack("{s:s,s:o}", "id", gather, "deps", deps), AMEND_MS,
                          NULL, NULL, err);
}

/* ---- by the scatter's supervisor ---- */

static char *not_taken(const struct steps *t)
{
    return repx_format("the scheduler did not take the %zu branches of %s: %s",
                       t->branches, state_text(t->s->plan[t->job], "id", ""),
                       t->s->refusal ? t->s->refusal : "no reason given");
}

/* Its place in the queue is free for a branch. S/live names the scatter by now: a gather
 * that starts all the same ends at once. 1 when the scatter's unit is to fail instead, so
 * that the gather never starts. */
static int drop_gather(struct submission *s, const char *id, const char *key)
{
    json_t *units = json_pack("[o]", unit_named(id, key));

    if (s->nodes == NODES_NO) {
        json_decref(units);
        return 1;
    }
    return units_end(&s->scheduler, units, CANCEL_MS, NULL) < 0;
}

/* Nobody had submitted it: 1 it is now; 0 there is no room for it either; -1. */
static int gather_alone(struct steps *t, const char *scatter, struct repx_err *err)
{
    json_t *claim = claim_read(t->s->site, scatter, NULL), *deps = steps_sink(t);

    if (json_array_size(deps) == 0) {
        (void)json_array_append_new(
            deps, submission_dep("ok", state_text(claim, "id", ""), NULL));
    }
    json_decref(claim);
    return submission_gather_submit(t->s, t->job, deps, err);
}

/* What of them is in the scheduler would be for nobody. */
static int refuse_all(struct steps *t, struct repx_err *err)
{
    REPX_AUTO_FREE char *text = not_taken(t);

    (void)units_end(&t->s->scheduler, steps_units(t), CANCEL_MS, NULL);
    return repx_fail(err, REPX_E_FAILED, "%s", text);
}

/* 1 all are handed over, and the gather follows them; 0 that is to be gone on with later:
 * there was no room, or no answer; -1. */
static int branches_follow(struct steps *t, const char *gather, const char *scatter,
                           struct repx_err *err)
{
    struct repx_err why = {0};
    int rc = steps_open(t, 0, &why) < 0 || steps_give(t, &why) < 0 ? -1 : 0;

    if (rc == 0 && !steps_all_given(t))
        return t->s->full ? 0 : refuse_all(t, err);
    if (rc == 0 && !gather)
        return gather_alone(t, scatter, err);
    if (rc == 0)
        rc = amend_gather(t->s, gather, steps_sink(t), &why);
    if (rc == 0)
        return 1;
    return t->s->has_backstop ? 0 : repx_fail(err, why.code, "%s", why.text);
}

/* 0 the gather follows the branches, or comes later; 1 the scatter's unit is to fail. */
static int branches_give(struct steps *t, const char *scatter, struct repx_err *err)
{
    struct submission *s = t->s;
    REPX_AUTO_FREE char *gather = NULL;
    char key[27];

    if (submission_gather_find(s, t->job, &gather, err) < 0)
        return -1;
    memcpy(key, s->jobs[t->job].seen, sizeof(key));
    int rc = gather ? submission_gather_began(s, key, err) : 0;
    if (rc == 0)
        rc = branches_follow(t, gather, scatter, err);
    if (rc)
        return rc < 0 ? -1 : 0;
    if (submission_hold(s, t->job, scatter, err) < 0)
        return -1;
    return gather ? drop_gather(s, gather, key) : 0;
}

/* Who stands for the job: 1 this very scatter, so no gather waits for its end; 0 the gather. */
static int stands_alone(struct submission *s, size_t index, const char *scatter)
{
    REPX_AUTO_FREE char *run = NULL;
    char key[27] = "";
    size_t at;

    return live_get(s->site, state_text(s->plan[index], "id", ""), &run, &at, key,
                    NULL) > 0 &&
           strcmp(run, s->run->id) == 0 && strcmp(key, scatter) == 0;
}

static int branches_submit(struct submission *s, size_t index, const char *key,
                           size_t branches, struct repx_err *err)
{
    struct steps t = {.s = s, .job = index, .branches = branches};

    if (submission_cancelled(s, err) < 0)
        return -1;
    if (stands_alone(s, index, key))
        return submission_hold(s, index, key, err);
    if (s->nodes == NODES_NO)
        return submission_hold(s, index, key, err) < 0 ? -1 : 1;
    if (branches == 0 && submission_gather_claimed(s, index))
        return 0;
    int rc = branches_give(&t, key, err);
    steps_close(&t);
    return rc;
}

/* NOLINTNEXTLINE(readability-function-size): one of them is the error */
int submit_branches(struct site *site, struct run *run, size_t index, const char *key,
                    size_t branches, struct repx_err *err)
{
    struct submission s;
    uint64_t epoch;

    if (index >= run->count)
        return 0;
    int rc = submission_open(&s, site, run, err);
    s.fresh = 0;
    s.on_node = 1;
    s.has_backstop = rc == 0 && strcmp(s.scheduler.name, "local") != 0;
    if (rc == 0 && !s.has_backstop)
        s.nodes = NODES_YES; /* our own queue takes all there is, from anybody */
    if (rc == 0)
        s.plan[index] = run_plan(run, index, err);
    rc = rc == 0 && s.plan[index] ? lease_take(site, "feed", LEASE_WAIT_MS, &epoch, err)
                                  : -1;
    if (rc == 0) {
        rc = branches_submit(&s, index, key, branches, err);
        if (s.lines.len)
            (void)journal_write(&s, 0, NULL);
        lease_drop(site, "feed");
    }
    submission_close(&s);
    return rc;
}

/* ---- by whoever feeds the run ---- */

static int64_t count_items(struct submission *s, size_t job, struct repx_err *err)
{
    struct unit u = {.site = s->site, .run = s->run, .index = job};
    int64_t n = -1;

    if (unit_open(&u, "scatter", -1, err) == 0) {
        json_t *items = work_items_read(&u, err);
        n = items ? (int64_t)json_array_size(items) : -1;
        json_decref(items);
    }
    unit_close(&u);
    return n;
}

/* One that found no room leaves the scatter to stand for the job, as before. */
static int give_gather(struct submission *s, size_t job, const char *scatter,
                       json_t *deps, struct repx_err *err)
{
    const char *id = state_text(s->plan[job], "id", "");

    if (submission_add(s, job, "gather", 0, deps, err) < 0 ||
        submission_flush(s, err) < 0)
        return -1;
    if (s->jobs[job].what != DECIDE_LATER) {
        request_take(s->site, s->run->id, job);
        return 0;
    }
    memcpy(s->jobs[job].seen, scatter, sizeof(s->jobs[job].seen));
    return live_set(s->site, id, s->run->id, job, scatter, err);
}

static int feed_branches(struct steps *t, struct repx_err *err)
{
    struct submission *s = t->s;
    const char *id = state_text(s->plan[t->job], "id", "");
    char scatter[27];

    if (!sub_last_key(s->site, s->run->id, id, "scatter", scatter))
        return repx_fail(err, REPX_E_CORRUPT, "%s: its scatter is not known", id);
    if (steps_open(t, 1, err) < 0 || steps_give(t, err) < 0)
        return -1;
    if (steps_all_given(t))
        return give_gather(s, t->job, scatter, steps_sink(t), err);
    if (s->full) {
        s->jobs[t->job].what = DECIDE_LATER;
        return 0;
    }
    REPX_AUTO_FREE char *text = not_taken(t);
    request_take(s->site, s->run->id, t->job);
    return submission_refuse(s, t->job, text, err);
}

int submission_branches(struct submission *s, size_t job, struct repx_err *err)
{
    int64_t n = count_items(s, job, err);
    struct steps t = {.s = s, .job = job, .branches = n > 0 ? (size_t)n : 0};

    if (n < 0 || submission_flush(s, err) < 0)
        return -1;
    if (s->full) {
        s->jobs[job].what = DECIDE_LATER;
        return 0;
    }
    int rc = feed_branches(&t, err);
    steps_close(&t);
    return rc;
}
