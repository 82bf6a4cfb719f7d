/* SPDX-License-Identifier: MIT */
/* jobs_cancel.c: V_JOBS_CANCEL. A run whole, or jobs in every run that still works on
 * them; with what waits for them, since that could only be blocked. Doing it again is safe. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <repx/scheduler.h>

#include <kit/alloc.h>

#include "core/agent/follow.h"
#include "core/agent/jobs_cancel_own.h"
#include "core/agent/run_verbs.h"
#include "core/agent/state_check.h"
#include "core/agent/state_next.h"
#include "core/agent/units_end.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define RUNS_MAX 200 /* how many runs, newest first, may work on jobs that are named */
#define SUBMITTER_MS 20000
#define CANCEL_MS 60000

/* ---- what is chosen ---- */

static void on_event(void *ctx, const json_t *event, const char *line, size_t n)
{
    struct ending *e = ctx;
    size_t i = (size_t)state_int(event, "i", 0);
    const char *id = state_text(event, "id", "");
    const char *key = state_text(event, "key", "");

    (void)line, (void)n;
    run_state_event(&e->state, event);
    if (i >= e->run->count || strcmp(state_text(event, "e", ""), "submitted") != 0)
        return;
    if (strncmp(state_text(event, "phase", "main"), "step-", 5) != 0 &&
        strlen(key) < sizeof(e->keys[i])) {
        memcpy(e->keys[i], key, strlen(key) + 1);
        e->index[i] = state_int(event, "index", -1);
    }
    if (*id) {
        (void)json_array_append_new(
            e->units,
            json_pack("{s:s,s:s,s:I}", "id", id, "key", key, "i", (json_int_t)i));
    }
}

int ending_poll(struct ending *e, struct repx_err *err)
{
    return event_reader_poll(e->reader, on_event, e, err) < 0 ? -1 : 0;
}

static int ending_open(struct ending *e, struct site *site, const char *id,
                       struct repx_err *err)
{
    *e = (struct ending){.site = site};
    e->run = run_open(site, id, err);
    if (!e->run)
        return -1;
    run_state_init(&e->state, e->run->count);
    e->chosen = repx_array(e->run->count + 1, 1);
    e->keys = repx_array(e->run->count + 1, sizeof(*e->keys));
    e->index = repx_array(e->run->count + 1, sizeof(*e->index));
    e->units = json_array();
    e->reader = event_reader_open(site, e->run, err);
    return e->reader ? ending_poll(e, err) : -1;
}

static void ending_close(struct ending *e)
{
    run_state_finish(&e->state);
    free(e->chosen);
    free(e->keys);
    free(e->index);
    json_decref(e->units);
    event_reader_close(e->reader);
    run_close(e->run);
    free(e->error);
}

/* The jobs that are named, and all that depend on them. Returns how many are live. */
static int64_t choose(struct ending *e, const json_t *names, struct repx_err *err)
{
    int64_t live = 0;

    for (size_t i = 0; i < e->run->count; i++) {
        json_t *plan = names ? run_plan(e->run, i, err) : NULL;
        const json_t *deps = json_object_get(plan, "deps");
        if (names && !plan)
            return -1;
        e->chosen[i] =
            !names || json_object_get(names, state_text(plan, "id", "")) != NULL;
        for (size_t d = 0; d < json_array_size(deps); d++) {
            size_t at = (size_t)json_integer_value(json_array_get(deps, d));
            /* what had succeeded keeps nobody from running */
            e->chosen[i] |= e->chosen[at] && e->state.status[at] != JOB_SUCCEEDED;
        }
        live += e->chosen[i] && !e->state.terminal[i];
        json_decref(plan);
    }
    return live;
}

/* ---- asking for the end ---- */

/* Jobs that cannot end without others that share their unit are left alone, and told. */
static void mark_shared(struct ending *e, const json_t *others)
{
    json_t *u;
    size_t at;

    json_array_foreach(e->units, at, u)
    {
        size_t i = (size_t)state_int(u, "i", 0);
        if (!e->chosen[i] || !json_object_get(others, state_text(u, "id", "")))
            continue;
        e->chosen[i] = CHOSEN_SHARED;
        if (!e->error) {
            e->error =
                repx_strdup("its unit serves other jobs, too; cancel these with it");
        }
    }
}

