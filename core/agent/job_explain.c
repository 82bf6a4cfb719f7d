/* SPDX-License-Identifier: MIT */
/* job_explain.c: V_JOB_EXPLAIN. All that records and queue tell of one job, in the newest
 * run that has it. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/follow.h"
#include "core/agent/run_watch.h"
#include "core/agent/state_check.h"
#include "core/agent/state_next.h"
#include "core/wire/verbs.h"

#define RUNS_MAX 200
#define PLAN_MAX (1024u << 20)
#define EVENTS_MAX 200

struct explaining {
    struct summary s;
    size_t index;
    json_t *events, *units, *rows;
};

/* ---- the newest run that has the job ---- */

/* The line of the plan whose id it is, or -1. */
static int64_t plan_line_of(const char *plan, size_t n, const char *id)
{
    REPX_AUTO_FREE char *want = repx_format("\"id\":\"%s\"", id);
    size_t length = strlen(want);
    int64_t line = 0;

    for (size_t at = 0; at < n; line++) {
        const char *end = memchr(plan + at, '\n', n - at);
        size_t len = end ? (size_t)(end - plan) - at : n - at;
        /* the id stands near the beginning, before anything a Lab chose freely */
        for (size_t k = 0; k + length <= len && k < 16; k++) {
            if (memcmp(plan + at + k, want, length) == 0)
                return line;
        }
        at += len + 1;
    }
    return -1;
}

static char *find_run(struct site *site, const char *job, size_t *index,
                      struct repx_err *err)
{
    size_t count;
    char **ids = run_ids(site, &count, err), *found = NULL;

    if (!ids)
        return NULL;
    for (size_t i = 0; !found && i < count && i < RUNS_MAX; i++) {
        REPX_AUTO_FREE char *path = repx_format("runs/%s/plan", ids[i]);
        REPX_AUTO_BUF struct repx_buf plan = {0};
        int64_t line = repx_read_file(site->state_fd, path, PLAN_MAX, &plan, NULL) < 0
                           ? -1
                           : plan_line_of(repx_buf_text(&plan), plan.len, job);
        if (line >= 0) {
            *index = (size_t)line;
            found = repx_strdup(ids[i]);
        }
    }
    run_ids_free(ids, count);
    return found;
}

/* ---- its records ---- */

static void on_event(void *ctx, const json_t *event, const char *line, size_t n)
{
    struct explaining *x = ctx;
    const char *what = state_text(event, "e", "");

    (void)line, (void)n;
    if ((size_t)state_int(event, "i", 0) != x->index)
        return;
    if (json_array_size(x->events) < EVENTS_MAX)
        (void)json_array_append_new(x->events, json_deep_copy(event));
    if (strcmp(what, "submitted") == 0)
        (void)json_array_append_new(x->units, json_deep_copy(event));
}

static void set_command(json_t *units, const json_t *record)
{
    const char *key = state_text(record, "key", "");
    json_t *unit, *command = json_object_get(record, "command");
    size_t i;

    json_array_foreach(units, i, unit)
    {
        if (command && strcmp(state_text(unit, "key", ""), key) == 0)
            (void)json_object_set(unit, "command", command);
    }
}

static void journal_read(struct explaining *x, const char *name)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    size_t at = 0;

    if (repx_read_file(x->s.run->dir, name, PLAN_MAX, &b, NULL) < 0)
        return;
    while (at < b.len) {
        const char *end = memchr(b.data + at, '\n', b.len - at);
        if (!end)
            return;
        size_t n = (size_t)(end - b.data) - at;
        json_t *record = journal_parse(b.data + at, n, NULL);
        if (record)
            set_command(x->units, record);
        json_decref(record);
        at += n + 1;
    }
}

static void commands(struct explaining *x)
{
    int fd = openat(x->s.run->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d)
        repx_close_fd(&fd);
    for (const struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        if (strncmp(e->d_name, "journal.", 8) == 0)
            journal_read(x, e->d_name);
    }
    if (d)
        (void)closedir(d);
}

static json_t *producers(const struct explaining *x, const json_t *plan)
{
    static const char *const words[] = {"not submitted", "succeeded", "failed",
                                        "queued",        "running",   "blocked"};
    const json_t *deps = json_object_get(plan, "deps");
    json_t *list = json_array();

    for (size_t k = 0; k < json_array_size(deps); k++) {
        size_t d = (size_t)json_integer_value(json_array_get(deps, k));
        json_t *line = run_plan(x->s.run, d, NULL);
        unsigned status = d < x->s.run->count ? x->s.state.status[d] : 0;
        (void)json_array_append_new(
            list, json_pack("{s:s,s:s}", "id", state_text(line, "id", "?"), "status",
                            words[status <= JOB_BLOCKED ? status : 0]));
        json_decref(line);
    }
    return list;
}

/* The runs whose other work on the job comes first. */
static json_t *before(const struct explaining *x, const char *job)
{
    json_t *list = json_array();
    struct workers w;
    size_t own = 0;

    (void)workers_read(x->s.site, job, &w, NULL);
    while (own < w.count && strcmp(w.items[own].who.run, x->s.run->id) != 0)
        own++;
    for (size_t i = 0; own < w.count && i < own; i++)
        (void)json_array_append_new(list, json_string(w.items[i].who.run));
    workers_free(&w);
    return list;
}

static json_t *resources(const json_t *plan)
{
    json_t *exes = json_object_get(plan, "exes"), *all = json_object();

    for (void *at = json_object_iter(exes); at; at = json_object_iter_next(exes, at)) {
        json_t *res = json_object_get(json_object_iter_value(at), "res");
        (void)json_object_set(all, json_object_iter_key(at), res ? res : json_null());
    }
    return all;
}

