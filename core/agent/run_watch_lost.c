/* SPDX-License-Identifier: MIT */
/* run_watch_lost.c: ends that nobody wrote down. */
#include <stdlib.h>
#include <string.h>

#include <repx/scheduler.h>

#include <kit/alloc.h>

#include "core/agent/run_watch.h"
#include "core/agent/run_watch_said.h"
#include "core/agent/state_check.h"
#include "core/wire/verbs.h"

#define STATUS_MS 60000
#define GRACE_LOCAL_MS 2000
#define GRACE_MS 120000 /* records of other nodes may take that long to be seen (NFS) */
#define SAID_MS 5000    /* the same, when it is known what killed the unit */

/* ---- what the scheduler says ---- */

static int ended(uint32_t state)
{
    return state >= REPX_STATE_DONE && state <= REPX_STATE_ENDED;
}

/* Rows by key, of an array the row that is worst to lose: one that still goes on. And for
 * jobs in arrays by "KEY/INDEX", and "KEY/" for all indices without a row of their own. */
static void on_row(void *ctx, const json_t *answer)
{
    const char *key = json_string_value(json_object_get(answer, "key"));
    json_t *before = key ? json_object_get(ctx, key) : NULL;
    json_t *row = (json_t *)(uintptr_t)answer;

    if (!key)
        return;
    int64_t index = state_int(answer, "index", -1);
    REPX_AUTO_FREE char *one = index < 0
                                   ? repx_format("%s/", key)
                                   : repx_format("%s/%lld", key, (long long)index);
    (void)json_object_set(ctx, one, row);
    if (!before || ended(scheduler_state(state_text(before, "state", ""))))
        (void)json_object_set(ctx, key, row);
}

static const json_t *row_of(const json_t *rows, const struct watched *j)
{
    if (j->index < 0)
        return json_object_get(rows, j->key);
    REPX_AUTO_FREE char *one = repx_format("%s/%lld", j->key, (long long)j->index);
    REPX_AUTO_FREE char *rest = repx_format("%s/", j->key);
    const json_t *row = json_object_get(rows, one);
    return row ? row : json_object_get(rows, rest);
}

static void compare(struct watch *w, const json_t *rows, int64_t now)
{
    for (size_t i = 0; i < w->run->count; i++) {
        struct watched *j = w->jobs + i;
        if (w->state.terminal[i] || !j->key[0])
            continue;
        const json_t *row = row_of(rows, j);
        j->state = row ? scheduler_state(state_text(row, "state", "")) : 0;
        j->dependency = strcmp(state_text(row, "reason", ""), "dependency") == 0;
        if (row && !ended(j->state)) {
            j->gone_since = 0;
        } else if (!j->gone_since) {
            j->gone_since = now;
        }
    }
}

/* ---- what is written then ---- */

static const char *lost_reason(uint32_t state)
{
    if (state == REPX_STATE_TIMEOUT)
        return "timed out";
    if (state == REPX_STATE_MEMORY)
        return "out of memory";
    return state == REPX_STATE_NODE ? "node failure" : "LOST";
}

/* Killed with its supervisor, as the scheduler says and its daemon wrote down. */
static json_t *lost_event(struct watch *w, size_t i)
{
    uint32_t state = w->jobs[i].state;
    struct unit_said said = {0};

    if (state != REPX_STATE_TIMEOUT && state != REPX_STATE_MEMORY)
        said = unit_said(w->site, w->jobs[i].key);
    json_t *event = json_pack("{s:I,s:s,s:s}", "i", (json_int_t)i, "e", "lost",
                              "reason", said.reason ? said.reason : lost_reason(state));
    if (said.used)
        (void)json_object_set_new(event, "mem", json_integer((json_int_t)said.used));
    return event;
}

static int cause_known(struct watch *w, size_t i, int64_t now)
{
    const struct watched *j = w->jobs + i;

    return ended(j->state) && !j->taken && now - j->gone_since >= SAID_MS &&
           unit_said(w->site, j->key).reason;
}

/* It never started, and never will. */
static int never_started(const struct watch *w, size_t i)
{
    return w->jobs[i].state == REPX_STATE_CANCELED && !w->jobs[i].dependency &&
           w->state.status[i] != JOB_RUNNING;
}

