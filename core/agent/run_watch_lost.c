/* SPDX-License-Identifier: MIT */
/* run_watch_lost.c: how the scheduler sees the jobs of a run, and ends that nobody wrote. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <repx/scheduler.h>

#include <kit/alloc.h>

#include "core/agent/manifest.h"
#include "core/agent/run_watch.h"
#include "core/agent/state_check.h"
#include "core/agent/state_next.h"
#include "core/agent/truth.h"
#include "core/agent/unit_said.h"
#include "core/agent/units_end.h"
#include "core/agent/waiting.h"
#include "core/wire/verbs.h"

#define CANCEL_MS 60000
#define CLOCKS_MS 2000 /* by which clocks of nodes may differ without harm */

/* ---- what the scheduler says ---- */

static void set_word(char **to, const char *text)
{
    char *copy = text ? repx_strdup(text) : NULL;

    free(*to);
    *to = copy;
}

static void compare_one(struct watch *w, size_t i)
{
    struct watched *j = w->jobs + i;
    const json_t *row = queue_row(&w->queue, j->key, j->index);

    if (!row && w->queue.t < j->submitted + CLOCKS_MS)
        return; /* an answer from before it was submitted */
    j->state = row ? scheduler_state(state_text(row, "state", "")) : 0;
    set_word(&j->word, state_text(row, "reason", NULL));
    set_word(&j->by, state_text(row, "by", NULL));
    if (row && !queue_over(j->state)) {
        j->gone = 0;
        return;
    }
    if (j->gone)
        return;
    j->gone = w->queue.t;
    (void)event_write(w->site, w->run,
                      json_pack("{s:I,s:s}", "i", (json_int_t)i, "e", "gone"), NULL);
}

static void compare(struct watch *w)
{
    for (size_t i = 0; i < w->run->count; i++) {
        if (!w->state.terminal[i] && w->jobs[i].key[0])
            compare_one(w, i);
    }
    w->compared = w->queue.t;
}

/* Everything that it waits for has succeeded. */
static int is_fed(const struct watch *w, size_t i)
{
    json_t *plan = run_plan(w->run, i, NULL);
    const json_t *deps = json_object_get(plan, "deps");
    int fed = plan != NULL;

    for (size_t k = 0; k < json_array_size(deps); k++) {
        size_t d = (size_t)json_integer_value(json_array_get(deps, k));
        fed &= d < i && w->state.terminal[d] && w->state.status[d] == JOB_SUCCEEDED;
    }
    json_decref(plan);
    return fed;
}

static struct testimony testimony_of(struct watch *w, size_t i, int64_t now)
{
    const struct watched *j = w->jobs + i;
    struct testimony t = {
        .started = w->state.status[i] == JOB_RUNNING,
        .state = j->state,
        .word = j->word,
        .by = j->by,
        .gone_ms = -1,
        .lost_ms = w->is_local ? TRUTH_LOST_LOCAL_MS : TRUTH_LOST_MS,
    };

    /* what started after the answer is not what the answer is about */
    if (t.state == REPX_STATE_PENDING && j->ran + CLOCKS_MS > w->queue.t)
        t.started = 0;
    if (!j->gone)
        return t;
    t.gone_ms = now > j->gone ? now - j->gone : 0;
    t.marked = cancel_marked(w->site, j->key, i) ||
               faccessat(w->run->dir, "cancel", F_OK, 0) == 0;
    struct unit_said said = unit_said(w->site, j->key, j->index);
    t.said = said.reason;
    t.fed = t.state == REPX_STATE_CANCELED && is_fed(w, i);
    t.said_may_return = said.may_return;
    return t;
}

/* ---- what is written then ---- */

static json_t *lost_event(struct watch *w, size_t i, const char *reason)
{
    int64_t used = unit_said(w->site, w->jobs[i].key, w->jobs[i].index).used;
    json_t *event =
        json_pack("{s:I,s:s,s:s}", "i", (json_int_t)i, "e", "lost", "reason", reason);

    if (strcmp(reason, TRUTH_NOBODY) == 0 && watch_unasked(w, i))
        (void)json_object_set_new(event, "unasked", json_true());
    if (used)
        (void)json_object_set_new(event, "mem", json_integer((json_int_t)used));
    return event;
}

/* What never comes is told, and taken out of the queue. */
static json_t *never_event(struct watch *w, size_t i)
{
    const json_t *row = queue_row(&w->queue, w->jobs[i].key, w->jobs[i].index);
    char *unit = array_unit(state_text(row, "id", ""), w->jobs[i].index);
    json_t *units = json_pack("[o]", unit_named(unit, w->jobs[i].key));

    (void)units_end(&w->scheduler, units, CANCEL_MS, NULL);
    free(unit);
    return json_pack("{s:I,s:s,s:I,s:s}", "i", (json_int_t)i, "e", "blocked", "by",
                     (json_int_t)i, "reason", "dependency never satisfied");
}