/* Units that serve chosen jobs, and no others. */
static json_t *units_to_end(struct ending *e)
{
    json_t *others = json_object(), *mine = json_object(), *units = json_array(), *u;
    size_t at;

    json_array_foreach(e->units, at, u)
    {
        size_t i = (size_t)state_int(u, "i", 0);
        if (e->state.terminal[i])
            continue;
        (void)json_object_set(e->chosen[i] ? mine : others, state_text(u, "id", ""), u);
    }
    for (void *m = json_object_iter(mine); m; m = json_object_iter_next(mine, m)) {
        const char *id = json_object_iter_key(m);
        if (!json_object_get(others, id))
            (void)json_array_append(units, json_object_iter_value(m));
    }
    mark_shared(e, others);
    json_decref(others);
    json_decref(mine);
    return units;
}

static int ask_units(struct ending *e, json_t *units, struct repx_err *err)
{
    struct scheduler s;

    e->asked = json_array_size(units);
    if (e->asked == 0)
        return 0;
    if (scheduler_open(&s, e->site, e->run->record, err) < 0)
        return -1;
    int rc = units_end(&s, json_incref(units), CANCEL_MS, err);
    scheduler_close(&s);
    return rc;
}

int ending_tell(struct ending *e, size_t i, struct repx_err *err)
{
    json_t *plan = run_plan(e->run, i, err);

    if (!plan)
        return -1;
    (void)job_leave(e->site, state_text(plan, "id", ""), e->run->id, NULL);
    json_decref(plan);
    return event_write(
        e->site, e->run,
        json_pack("{s:I,s:s,s:s}", "i", (json_int_t)i, "e", "cancelled", "by", "user"),
        err);
}

/* Those chosen, of which no supervisor will tell. */
static int tell_waiting(struct ending *e, struct repx_err *err)
{
    if (ending_poll(e, err) < 0)
        return -1;
    for (size_t i = 0; i < e->run->count; i++) {
        if (!e->chosen[i] || e->state.terminal[i] || e->state.status[i] == JOB_RUNNING)
            continue;
        if (ending_tell(e, i, err) < 0)
            return -1;
    }
    return 0;
}

/* The jobs of one unit that are to end. */
static int mark_key(struct ending *e, const char *key, struct repx_err *err)
{
    size_t *jobs = repx_array(e->run->count + 1, sizeof(*jobs)), n = 0, at;
    json_t *u;

    json_array_foreach(e->units, at, u)
    {
        size_t i = (size_t)state_int(u, "i", 0);
        if (e->chosen[i] == 1 && !e->state.terminal[i] &&
            strcmp(state_text(u, "key", ""), key) == 0)
            jobs[n++ % e->run->count] = i;
    }
    int rc = n && state_key_ok(key)
                 ? cancel_mark(e->site, key, jobs,
                               n < e->run->count ? n : e->run->count, err)
                 : 0;
    free(jobs);
    return rc;
}

/* So that supervisors and watchers know who wished their end. */
static int mark_units(struct ending *e, struct repx_err *err)
{
    json_t *keys = json_object(), *u;
    size_t at;
    int rc = 0;

    json_array_foreach(e->units, at, u)
    {
        size_t i = (size_t)state_int(u, "i", 0);
        if (e->chosen[i] == 1 && !e->state.terminal[i])
            (void)json_object_set_new(keys, state_text(u, "key", ""), json_true());
    }
    for (void *k = json_object_iter(keys); rc == 0 && k;
         k = json_object_iter_next(keys, k))
        rc = mark_key(e, json_object_iter_key(k), err);
    json_decref(keys);
    return rc;
}

static int end_part(struct ending *e, struct repx_err *err)
{
    uint64_t epoch;
    int held = lease_take(e->site, "feed", SUBMITTER_MS, &epoch, NULL) == 0;
    int rc = ending_poll(e, err);
    json_t *units = rc == 0 ? units_to_end(e) : json_array();

    if (rc == 0)
        rc = mark_units(e, err);
    if (rc == 0)
        rc = ask_units(e, units, err);
    if (rc == 0)
        rc = tell_waiting(e, err);
    json_decref(units);
    if (held)
        lease_drop(e->site, "feed");
    return rc;
}

