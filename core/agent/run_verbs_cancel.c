/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/run_verbs.h"
#include "core/agent/scheduler_call.h"
#include "core/agent/state.h"
#include "core/agent/state_check.h"
#include "core/agent/state_next.h"
#include "core/agent/submit.h"
#include "core/agent/units_end.h"
#include "core/agent/waiting.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define CANCEL_MS 60000
#define SUBMITTER_MS 20000 /* a submission in progress sees the mark and stops */

struct cancellation {
    struct run_state state;
    json_t *units; /* object: id -> {"id", "key", "i"} */
    char *held;    /* jobs whose branches wait for room: none of their units tells it */
    char *whole;   /* jobs of which a unit was submitted that stands for the whole */
};

static void mark_held(void *ctx, size_t job)
{
    const struct cancellation *c = ctx;

    if (job < c->state.count)
        c->held[job] = 1;
}

static void on_event(void *ctx, const json_t *event, const char *line, size_t n)
{
    struct cancellation *c = ctx;
    const char *id = state_text(event, "id", NULL);

    (void)line, (void)n;
    size_t job = (size_t)state_int(event, "i", 0);

    run_state_event(&c->state, event);
    if (job < c->state.count && strcmp(state_text(event, "e", ""), "withdrawn") == 0)
        c->whole[job] = 0;
    if (strcmp(state_text(event, "e", ""), "submitted") != 0 || !id || !*id)
        return;
    const char *phase = state_text(event, "phase", "main");
    if (job < c->state.count &&
        (strcmp(phase, "main") == 0 || strcmp(phase, "gather") == 0))
        c->whole[job] = 1;
    json_t *unit = unit_named(id, state_text(event, "key", ""));
    (void)json_object_set(unit, "i", json_object_get(event, "i"));
    (void)json_object_set_new(c->units, id, unit);
}

static int mark(struct site *site, const struct run *run, struct repx_err *err)
{
    json_t *who = record_self(site);
    REPX_AUTO_FREE char *text = json_dumps(who, JSON_COMPACT);

    json_decref(who);
    return repx_write_file(run->dir, "cancel", text ? text : "{}",
                           text ? strlen(text) : 2, 0666, err);
}

/* Units whose job has not succeeded: a step that saw the mark has ended its job, and the
 * others of that are still in the queue. *left: those whose job has not ended. */
static json_t *units_left(const struct cancellation *c, int64_t *left)
{
    json_t *list = json_array();

    *left = 0;
    for (void *at = json_object_iter(c->units); at;
         at = json_object_iter_next(c->units, at)) {
        json_t *unit = json_object_iter_value(at);
        size_t i = (size_t)state_int(unit, "i", 0);
        if (i >= c->state.count || c->state.status[i] == JOB_SUCCEEDED)
            continue;
        *left += !c->state.terminal[i];
        (void)json_array_append(list, unit);
    }
    return list;
}

static int cancel_units(struct site *site, const struct run *run, json_t *units,
                        struct repx_err *err)
{
    struct scheduler s;

    if (json_array_size(units) == 0)
        return 0;
    if (scheduler_open(&s, site, run->record, err) < 0)
        return -1;
    int rc = units_end(&s, json_incref(units), CANCEL_MS, err);
    scheduler_close(&s);
    return rc;
}

/* What has not started will not: nobody else can tell. Jobs of other runs that this one
 * only follows are left alone. */
static int tell(struct site *site, struct run *run, const struct cancellation *c,
                struct repx_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < c->state.count; i++) {
        if (c->state.status[i] == JOB_SUCCEEDED ||
            (c->state.status[i] == JOB_RUNNING && c->whole[i] && !c->held[i]))
            continue;
        json_t *plan = run_plan(run, i, err);
        if (!plan)
            return -1;
        (void)job_leave(site, state_text(plan, "id", ""), run->id, NULL);
        json_decref(plan);
        if (c->state.terminal[i])
            continue;
        rc = event_write(site, run,
                         json_pack("{s:I,s:s,s:s}", "i", (json_int_t)i, "e",
                                   "cancelled", "by", "user"),
                         err);
    }
    return rc;
}

static int cancel_all(struct site *site, struct run *run, struct cancellation *c,
                      struct repx_buf *fields, struct repx_err *err)
{
    struct event_reader *r = event_reader_open(site, run, err);
    int64_t n = r ? event_reader_poll(r, on_event, c, err) : -1, left;

    json_t *units = units_left(c, &left);
    int rc = n < 0 ? -1 : cancel_units(site, run, units, err);
    /* what started while the scheduler was asked is told by its own supervisor */
    if (rc == 0 && event_reader_poll(r, on_event, c, err) < 0)
        rc = -1;
    if (rc == 0)
        rc = tell(site, run, c, err);
    msg_put_number(fields, F_COUNT, left);
    json_decref(units);
    event_reader_close(r);
    return rc;
}

int run_cancel(struct site *site, const char *run_id, struct repx_buf *fields,
               struct repx_err *err)
{
    struct run *run = run_open(site, run_id, err);
    uint64_t epoch;

    if (!run)
        return -1;
    struct cancellation c = {.units = json_object()};
    run_state_init(&c.state, run->count);
    c.held = repx_array(run->count + 1, 1);
    c.whole = repx_array(run->count + 1, 1);
    int rc = mark(site, run, err);
    int held = rc == 0 && lease_take(site, "feed", SUBMITTER_MS, &epoch, NULL) == 0;
    if (rc == 0) {
        request_each(site, run->id, mark_held, &c);
        submit_unfeed(site, run);
        rc = cancel_all(site, run, &c, fields, err);
    }
    if (held)
        lease_drop(site, "feed");
    json_decref(c.units);
    free(c.held);
    free(c.whole);
    run_state_finish(&c.state);
    run_close(run);
    return rc;
}
