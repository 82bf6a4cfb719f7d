/* SPDX-License-Identifier: MIT */
/* submit_branches.c: the steps of a scatter-gather job, submitted when their number is
 * known: by the scatter's supervisor, where it runs. */
#include <stdlib.h>
#include <string.h>

#include <repx/scheduler.h>

#include <kit/alloc.h>

#include "core/agent/scatter.h"
#include "core/agent/state_check.h"
#include "core/agent/submit_own.h"
#include "core/agent/waiting.h"

#define LEASE_WAIT_MS 600000
#define AMEND_MS 60000

/* ---- the gather, which was submitted together with the scatter ---- */

/* deps is stolen. */
static int amend_gather(struct submission *s, const char *gather, json_t *deps,
                        struct repx_err *err)
{
    return scheduler_call(&s->scheduler, "amend",
                          json_pack("{s:s,s:o}", "id", gather, "deps", deps), AMEND_MS,
                          NULL, NULL, err);
}

/* ---- steps ---- */

/* A step's dependencies: index by index on the steps before it. NULL: one of these has
 * not been added yet. keys: phase -> key of what is in the batch. */
static json_t *step_deps(const struct submission *s, const json_t *exe,
                         const json_t *keys, size_t first)
{
    const json_t *before = json_object_get(exe, "deps");
    json_t *deps = json_array();

    for (size_t i = 0; i < json_array_size(before); i++) {
        REPX_AUTO_FREE char *phase =
            repx_format("step-%s", json_string_value(json_array_get(before, i)));
        REPX_AUTO_FREE char *part = submission_part(phase, first);
        const char *id = json_string_value(json_object_get(s->steps, part));
        const char *key = json_string_value(json_object_get(keys, part));
        if (!id && !key) {
            json_decref(deps);
            return NULL;
        }
        (void)json_array_append_new(deps, submission_dep("corr", id, key));
    }
    return deps;
}

/* span: the first branch, and how many. */
static int add_part(struct submission *s, size_t index, const char *phase,
                    const size_t span[2], json_t *keys, struct repx_err *err)
{
    const json_t *exe = json_object_get(json_object_get(s->plan[index], "exes"), phase);
    json_t *deps = step_deps(s, exe, keys, span[0]);
    REPX_AUTO_FREE char *part = submission_part(phase, span[0]);

    if (!deps)
        return 0;
    char *alive = submission_alive(s, index, part);
    if (alive) {
        (void)json_object_set_new(s->steps, part, json_string(alive));
        free(alive);
        json_decref(deps);
        return 1;
    }
    if (submission_add_branches(s, index, phase, span, deps, err) < 0)
        return -1;
    (void)json_object_set_new(keys, part,
                              json_string(s->batch[s->batch_count - 1].key));
    return 1;
}

/* Branches of one scatter, in parts that the scheduler takes as arrays. */
struct branches {
    size_t index, count, most;
    const char *scatter; /* its key */
};

static int add_step(struct submission *s, const struct branches *b, const char *phase,
                    json_t *keys, struct repx_err *err)
{
    int rc = 0;

    for (size_t at = 0; at < b->count; at += b->most) {
        const size_t span[2] = {at, b->count - at < b->most ? b->count - at : b->most};
        rc = add_part(s, b->index, phase, span, keys, err);
        if (rc <= 0)
            return rc;
    }
    return rc;
}

/* All steps, those first that others wait for. */
static int add_steps(struct submission *s, const struct branches *b, json_t *keys,
                     struct repx_err *err)
{
    json_t *exes = json_object_get(s->plan[b->index], "exes");
    int progress = 1;

    while (progress) {
        progress = 0;
        for (void *at = json_object_iter(exes); at;
             at = json_object_iter_next(exes, at)) {
            const char *phase = json_object_iter_key(at);
            if (strncmp(phase, "step-", 5) != 0 || json_object_get(keys, phase) ||
                json_object_get(s->steps, phase))
                continue;
            int rc = add_step(s, b, phase, keys, err);
            if (rc < 0)
                return -1;
            progress |= rc;
        }
    }
    return 0;
}

/* What the gather waits for: every part of the sink's array. NULL: one was not taken. */
static json_t *sink_deps(const struct submission *s, const struct branches *b)
{
    REPX_AUTO_FREE char *sink =
        repx_format("step-%s", state_text(s->plan[b->index], "sink", ""));
    json_t *deps = json_array();

    for (size_t at = 0; at < b->count; at += b->most) {
        REPX_AUTO_FREE char *part = submission_part(sink, at);
        const char *id = json_string_value(json_object_get(s->steps, part));
        if (!id) {
            json_decref(deps);
            return NULL;
        }
        (void)json_array_append_new(deps, submission_dep("any", id, NULL));
    }
    return deps;
}

