/* SPDX-License-Identifier: MIT */
#include "core/agent/run_watch.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/run_verbs.h"
#include "core/agent/state_check.h"
#include "core/agent/state_next.h"
#include "core/agent/submit.h"
#include "core/agent/units_end.h"
#include "core/agent/waiting.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define LOOK_SOON_MS 20 /* between two looks at the events while there is news */
#define LOOK_LATE_MS 250
#define LOOK_FAR_MS 1000   /* not on this machine */
#define ASK_MS 1500        /* without news for so long: ask the scheduler */
#define ASK_FAR_MS 2000    /* queue_ask.h says how old its answers may be */
#define CLOCKS_MS 60000    /* by which clocks may differ */
#define TAKEN_FAR_MS 10000 /* between two looks at what other runs work on */
#define EXPLAIN_MS 7000    /* for accounts that lag, when all has ended */
#define RESUME_MS 3000     /* jobs that nobody submits */

/* By our own clock, unless it is so long ago that clocks do not matter. */
static int64_t start_seen(int64_t t)
{
    int64_t now = state_now_ms();

    return t > 0 && now - t > CLOCKS_MS ? t : now;
}

static void note_step(struct watched *j, const json_t *event)
{
    json_t *unit =
        unit_named(state_text(event, "id", ""), state_text(event, "key", ""));

    if (!j->steps)
        j->steps = json_array();
    (void)json_array_append_new(j->steps, unit);
}

static int has_key(const json_t *event)
{
    return strlen(state_text(event, "key", "")) ==
           sizeof(((struct watched *)0)->key) - 1;
}

/* From now on it goes by another unit, or by none. */
static void note_unit(struct watched *j, const json_t *event)
{
    if (has_key(event))
        memcpy(j->key, state_text(event, "key", ""), sizeof(j->key));
    j->index = state_int(event, "index", -1);
    j->submitted = state_int(event, "t", 0);
    j->gone = j->ran = j->unasked = 0;
    j->state = 0;
}

static void note_submitted(struct watched *j, const json_t *event)
{
    const char *phase = state_text(event, "phase", "main");

    if (strncmp(phase, "step-", 5) == 0) {
        note_step(j, event);
    } else if (has_key(event) && strcmp(phase, "scatter") == 0) {
        if (j->key[0] && !j->by_scatter)
            return;
        note_unit(j, event);
        j->by_scatter = 1;
    } else if (has_key(event)) {
        note_unit(j, event);
        j->by_scatter = 0;
        free(j->taken);
        j->taken = NULL;
    }
}

static void note(struct watch *w, const json_t *event)
{
    size_t i = (size_t)state_int(event, "i", 0);
    const char *what = state_text(event, "e", "");

    if (i >= w->run->count)
        return;
    struct watched *j = w->jobs + i;
    if (strcmp(what, "submitted") == 0) {
        note_submitted(j, event);
    } else if (strcmp(what, "withdrawn") == 0) {
        note_unit(j, event);
        j->key[0] = 0;
    } else if (strcmp(what, "start") == 0) {
        j->ran = start_seen(state_int(event, "t", 0));
        j->gone = 0;
    } else if (strcmp(what, "gone") == 0 && !j->gone) {
        j->gone = state_int(event, "t", 0);
    } else if (strcmp(what, "lost") == 0 || strcmp(what, "explained") == 0) {
        j->unasked = state_true(event, "unasked") ? state_int(event, "t", 0) : 0;
    } else if (strcmp(what, "taken") == 0) {
        free(j->taken);
        j->taken = repx_strdup(state_text(event, "run", ""));
        note_unit(j, event);
        j->by_scatter = 0;
    }
}

static void on_event(void *ctx, const json_t *event, const char *line, size_t n)
{
    struct watch *w = ctx;

    run_state_event(&w->state, event);
    note(w, event);
    if (w->skip > 0) {
        w->skip--;
        return;
    }
    if (!w->broken &&
        (repx_write_all(w->out, line, n) < 0 || repx_write_all(w->out, "\n", 1) < 0))
        w->broken = 1;
}

/* Whoever sees it first writes it down; several watchers may, which harms nobody. */
static void on_blocked(void *ctx, size_t i, size_t by)
{
    struct watch *w = ctx;
    json_t *plan = run_plan(w->run, i, NULL);

    (void)event_write(w->site, w->run,
                      json_pack("{s:I,s:s,s:I}", "i", (json_int_t)i, "e", "blocked",
                                "by", (json_int_t)by),
                      NULL);
    (void)job_leave(w->site, state_text(plan, "id", ""), w->run->id, NULL);
    json_decref(plan);
}

int64_t watch_poll(struct watch *w, struct repx_err *err)
{
    int64_t n = event_reader_poll(w->reader, on_event, w, err);

    if (n < 0 || run_state_block(&w->state, w->run, on_blocked, w, err) < 0)
        return -1;
    return n;
}

/* Jobs for which nothing at all was ever written. */
static size_t count_silent(const struct watch *w)
{
    size_t n = 0;

    for (size_t i = 0; i < w->run->count; i++)
        n += !w->state.terminal[i] && w->state.status[i] == JOB_UNKNOWN;
    return n;
}

/* A part of it waits until somebody hands it over. */
static int waits_for_room(const struct watch *w)
{
    struct waiting waiting;
    int there = waiting_read(w->site, w->run->id, &waiting);

    waiting_finish(&waiting);
    return there;
}