static json_t *end_event(struct watch *w, size_t i, const struct truth *truth)
{
    if (truth->verdict == TRUTH_NEVER)
        return never_event(w, i);
    /* its branches have nobody to gather them */
    (void)units_end(&w->scheduler, json_incref(w->jobs[i].steps), CANCEL_MS, NULL);
    if (truth->verdict == TRUTH_LOST)
        return lost_event(w, i, truth->reason);
    return json_pack("{s:I,s:s,s:s,s:s}", "i", (json_int_t)i, "e", "cancelled", "by",
                     "scheduler", "reason", truth->reason);
}

/* ---- what its supervisor left in the job's directory ---- */

static json_t *failed_event(struct watch *w, size_t i, const json_t *plan,
                            const json_t *how)
{
    int gathers = strcmp(state_text(plan, "type", ""), "scatter-gather") == 0;
    unsigned n = attempt_current(w->site, state_text(plan, "id", ""));
    json_t *event = json_pack("{s:I,s:s}", "i", (json_int_t)i, "e", "end");

    (void)json_object_update_missing(event, (json_t *)(uintptr_t)how);
    if (gathers)
        (void)json_object_set_new(event, "phase", json_string("gather"));
    if (n)
        (void)json_object_set_new(event, "n", json_integer(n));
    return event;
}

/* The end of this very unit, where its supervisor was killed before it could tell, or had
 * nowhere to write; or NULL. any: a current result of any other will do. */
static json_t *recorded_event(struct watch *w, size_t i, const json_t *plan, int any)
{
    const char *id = state_text(plan, "id", "");
    REPX_AUTO_FREE char *dir = repx_format("outputs/%s/repx", id);
    json_t *first, *second, *event = NULL;
    int stale;

    result_look_again(w->site, id);
    int status =
        result_status(w->site, id, state_text(plan, "key", NULL), &stale, NULL);
    attempt_read(w->site->base_fd, dir, &first, &second);
    int own = strcmp(state_text(first, "sub", ""), w->jobs[i].key) == 0;
    int good = own ? state_true(second, "ok") : any && !result_purged(w->site, id);
    if (status == JOB_SUCCEEDED && !stale && good) {
        event = json_pack("{s:I,s:s}", "i", (json_int_t)i, "e", "done");
    } else if (own && second && !state_true(second, "ok")) {
        event = failed_event(w, i, plan, second);
    }
    json_decref(first);
    json_decref(second);
    return event;
}

/* Ends of its own are looked for before any is derived. */
static int ended_by_record(struct watch *w, size_t i, int64_t gone_ms,
                           struct repx_err *err)
{
    int64_t late = w->is_local ? TRUTH_LOST_LOCAL_MS : TRUTH_SAID_MS;
    json_t *plan =
        gone_ms < late || w->jobs[i].taken ? NULL : run_plan(w->run, i, NULL);
    json_t *event = plan ? recorded_event(w, i, plan, 0) : NULL;
    int rc = 0;

    if (event) {
        (void)job_leave(w->site, state_text(plan, "id", ""), w->run->id, NULL);
        rc = event_write(w->site, w->run, event, err) < 0 ? -1 : 1;
    }
    json_decref(plan);
    return rc;
}

static int write_end(struct watch *w, size_t i, const struct truth *truth,
                     struct repx_err *err)
{
    json_t *plan = run_plan(w->run, i, err);
    int rc = 0;

    if (!plan)
        return -1;
    if (w->jobs[i].taken) {
        rc = taken_end(w, i, plan, err);
        json_decref(plan);
        return rc;
    }
    json_t *event = truth->verdict == TRUTH_LOST ? recorded_event(w, i, plan, 1) : NULL;
    if (!event)
        event = end_event(w, i, truth);
    (void)job_leave(w->site, state_text(plan, "id", ""), w->run->id, NULL);
    json_decref(plan);
    return event_write(w->site, w->run, event, err);
}

/* What never started left the queue together with what it waited for: that one's end
 * comes first, and may be why. */
static int follows_its_producer(const struct watch *w, size_t i)
{
    json_t *plan = w->jobs[i].ran ? NULL : run_plan(w->run, i, NULL);
    const json_t *deps = json_object_get(plan, "deps");
    int follows = 0;

    for (size_t k = 0; k < json_array_size(deps); k++) {
        size_t d = (size_t)json_integer_value(json_array_get(deps, k));
        follows |= d < i && !w->state.terminal[d] && w->jobs[d].gone;
    }
    json_decref(plan);
    return follows;
}

/* Whose is the job by S/live? 1 with *run (caller frees) and its key, 0 nobody's. */
static int live_of(const struct watch *w, size_t i, char **run, char key[27])
{
    json_t *plan = run_plan(w->run, i, NULL);
    size_t at;
    int there =
        plan && live_get(w->site, state_text(plan, "id", ""), run, &at, key, NULL) > 0;

    json_decref(plan);
    return there;
}

/* The queue tells at once what became of a unit; that it was taken back, and that the job is
 * to have another, may be seen later. */
static int taken_back(struct watch *w, size_t i)
{
    json_t *plan = run_plan(w->run, i, NULL);
    REPX_AUTO_FREE char *run = NULL;
    char key[27] = "";

    result_look_again(w->site, state_text(plan, "id", ""));
    int waits = next_waits(w->site, state_text(plan, "id", ""), w->jobs[i].key);
    json_decref(plan);
    return !waits && (!live_of(w, i, &run, key) || strcmp(key, w->jobs[i].key) != 0);
}