/* The other run's work on it is over (or given up): take its result as ours. */
static int end_taken(struct watch *w, size_t i, const json_t *plan,
                     struct repx_err *err)
{
    REPX_AUTO_FREE char *reason = NULL;
    int stale;
    int status = result_status(w->site, state_text(plan, "id", ""),
                               state_text(plan, "key", NULL), &stale, &reason);
    json_t *event;

    if (status == JOB_SUCCEEDED && stale) {
        event = json_pack(
            "{s:I,s:s,s:b,s:s}", "i", (json_int_t)i, "e", "end", "ok", 0, "reason",
            "another run made it from another script, parameters or inputs");
    } else if (status == JOB_SUCCEEDED) {
        event = json_pack("{s:I,s:s}", "i", (json_int_t)i, "e", "done");
    } else if (status == JOB_FAILED) {
        event = json_pack("{s:I,s:s,s:b,s:s}", "i", (json_int_t)i, "e", "end", "ok", 0,
                          "reason", reason ? reason : "failed in another run");
    } else {
        event = json_pack("{s:I,s:s,s:s}", "i", (json_int_t)i, "e", "lost", "reason",
                          "LOST");
    }
    return event_write(w->site, w->run, event, err);
}

/* Branches of a job that is lost have nobody to gather them. */
static void cancel_steps(struct watch *w, size_t i)
{
    if (w->jobs[i].steps) {
        (void)scheduler_call(&w->scheduler, "cancel",
                             json_pack("{s:O}", "ids", w->jobs[i].steps), STATUS_MS,
                             NULL, NULL, NULL);
    }
}

static int write_end(struct watch *w, size_t i, struct repx_err *err)
{
    json_t *plan = run_plan(w->run, i, err);
    /* what a dependency cancelled has its cause elsewhere, where nobody wrote it down */
    int canceled = w->jobs[i].state == REPX_STATE_CANCELED && !w->jobs[i].dependency;

    if (!plan)
        return -1;
    if (w->jobs[i].taken) {
        int rc = end_taken(w, i, plan, err);
        json_decref(plan);
        return rc;
    }
    cancel_steps(w, i);
    live_clear(w->site, state_text(plan, "id", ""), w->run->id, NULL);
    json_decref(plan);
    json_t *event = canceled ? json_pack("{s:I,s:s,s:s}", "i", (json_int_t)i, "e",
                                         "cancelled", "by", "scheduler")
                             : lost_event(w, i);
    return event_write(w->site, w->run, event, err);
}

int watch_lost(struct watch *w, struct repx_err *err)
{
    int64_t grace = w->is_local ? GRACE_LOCAL_MS : GRACE_MS;
    int64_t now = repx_now_ms();
    struct repx_err why = {0};
    json_t *rows = json_object();

    int rc = scheduler_call(&w->scheduler, "status", json_object(), STATUS_MS, on_row,
                            rows, &why);
    if (rc == 0)
        compare(w, rows, now);
    json_decref(rows);
    if (rc < 0)
        return 0; /* a question that failed is no answer */
    /* what the supervisors wrote before their units left the queue comes first */
    if (watch_poll(w, err) < 0)
        return -1;
    for (size_t i = 0; i < w->run->count; i++) {
        const struct watched *j = w->jobs + i;
        if (w->state.terminal[i] || !j->gone_since)
            continue;
        if ((never_started(w, i) || now - j->gone_since >= grace ||
             cause_known(w, i, now)) &&
            write_end(w, i, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- other runs ---- */

int watch_taken(struct watch *w, struct repx_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < w->run->count; i++) {
        REPX_AUTO_FREE char *run = NULL;
        char key[27];
        size_t index;
        if (w->state.terminal[i] || !w->jobs[i].taken)
            continue;
        json_t *plan = run_plan(w->run, i, err);
        if (!plan)
            return -1;
        int there =
            live_get(w->site, state_text(plan, "id", ""), &run, &index, key, NULL);
        if (there <= 0 || strcmp(run, w->jobs[i].taken) != 0)
            rc = end_taken(w, i, plan, err);
        json_decref(plan);
    }
    return rc;
}
