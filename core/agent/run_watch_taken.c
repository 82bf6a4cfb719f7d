/* SPDX-License-Identifier: MIT */
/* run_watch_taken.c: jobs of ours that another run works on. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/agent/run_watch.h"
#include "core/agent/state_check.h"
#include "core/agent/state_next.h"
#include "core/wire/verbs.h"

/* How the job ended in that run, where it left nothing in the job's directory; or NULL.
 * Caller frees. */
struct elsewhere {
    struct run_state state;
};

static void on_event(void *ctx, const json_t *event, const char *line, size_t n)
{
    (void)line, (void)n;
    run_state_event(&((struct elsewhere *)ctx)->state, event);
}

/* The job's index there, or count. */
static size_t index_there(const struct run *run, const char *id)
{
    for (size_t i = 0; i < run->count; i++) {
        json_t *plan = run_plan(run, i, NULL);
        int is = strcmp(state_text(plan, "id", ""), id) == 0;
        json_decref(plan);
        if (is)
            return i;
    }
    return run->count;
}

/* JOB_UNKNOWN: it has not. */
static int ended_there(struct site *site, const char *run_id, const char *id,
                       char **reason)
{
    struct run *run = run_open(site, run_id, NULL);
    struct elsewhere e;
    int status = JOB_UNKNOWN;

    if (!run)
        return status;
    size_t i = index_there(run, id);
    run_state_init(&e.state, run->count);
    struct event_reader *r = event_reader_open(site, run, NULL);
    if (r && i < run->count && event_reader_poll(r, on_event, &e, NULL) >= 0 &&
        e.state.terminal[i]) {
        status = e.state.status[i];
        if (status == JOB_BLOCKED) {
            *reason = repx_strdup("blocked in another run");
        } else if (status == JOB_FAILED) {
            *reason =
                repx_strdup(e.state.reason[i] ? e.state.reason[i] : "failed elsewhere");
        }
    }
    event_reader_close(r);
    run_state_finish(&e.state);
    run_close(run);
    return status;
}

static json_t *result_event(struct watch *w, size_t i, const json_t *plan)
{
    REPX_AUTO_FREE char *reason = NULL, *there = NULL;
    int stale;
    const char *id = state_text(plan, "id", "");
    result_look_again(w->site, id); /* another host made it, a moment ago perhaps */
    int status =
        result_status(w->site, id, state_text(plan, "key", NULL), &stale, &reason);
    int good = status == JOB_SUCCEEDED && !stale;

    /* other work that came next may have replaced what was made */
    if (good || ended_there(w->site, w->jobs[i].taken, id, &there) == JOB_SUCCEEDED)
        return json_pack("{s:I,s:s}", "i", (json_int_t)i, "e", "done");
    if (status == JOB_SUCCEEDED) {
        return json_pack(
            "{s:I,s:s,s:b,s:s}", "i", (json_int_t)i, "e", "end", "ok", 0, "reason",
            "another run made it from another script, parameters or inputs");
    }
    if (status == JOB_FAILED) {
        return json_pack("{s:I,s:s,s:b,s:s}", "i", (json_int_t)i, "e", "end", "ok", 0,
                         "reason", reason ? reason : "failed in another run");
    }
    return json_pack("{s:I,s:s,s:s}", "i", (json_int_t)i, "e", "lost", "reason",
                     there ? there : "LOST");
}

/* Job `index` of that run is made from something else than ours. */
static int is_other_work(struct site *site, const char *run_id, size_t index,
                         const json_t *plan)
{
    struct run *run = run_open(site, run_id, NULL);
    json_t *line = run && index < run->count ? run_plan(run, index, NULL) : NULL;
    const char *key = state_text(line, "key", NULL);
    int other = key && strcmp(key, state_text(plan, "key", key)) != 0;

    json_decref(line);
    run_close(run);
    return other;
}

int taken_end(struct watch *w, size_t i, const json_t *plan, struct repx_err *err)
{
    REPX_AUTO_FREE char *run = NULL;
    char key[27];
    size_t index;
    int there = live_get(w->site, state_text(plan, "id", ""), &run, &index, key, NULL);

    /* a third one took it over, or the second submitted it anew: its end is to come */
    if (there > 0 &&
        (strcmp(run, w->jobs[i].taken) != 0 || strcmp(key, w->jobs[i].key) != 0) &&
        !is_other_work(w->site, run, index, plan)) {
        json_t *event = json_pack("{s:I,s:s,s:s,s:s}", "i", (json_int_t)i, "e", "taken",
                                  "run", run, "key", key);
        int64_t at = array_index(w->site, key, index);
        if (at >= 0)
            (void)json_object_set_new(event, "index", json_integer((json_int_t)at));
        return event_write(w->site, w->run, event, err);
    }
    return event_write(w->site, w->run, result_event(w, i, plan), err);
}

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
        if ((there <= 0 || strcmp(run, w->jobs[i].taken) != 0) &&
            !next_waits(w->site, state_text(plan, "id", ""), w->jobs[i].key))
            rc = taken_end(w, i, plan, err);
        json_decref(plan);
    }
    return rc;
}