/* What it was to follow was another run's gather, and that was withdrawn: the branches wait
 * for room, and another gather comes after them. */
static int lost_its_gather(const struct watch *w, size_t i)
{
    json_t *plan = w->jobs[i].ran ? NULL : run_plan(w->run, i, NULL);
    const json_t *deps = json_object_get(plan, "deps");
    int lost = 0;

    for (size_t k = 0; k < json_array_size(deps); k++) {
        size_t d = (size_t)json_integer_value(json_array_get(deps, k));
        int taken = d < i && !w->state.terminal[d] && w->jobs[d].taken;
        REPX_AUTO_FREE char *run = NULL;
        char key[27] = "";
        lost |= taken && live_of(w, d, &run, key) && strcmp(key, w->jobs[d].key) != 0;
    }
    json_decref(plan);
    return lost;
}

/* It is to be handed over again. */
static int withdraw(struct watch *w, size_t i, struct repx_err *err)
{
    json_t *plan = run_plan(w->run, i, err);
    struct waiting waits;

    if (!plan)
        return -1;
    (void)job_leave(w->site, state_text(plan, "id", ""), w->run->id, w->jobs[i].key);
    json_decref(plan);
    (void)waiting_read(w->site, w->run->id, &waits);
    waits.jobs++;
    waits.t = state_now_ms();
    int rc = waiting_write(w->site, w->run->id, &waits, err);
    waiting_finish(&waits);
    return rc < 0 ? -1
                  : event_write(w->site, w->run,
                                json_pack("{s:I,s:s,s:s}", "i", (json_int_t)i, "e",
                                          "withdrawn", "reason", "waits for room"),
                                err);
}

/* Its gather is there, though nobody lived to write that down: it goes by that. */
static int goes_by_gather(struct watch *w, size_t i)
{
    struct watched *j = w->jobs + i;
    REPX_AUTO_FREE char *run = NULL;
    char key[27] = "";
    int there = live_of(w, i, &run, key) && strcmp(run, w->run->id) == 0 &&
                strcmp(key, j->key) != 0;

    json_t *claim = there ? claim_read(w->site, key, NULL) : NULL;
    int claimed = claim && strcmp(state_text(claim, "by", ""), "void") != 0;
    json_decref(claim);
    if (!there || (!claimed && !queue_row(&w->queue, key, -1)))
        return 0;
    memcpy(j->key, key, sizeof(j->key));
    j->submitted = w->queue.t;
    j->gone = j->by_scatter = 0;
    j->state = 0;
    return 1;
}

static int judge_one(struct watch *w, size_t i, int64_t now, struct repx_err *err)
{
    struct watched *j = w->jobs + i;
    struct testimony t = testimony_of(w, i, now);
    struct truth truth = truth_of(&t);

    if (truth.verdict == TRUTH_AS_RECORDED)
        return 0;
    int told = t.gone_ms < 0 ? 0 : ended_by_record(w, i, t.gone_ms, err);
    if (told || truth.verdict == TRUTH_WAIT)
        return told < 0 ? -1 : 0;
    if (truth.verdict == TRUTH_LOST && follows_its_producer(w, i))
        return 0;
    if (j->by_scatter && goes_by_gather(w, i))
        return 0;
    if (truth.verdict == TRUTH_REQUEUED) {
        j->ran = 0;
        return event_write(w->site, w->run,
                           json_pack("{s:I,s:s,s:s}", "i", (json_int_t)i, "e",
                                     "requeued", "reason", truth.reason),
                           err);
    }
    int at_once = truth.verdict == TRUTH_CANCELLED || truth.verdict == TRUTH_NEVER;
    if (at_once && t.gone_ms < t.lost_ms && taken_back(w, i))
        return 0;
    if (at_once && !t.marked && lost_its_gather(w, i))
        return withdraw(w, i, err);
    return write_end(w, i, &truth, err);
}

const char *watch_reason(struct watch *w, size_t i)
{
    struct testimony t = testimony_of(w, i, INT64_MAX);

    t.started |= w->jobs[i].ran != 0;
    struct truth truth = truth_of(&t);
    return truth.reason ? truth.reason : TRUTH_NOBODY;
}

int watch_lost(struct watch *w, int64_t max_age_ms, struct repx_err *err)
{
    queue_ask(&w->scheduler, max_age_ms, &w->queue);
    /* what the supervisors wrote before their units left the queue comes first */
    if (watch_poll(w, err) < 0)
        return -1;
    if (w->queue.t > w->compared) {
        compare(w);
        watch_accounts(w);
    }
    int64_t now = state_now_ms();
    for (size_t i = 0; w->queue.t && i < w->run->count; i++) {
        const struct watched *j = w->jobs + i;
        if (w->state.terminal[i] || !j->key[0])
            continue;
        if ((j->gone || j->state == REPX_STATE_PENDING) &&
            judge_one(w, i, now, err) < 0)
            return -1;
    }
    return 0;
}