/* ---- the queue ---- */

static int seen(const json_t *rows, const json_t *row)
{
    json_t *one;
    size_t i;

    json_array_foreach(rows, i, one)
    {
        if (one == row)
            return 1;
    }
    return 0;
}

/* Of an array of jobs only the row that speaks for this one. */
static void take_rows(struct explaining *x, const struct queue *q)
{
    json_t *unit;
    size_t i;

    json_array_foreach(x->units, i, unit)
    {
        const json_t *row =
            queue_row(q, state_text(unit, "key", ""), state_int(unit, "index", -1));
        if (row && !seen(x->rows, row))
            (void)json_array_append(x->rows, (json_t *)(uintptr_t)row);
    }
}

static void ask_queue(struct explaining *x, json_t *answer)
{
    struct repx_err why = {0};
    struct queue q = {0};
    struct scheduler s;

    if (x->s.state.terminal[x->index] || json_array_size(x->units) == 0)
        return;
    if (scheduler_open(&s, x->s.site, x->s.run->record, &why) == 0) {
        queue_ask(&s, QUEUE_PERSON_MS, &q);
        scheduler_close(&s);
        take_rows(x, &q);
    }
    const char *error = q.error ? q.error : why.code ? why.text : NULL;
    if (error)
        (void)json_object_set_new(answer, "queue_error", json_string(error));
    (void)json_object_set_new(answer, "queue_t", json_integer((json_int_t)q.t));
    (void)json_object_set_new(answer, "now", json_integer((json_int_t)state_now_ms()));
    queue_free(&q);
}

/* ---- together ---- */

static void put_state(const struct explaining *x, json_t *answer)
{
    const struct run_state *state = &x->s.state;
    size_t i = x->index;
    const char *reason = state->reason[i];

    (void)json_object_set_new(answer, "status", json_integer(state->status[i]));
    (void)json_object_set_new(answer, "ended", json_boolean(state->terminal[i]));
    if (!state->terminal[i] && x->s.left[i]) {
        (void)json_object_set_new(answer, "left_queue_t",
                                  json_integer((json_int_t)x->s.left[i]));
    }
    if (!reason)
        return;
    if (state->status[i] == JOB_BLOCKED && strtoul(reason, NULL, 10) == i) {
        (void)json_object_set_new(answer, "reason",
                                  json_string("dependency never satisfied"));
        return;
    }
    if (state->status[i] == JOB_BLOCKED) {
        json_t *by = run_plan(x->s.run, strtoul(reason, NULL, 10), NULL);
        (void)json_object_set_new(answer, "blocked_by",
                                  json_string(state_text(by, "id", "?")));
        json_decref(by);
        return;
    }
    (void)json_object_set_new(answer, "reason", json_string(reason));
}

static void put_attempt(const struct explaining *x, const char *job, json_t *answer)
{
    REPX_AUTO_FREE char *dir = repx_format("outputs/%s/repx", job);
    json_t *first, *second;
    int stale;

    attempt_read(x->s.site->base_fd, dir, &first, &second);
    (void)json_object_set_new(answer, "attempt", first ? first : json_null());
    (void)json_object_set_new(answer, "end", second ? second : json_null());
    int status = result_status(x->s.site, job, NULL, &stale, NULL);
    (void)json_object_set_new(answer, "result", json_integer(status));
}

static int explain(struct explaining *x, const char *job, int out, struct repx_err *err)
{
    struct event_reader *r = event_reader_open(x->s.site, x->s.run, err);
    json_t *plan = r ? run_plan(x->s.run, x->index, err) : NULL;
    int rc = plan && summary_poll(&x->s, err) >= 0 &&
                     event_reader_poll(r, on_event, x, err) >= 0
                 ? 0
                 : -1;

    event_reader_close(r);
    if (rc == 0) {
        json_t *answer = summary_head(x->s.run);
        commands(x);
        ask_queue(x, answer);
        (void)json_object_set_new(answer, "job", json_string(job));
        put_state(x, answer);
        put_attempt(x, job, answer);
        (void)json_object_set_new(answer, "producers", producers(x, plan));
        (void)json_object_set_new(answer, "before", before(x, job));
        (void)json_object_set_new(answer, "resources", resources(plan));
        (void)json_object_set(answer, "units", x->units);
        (void)json_object_set(answer, "queue", x->rows);
        (void)json_object_set(answer, "events", x->events);
        rc = follow_line(out, answer, err);
    }
    json_decref(plan);
    return rc;
}

int job_explain(struct site *site, const char *job, int out, struct repx_err *err)
{
    struct explaining x = {0};

    if (!state_name_ok(job))
        return repx_fail(err, REPX_E_USAGE, "%.60s: not the id of a job", job);
    REPX_AUTO_FREE char *id = find_run(site, job, &x.index, err);
    if (!id)
        return follow_line(out, json_pack("{s:s,s:n}", "job", job, "run"), err);
    run_look(site, id, QUEUE_PERSON_MS);
    struct run *run = run_open(site, id, err);
    if (!run)
        return -1;
    x.events = json_array();
    x.units = json_array();
    x.rows = json_array();
    int rc = x.index < run->count ? summary_open(&x.s, site, run, err)
                                  : repx_fail(err, REPX_E_CORRUPT, "run %s: plan", id);
    if (rc == 0) {
        rc = explain(&x, job, out, err);
        summary_close(&x.s);
    }
    json_decref(x.events);
    json_decref(x.units);
    json_decref(x.rows);
    run_close(run);
    return rc;
}
