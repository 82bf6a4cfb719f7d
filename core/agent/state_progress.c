/* SPDX-License-Identifier: MIT */
/* state_progress.c: what the events and the plan say together about every job. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/agent/state.h"
#include "core/agent/state_check.h"
#include "core/wire/verbs.h"

void run_state_init(struct run_state *s, size_t count)
{
    *s = (struct run_state){.count = count, .left = count};
    s->status = repx_array(count + 1, sizeof s->status[0]);
    s->terminal = repx_array(count + 1, sizeof s->terminal[0]);
    s->reason = repx_array(count + 1, sizeof s->reason[0]);
    s->attempt = repx_array(count + 1, sizeof s->attempt[0]);
}

void run_state_finish(struct run_state *s)
{
    for (size_t i = 0; s->reason && i < s->count; i++)
        free(s->reason[i]);
    free(s->status);
    free(s->terminal);
    free(s->reason);
    free(s->attempt);
    free(s->deps);
    free(s->deps_at);
    *s = (struct run_state){0};
}

static int failed(const struct run_state *s, size_t i)
{
    return s->terminal[i] && s->status[i] != JOB_SUCCEEDED;
}

static void put(struct run_state *s, size_t i, uint8_t status, int terminal,
                const char *reason)
{
    s->left += s->terminal[i] && !terminal;
    s->left -= !s->terminal[i] && terminal;
    s->failed -= (size_t)failed(s, i);
    s->status[i] = status;
    s->terminal[i] = (uint8_t)terminal;
    s->failed += (size_t)failed(s, i);
    char *text = repx_strdup(reason);
    free(s->reason[i]);
    s->reason[i] = text;
}

/* Has the job an end that its own supervisor (or a marker) told? Clocks of two nodes
 * differ: such an end is not undone by a `submitted` that seems later. */
static int ended_itself(const struct run_state *s, size_t i)
{
    return s->terminal[i] && (s->status[i] == JOB_SUCCEEDED || s->attempt[i]);
}

static void on_start(struct run_state *s, size_t i, const json_t *e, const char *phase)
{
    uint32_t n = (uint32_t)state_int(e, "n", 0);
    int whole = strcmp(phase, "main") == 0 || strcmp(phase, "gather") == 0;

    if (!whole) {
        if (!s->terminal[i])
            put(s, i, JOB_RUNNING, 0, NULL);
        return;
    }
    if (s->terminal[i] && n <= s->attempt[i] && s->attempt[i])
        return;
    if (n > s->attempt[i])
        s->attempt[i] = n;
    put(s, i, JOB_RUNNING, 0, NULL);
}

static void on_end(struct run_state *s, size_t i, const json_t *e, const char *phase)
{
    uint32_t n = (uint32_t)state_int(e, "n", 0);
    int ok = state_true(e, "ok");
    const char *reason = state_text(e, "reason", NULL);

    if (strcmp(phase, "scatter") == 0) {
        if (ok)
            return;
        s->attempt[i] = s->attempt[i] ? s->attempt[i] : 1;
        put(s, i, JOB_FAILED, 1, reason);
        return;
    }
    if (strncmp(phase, "step-", 5) == 0 || n < s->attempt[i])
        return;
    s->attempt[i] = n;
    put(s, i, ok ? JOB_SUCCEEDED : JOB_FAILED, 1, ok ? NULL : reason);
}

/* The scheduler took it back: it has no end, and perhaps starts again. */
static void on_requeued(struct run_state *s, size_t i, const json_t *e,
                        const char *phase)
{
    uint32_t n = (uint32_t)state_int(e, "n", 0);

    if (strncmp(phase, "step-", 5) == 0 || s->terminal[i] || (n && n < s->attempt[i]))
        return;
    put(s, i, JOB_QUEUED, 0, state_text(e, "reason", "requeued"));
}

static void on_blocked(struct run_state *s, size_t i, const json_t *e)
{
    char by[24];

    if (ended_itself(s, i))
        return;
    (void)snprintf(by, sizeof by, "%lld", (long long)state_int(e, "by", 0));
    put(s, i, JOB_BLOCKED, 1, by);
}