/* The same where there is no branch: the scatter's own end. */
static json_t *scatter_deps(const struct submission *s, const struct branches *b)
{
    json_t *claim = claim_read(s->site, b->scatter, NULL);
    json_t *deps =
        json_pack("[o]", submission_dep("ok", state_text(claim, "id", ""), NULL));

    json_decref(claim);
    return deps;
}

static int steps_hand_over(struct submission *s, struct branches *b,
                           struct repx_err *err)
{
    json_t *keys = json_object();

    json_decref(s->steps);
    s->steps = json_object();
    b->most = submission_branches_max(s, b->count);
    int rc = add_steps(s, b, keys, err);
    json_decref(keys);
    return rc < 0 || submission_flush(s, err) < 0 ? -1 : 0;
}

static int not_taken(const struct submission *s, const struct branches *b,
                     struct repx_err *err)
{
    return repx_fail(err, REPX_E_FAILED,
                     "the scheduler did not take the %zu branches of %s: %s", b->count,
                     state_text(s->plan[b->index], "id", ""),
                     s->refusal ? s->refusal : "no reason given");
}

static int branches_submit(struct submission *s, struct branches *b,
                           struct repx_err *err)
{
    REPX_AUTO_FREE char *gather = NULL;
    int known = submission_gather_find(s, b->index, &gather, err);

    if (known < 0 || (b->count && steps_hand_over(s, b, err) < 0))
        return -1;
    json_t *deps = b->count || known ? sink_deps(s, b) : scatter_deps(s, b);
    if (!deps)
        return s->nodes == NODES_NO ? 1 : not_taken(s, b, err);
    if (!known)
        return submission_gather_submit(s, b->index, deps, err);
    if (b->count)
        return amend_gather(s, gather, deps, err);
    json_decref(deps);
    return 0;
}

/* Does the scatter alone stand for the job? Then no gather waits for the scatter's end. */
static int gather_waits(struct submission *s, size_t index, const char *scatter)
{
    json_t *plan = run_plan(s->run, index, NULL);
    REPX_AUTO_FREE char *run = NULL;
    char key[27] = "";
    size_t at;
    int there = live_get(s->site, state_text(plan, "id", ""), &run, &at, key, NULL);

    json_decref(plan);
    return there > 0 && strcmp(key, scatter) != 0;
}

static int leave_request(struct submission *s, size_t index, struct repx_err *err)
{
    struct waiting w;
    int there = waiting_read(s->site, s->run->id, &w), rc;

    w.jobs += !there;
    w.t = state_now_ms();
    w.next = w.t;
    w.needs_client = 1;
    rc = request_leave(s->site, s->run->id, index, err);
    if (rc == 0)
        rc = waiting_write(s->site, s->run->id, &w, err);
    waiting_finish(&w);
    return rc;
}

/* NOLINTNEXTLINE(readability-function-size): one of them is the error */
int submit_branches(struct site *site, struct run *run, size_t index, const char *key,
                    size_t branches, struct repx_err *err)
{
    struct branches b = {.index = index, .count = branches, .scatter = key};
    struct submission s;
    uint64_t epoch;

    if (index >= run->count)
        return 0;
    int rc = submission_open(&s, site, run, err);
    s.fresh = 0;
    s.on_node = 1;
    int is_local = rc == 0 && strcmp(s.scheduler.name, "local") == 0;
    int left = rc == 0 && !is_local && s.nodes == NODES_NO;
    if (rc == 0)
        s.plan[index] = run_plan(run, index, err);
    if (rc == 0 && !s.plan[index])
        rc = -1;
    if (rc == 0 && !left && (branches > 0 || !submission_gather_claimed(&s, index))) {
        rc = lease_take(site, "feed", LEASE_WAIT_MS, &epoch, err);
        if (rc == 0) {
            rc = branches_submit(&s, &b, err);
            lease_drop(site, "feed");
        }
        left = rc == 1;
    }
    if (left)
        rc = leave_request(&s, index, err) < 0 ? -1 : gather_waits(&s, index, key);
    submission_close(&s);
    return rc;
}

/* ---- by a session, where jobs may not ---- */

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

int submission_branches(struct submission *s, size_t job, struct repx_err *err)
{
    int64_t n = count_items(s, job, err);
    struct branches b = {.index = job, .count = n > 0 ? (size_t)n : 0};

    if (n < 0 || submission_flush(s, err) < 0 || steps_hand_over(s, &b, err) < 0)
        return -1;
    json_t *deps = sink_deps(s, &b);
    if (!deps && !s->full)
        return not_taken(s, &b, err);
    if (!deps) {
        s->jobs[job].what = DECIDE_LATER;
        return 0;
    }
    if (submission_add(s, job, "gather", 0, deps, err) < 0 ||
        submission_flush(s, err) < 0)
        return -1;
    if (s->jobs[job].what == DECIDE_OURS)
        request_take(s->site, s->run->id, job);
    return 0;
}