static int end_whole(struct ending *e, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf fields = {0};
    int rc = run_cancel(e->site, e->run->id, &fields, err);

    e->asked = (size_t)msg_number(fields.data, fields.len, F_COUNT, 0);
    return rc;
}

/* ---- the answer ---- */

static json_t *left_over(const struct ending *e, int64_t *left)
{
    json_t *list = json_array();

    for (size_t i = 0; i < e->run->count; i++) {
        if (!e->chosen[i] || e->state.terminal[i])
            continue;
        ++*left;
        if (json_array_size(list) >= 20)
            continue;
        json_t *plan = run_plan(e->run, i, NULL);
        (void)json_array_append_new(list, json_string(state_text(plan, "id", "?")));
        json_decref(plan);
    }
    return list;
}

static int answer(struct ending *e, int64_t live, int out, int64_t *left,
                  struct repx_err *err)
{
    int64_t here = 0;
    json_t *ids = left_over(e, &here);
    json_t *j = json_pack("{s:s,s:I,s:I,s:I,s:o}", "run", e->run->id, "asked",
                          (json_int_t)e->asked, "ended", (json_int_t)(live - here),
                          "left", (json_int_t)here, "left_jobs", ids);

    if (e->error)
        (void)json_object_set_new(j, "error", json_string(e->error));
    *left += here;
    return follow_line(out, j, err);
}

static int end_run(struct ending *e, const json_t *names, int out, int64_t *left,
                   struct repx_err *err)
{
    struct repx_err why = {0};
    int64_t live = choose(e, names, err);

    if (live < 0)
        return -1;
    if (live == 0)
        return names ? 0 : answer(e, 0, out, left, err);
    int rc = names ? end_part(e, &why) : end_whole(e, &why);
    if (rc < 0) {
        free(e->error);
        e->error = repx_strdup(why.text);
    } else {
        rc = ending_wait(e, err);
        if (rc < 0)
            return -1;
    }
    return answer(e, live, out, left, err);
}

static int end_one(struct site *site, const char *id, const json_t *names, int out,
                   int64_t *left, struct repx_err *err)
{
    struct ending e;
    int rc = ending_open(&e, site, id, err);

    if (rc == 0 && (e.state.left || !names))
        rc = end_run(&e, names, out, left, err);
    if (e.run) {
        ending_close(&e);
    }
    return rc;
}

static json_t *parse_names(char *ids, struct repx_err *err)
{
    json_t *names = json_object();
    char *rest = NULL;

    for (char *id = strtok_r(ids, "\n", &rest); id; id = strtok_r(NULL, "\n", &rest)) {
        if (!state_name_ok(id)) {
            (void)repx_fail(err, REPX_E_USAGE, "%.60s: not the id of a job", id);
            json_decref(names);
            return NULL;
        }
        (void)json_object_set_new(names, id, json_true());
    }
    return names;
}

/* Runs that cannot be read have nobody who works on them that we could end. */
static int end_jobs(struct site *site, const json_t *names, int out, int64_t *left,
                    struct repx_err *err)
{
    size_t count;
    char **runs = run_ids(site, &count, err);
    int rc = runs ? 0 : -1;

    for (size_t r = 0; rc == 0 && r < count && r < RUNS_MAX; r++) {
        struct repx_err why = {0};
        rc = end_one(site, runs[r], names, out, left, &why);
        if (rc < 0 && why.code != REPX_E_CORRUPT && why.code != REPX_E_NOENT) {
            *err = why;
        } else {
            rc = 0;
        }
    }
    run_ids_free(runs, count);
    return rc;
}

int jobs_cancel(struct site *site, const char *run, char *ids, int out,
                struct repx_buf *fields, struct repx_err *err)
{
    int64_t left = 0;
    int rc;

    if (site->readonly) {
        return repx_fail(
            err, REPX_E_UNSUPPORTED,
            "%s belongs to somebody else or to a newer repx: nothing can be "
            "cancelled there",
            site->base);
    }
    if (run) {
        REPX_AUTO_FREE char *id = run_find(site, run, err);
        rc = id ? end_one(site, id, NULL, out, &left, err) : -1;
    } else {
        json_t *names = parse_names(ids, err);
        rc = names ? end_jobs(site, names, out, &left, err) : -1;
        json_decref(names);
    }
    msg_put_number(fields, F_COUNT, left);
    return rc;
}