static void on_other_end(struct run_state *s, size_t i, const json_t *e,
                         const char *what)
{
    if (strcmp(what, "explained") == 0 && s->terminal[i] && s->status[i] == JOB_FAILED)
        put(s, i, JOB_FAILED, 1, state_text(e, "reason", s->reason[i]));
    if (s->terminal[i])
        return;
    if (strcmp(what, "lost") == 0) {
        put(s, i, JOB_FAILED, 1, state_text(e, "reason", "LOST"));
    } else if (strcmp(what, "cancelled") == 0) {
        put(s, i, JOB_FAILED, 1, state_text(e, "reason", "cancelled"));
    } else if (strcmp(what, "refused") == 0) {
        put(s, i, JOB_FAILED, 1, state_text(e, "text", "refused"));
    }
}

void run_state_event(struct run_state *s, const json_t *event)
{
    size_t i = (size_t)state_int(event, "i", 0);
    const char *what = state_text(event, "e", "");
    const char *phase = state_text(event, "phase", "main");

    if (i >= s->count)
        return;
    if (strcmp(what, "done") == 0) {
        put(s, i, JOB_SUCCEEDED, 1, NULL);
    } else if (strcmp(what, "submitted") == 0 || strcmp(what, "taken") == 0) {
        if (!ended_itself(s, i) && s->status[i] != JOB_RUNNING)
            put(s, i, JOB_QUEUED, 0, NULL);
    } else if (strcmp(what, "start") == 0) {
        on_start(s, i, event, phase);
    } else if (strcmp(what, "end") == 0) {
        on_end(s, i, event, phase);
    } else if (strcmp(what, "requeued") == 0) {
        on_requeued(s, i, event, phase);
    } else if (strcmp(what, "withdrawn") == 0) {
        if (!s->terminal[i])
            put(s, i, JOB_QUEUED, 0, state_text(event, "reason", NULL));
    } else if (strcmp(what, "blocked") == 0) {
        on_blocked(s, i, event);
    } else {
        on_other_end(s, i, event, what);
    }
}

/* ---- what can no longer run ---- */

/* Append the producers of one line; *room counts what `deps` can hold. */
static void deps_add(struct run_state *s, const json_t *line, size_t *used,
                     size_t *room)
{
    const json_t *deps = json_object_get(line, "deps");

    for (size_t at = 0; at < json_array_size(deps); at++) {
        if (*used == *room) {
            *room = *room ? *room * 2 : 1024;
            s->deps = repx_grow(s->deps, *room, sizeof s->deps[0]);
        }
        s->deps[(*used)++] = (size_t)json_integer_value(json_array_get(deps, at));
    }
}

static int deps_load(struct run_state *s, const struct run *run, struct repx_err *err)
{
    size_t used = 0, room = 0;

    s->deps_at = repx_array(s->count + 1, sizeof s->deps_at[0]);
    for (size_t i = 0; i < s->count; i++) {
        json_t *line = run_plan(run, i, err);
        if (!line) {
            free(s->deps_at);
            s->deps_at = NULL;
            return -1;
        }
        deps_add(s, line, &used, &room);
        json_decref(line);
        s->deps_at[i + 1] = used;
    }
    return 0;
}

/* The producer that keeps i from running, or i itself. */
static size_t blocker(const struct run_state *s, size_t i)
{
    for (size_t d = s->deps_at[i]; d < s->deps_at[i + 1]; d++) {
        if (failed(s, s->deps[d]))
            return s->deps[d];
    }
    return i;
}

int run_state_block(struct run_state *s, const struct run *run,
                    void (*blocked)(void *ctx, size_t i, size_t by), void *ctx,
                    struct repx_err *err)
{
    if (s->failed == s->blocked_at)
        return 0;
    if (!s->deps_at && deps_load(s, run, err) < 0)
        return -1;
    for (size_t i = 0; i < s->count; i++) {
        size_t by = s->terminal[i] || s->status[i] == JOB_RUNNING ? i : blocker(s, i);
        if (by == i)
            continue;
        char text[24];
        /* of a chain the message names the one that failed, not the last link */
        size_t root = s->status[by] == JOB_BLOCKED && s->reason[by]
                          ? strtoul(s->reason[by], NULL, 10)
                          : by;
        by = root < s->count ? root : by;
        (void)snprintf(text, sizeof text, "%zu", by);
        put(s, i, JOB_BLOCKED, 1, text);
        if (blocked)
            blocked(ctx, i, by);
    }
    s->blocked_at = s->failed;
    return 0;
}