/* A submission that was broken off is taken up here, unless somebody is at it. */
static int resume(struct watch *w, struct repx_err *err)
{
    struct repx_buf fields REPX_AUTO_BUF = {0};
    uint64_t epoch;

    if ((count_silent(w) == 0 && !waits_for_room(w)) ||
        faccessat(w->run->dir, "cancel", F_OK, 0) == 0)
        return 0;
    if (lease_take(w->site, "feed", 0, &epoch, NULL) < 0)
        return 0;
    lease_drop(w->site, "feed");
    int rc = submit_run(w->site, w->run->id, 0, -1, &fields, err);
    if (rc == 0 && waits_for_room(w))
        submit_others(w->site, w->run->id);
    return rc;
}

static int watch_open(struct watch *w, struct site *site, struct run *run,
                      struct repx_err *err)
{
    w->site = site;
    w->run = run;
    w->jobs = repx_array(run->count + 1, sizeof(*w->jobs));
    run_state_init(&w->state, run->count);
    w->is_local = strcmp(state_text(run->record, "scheduler", ""), "local") == 0;
    /* without a helper there is still all that the supervisors write */
    w->has_scheduler = scheduler_open(&w->scheduler, site, run->record, NULL) == 0;
    w->reader = event_reader_open(site, run, err);
    return w->reader ? 0 : -1;
}

static void watch_close(struct watch *w)
{
    for (size_t i = 0; i < w->run->count; i++) {
        free(w->jobs[i].taken);
        free(w->jobs[i].word);
        free(w->jobs[i].by);
        json_decref(w->jobs[i].steps);
    }
    free(w->jobs);
    run_state_finish(&w->state);
    event_reader_close(w->reader);
    queue_free(&w->queue);
    if (w->has_scheduler)
        scheduler_close(&w->scheduler);
}

static int look_harder(struct watch *w, int64_t quiet_ms, struct repx_err *err)
{
    int64_t now = repx_now_ms();

    if (w->is_local || now - w->taken_at >= TAKEN_FAR_MS) {
        w->taken_at = now;
        if (watch_taken(w, err) < 0)
            return -1;
    }
    if (w->has_scheduler && watch_lost(w, QUEUE_WATCH_MS, err) < 0)
        return -1;
    if (w->has_scheduler && watch_explain(w, err) < 0)
        return -1;
    return quiet_ms >= RESUME_MS ? resume(w, err) : 0;
}

/* When there was news last, and when the scheduler was asked last. */
struct pace {
    int64_t news_at, asked_at, wait;
};

/* After a look at the events that brought n of them. */
static int keep_pace(struct watch *w, struct pace *p, int64_t n, struct repx_err *err)
{
    int64_t now = repx_now_ms(), most = w->is_local ? LOOK_LATE_MS : LOOK_FAR_MS;
    int64_t between = w->is_local ? ASK_MS : ASK_FAR_MS;

    if (n > 0) {
        p->news_at = now;
        p->wait = LOOK_SOON_MS;
    }
    /* news of some says nothing of the others */
    int quiet = now - p->news_at >= ASK_MS || now - p->asked_at >= QUEUE_WATCH_MS;
    if (quiet && now - p->asked_at >= between) {
        if (look_harder(w, now - p->news_at, err) < 0)
            return -1;
        p->asked_at = repx_now_ms();
    }
    (void)poll(NULL, 0, (int)p->wait);
    p->wait = p->wait * 2 < most ? p->wait * 2 : most;
    return 0;
}

/* All has ended; of some it is not known yet who ended them, which accounts may tell. */
static int explain_rest(struct watch *w, struct repx_err *err)
{
    int64_t until = repx_now_ms() + EXPLAIN_MS, left = 0;

    while (w->has_scheduler && !w->is_local && !w->broken) {
        left = watch_explain(w, err);
        if (left <= 0 || repx_now_ms() >= until || w->accounts > until)
            break;
        watch_accounts(w);
        left = watch_explain(w, err);
        if (left <= 0 || watch_poll(w, err) < 0)
            break;
        (void)poll(NULL, 0, LOOK_LATE_MS);
    }
    return left < 0 ? -1 : 0;
}

static int watch_loop(struct watch *w, struct repx_err *err)
{
    struct pace pace = {repx_now_ms(), repx_now_ms(), LOOK_SOON_MS};

    while (!w->broken) {
        int64_t n = watch_poll(w, err);
        if (n < 0)
            return -1;
        if (w->state.left == 0) {
            int rc = explain_rest(w, err);
            /* what was derived just now is to be told, too */
            return rc < 0 || watch_poll(w, err) < 0 ? -1 : 0;
        }
        if (keep_pace(w, &pace, n, err) < 0)
            return -1;
    }
    return 0;
}

int run_watch(struct site *site, const char *run_id, int64_t offset, int out,
              struct repx_buf *fields, struct repx_err *err)
{
    struct run *run = run_open(site, run_id, err);
    struct watch w = {.skip = offset, .out = out};

    if (!run)
        return -1;
    int rc = watch_open(&w, site, run, err);
    if (rc == 0)
        rc = watch_loop(&w, err);
    msg_put_number(fields, F_STATUS, w.state.failed ? JOB_FAILED : JOB_SUCCEEDED);
    watch_close(&w);
    run_close(run);
    return rc;
}

void run_look(struct site *site, const char *run_id, int64_t max_age_ms)
{
    struct run *run = site->readonly ? NULL : run_open(site, run_id, NULL);
    struct watch w = {.skip = INT64_MAX, .out = -1};

    if (!run)
        return;
    if (watch_open(&w, site, run, NULL) == 0 && w.has_scheduler &&
        watch_poll(&w, NULL) >= 0) {
        int rc = w.state.left ? watch_taken(&w, NULL) : 0;
        if (rc == 0 && w.state.left)
            rc = watch_lost(&w, max_age_ms, NULL);
        if (rc == 0 && watch_poll(&w, NULL) >= 0 && !w.is_local) {
            watch_accounts(&w);
            (void)watch_explain(&w, NULL);
        }
    }
    watch_close(&w);
    run_close(run);
}
