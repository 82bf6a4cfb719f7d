/* SPDX-License-Identifier: MIT */
#include "core/agent/status_runs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/follow.h"
#include "core/agent/run_watch.h"
#include "core/agent/state_check.h"
#include "core/agent/truth.h"
#include "core/wire/verbs.h"

#define RUNS_MAX 10
#define PLAN_MAX (1024u << 20)
#define HEAD_MAX 16 /* the id stands near the beginning of a plan line */

/* Jobs nobody has told of yet: id -> place in the list. */
struct search {
    struct site *site;
    struct untold *jobs;
    json_t *open;
};

/* The id at the beginning of a plan line, or NULL. Caller frees. */
static char *line_id(const char *line, size_t n)
{
    static const char want[] = "\"id\":\"";
    size_t length = sizeof(want) - 1;

    for (size_t k = 0; k + length <= n && k < HEAD_MAX; k++) {
        if (memcmp(line + k, want, length) != 0)
            continue;
        const char *from = line + k + length;
        const char *end = memchr(from, '"', n - k - length);
        return end ? repx_strndup(from, (size_t)(end - from)) : NULL;
    }
    return NULL;
}

/* Of an attempt whose directory somebody removed nothing is told. */
static int still_counts(const struct search *s, const struct run_state *state, size_t i,
                        const char *job)
{
    REPX_AUTO_FREE char *dir = repx_format("outputs/%s/repx", job);

    if (!state->terminal[i] || state->status[i] == JOB_SUCCEEDED)
        return 0;
    return !state->attempt[i] || faccessat(s->site->base_fd, dir, F_OK, 0) == 0;
}

static void take(struct search *s, struct untold *job, const struct run *run,
                 const struct run_state *state, size_t i)
{
    const char *reason = state->reason[i];

    job->status = state->status[i];
    if (job->status == JOB_BLOCKED && reason && strtoul(reason, NULL, 10) == i) {
        job->reason = repx_strdup("dependency never satisfied");
    } else if (job->status == JOB_BLOCKED && reason) {
        json_t *by = run_plan(run, strtoul(reason, NULL, 10), NULL);
        job->reason = repx_strdup(state_text(by, "id", NULL));
        json_decref(by);
    } else {
        job->reason = repx_strdup(reason);
    }
    (void)json_object_del(s->open, job->id);
}

/* The run's places of jobs that are looked for: pairs of index and place. */
static json_t *places(struct search *s, const char *run)
{
    REPX_AUTO_FREE char *path = repx_format("runs/%s/plan", run);
    REPX_AUTO_BUF struct repx_buf plan = {0};
    json_t *found = json_array();
    json_int_t index = 0;

    if (repx_read_file(s->site->state_fd, path, PLAN_MAX, &plan, NULL) < 0)
        return found;
    for (size_t at = 0; at < plan.len; index++) {
        const char *end = memchr(plan.data + at, '\n', plan.len - at);
        size_t n = end ? (size_t)(end - plan.data) - at : plan.len - at;
        REPX_AUTO_FREE char *id = line_id(plan.data + at, n);
        json_t *place = id ? json_object_get(s->open, id) : NULL;
        if (place) {
            (void)json_array_append_new(
                found, json_pack("[I,I]", index, json_integer_value(place)));
        }
        at += n + 1;
    }
    return found;
}

/* One [index in the plan, place among the jobs] pair. */
static void look_at_pair(struct search *s, struct run *run, const struct summary *sum,
                         const json_t *pair)
{
    size_t i = (size_t)json_integer_value(json_array_get(pair, 0));
    struct untold *job = s->jobs + json_integer_value(json_array_get(pair, 1));

    if (i < run->count && still_counts(s, &sum->state, i, job->id)) {
        take(s, job, run, &sum->state, i);
    } else {
        (void)json_object_del(s->open, job->id);
    }
}

static int one_is_lost(const struct summary *sum, const json_t *found)
{
    for (size_t k = 0; k < json_array_size(found); k++) {
        const json_t *pair = json_array_get(found, k);
        size_t i = (size_t)json_integer_value(json_array_get(pair, 0));
        const char *reason = i < sum->run->count ? sum->state.reason[i] : NULL;
        if (reason && sum->state.terminal[i] && strcmp(reason, TRUTH_NOBODY) == 0)
            return 1;
    }
    return 0;
}

static void look_at(struct search *s, const char *id, const json_t *found)
{
    struct run *run = run_open(s->site, id, NULL);
    struct summary sum;

    if (!run)
        return;
    int rc = summary_open(&sum, s->site, run, NULL);
    if (rc == 0 && summary_poll(&sum, NULL) >= 0) {
        if (one_is_lost(&sum, found)) { /* accounts may tell by now */
            run_look(s->site, id, QUEUE_PERSON_MS);
            (void)summary_poll(&sum, NULL);
        }
        for (size_t k = 0; k < json_array_size(found); k++)
            look_at_pair(s, run, &sum, json_array_get(found, k));
    }
    summary_close(&sum);
    run_close(run);
}

void status_from_runs(struct site *site, struct untold *jobs, size_t count)
{
    struct search s = {site, jobs, json_object()};
    size_t runs = 0;

    for (size_t i = 0; i < count; i++)
        (void)json_object_set_new(s.open, jobs[i].id, json_integer((json_int_t)i));
    char **ids = count ? run_ids(site, &runs, NULL) : NULL;
    for (size_t r = 0; ids && r < runs && r < RUNS_MAX; r++) {
        if (json_object_size(s.open) == 0)
            break;
        json_t *found = places(&s, ids[r]);
        if (json_array_size(found))
            look_at(&s, ids[r], found);
        json_decref(found);
    }
    if (ids)
        run_ids_free(ids, runs);
    json_decref(s.open);
}
