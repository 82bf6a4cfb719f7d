/* SPDX-License-Identifier: MIT */
/* submit_array.c: jobs of equal shape go to the scheduler as one array.
 *
 * Level by level of what is still to be submitted: jobs of one level do not wait for each
 * other. Of a level those with the same stage, resources, runtime and dependencies are one
 * array, and those that follow the jobs of an array one by one are an array that follows
 * it index by index. Whoever is alone is a unit of his own. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "core/agent/state_check.h"
#include "core/agent/submit_own.h"

#define ARRAY_MIN 2

/* ---- may there be arrays? ---- */

static size_t count_new(const struct submission *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->run->count; i++) {
        n += s->jobs[i].what == DECIDE_NEW &&
             strcmp(state_text(s->plan[i], "type", ""), "simple") == 0;
    }
    return n;
}

size_t submission_array_max(struct submission *s)
{
    /* our own queue takes units as fast as arrays, and starts them sooner */
    if (strcmp(s->scheduler.name, "local") == 0 || count_new(s) < ARRAY_MIN)
        return 0;
    /* jobs that depend on jobs of an array name one index of it */
    if (submission_limit(s, "index_ids") != 1)
        return 0;
    int64_t most = submission_limit(s, "array_max");
    if (most >= ARRAY_MIN)
        most = (int64_t)submission_learned(s, (size_t)most);
    return most >= ARRAY_MIN ? (size_t)most : 0; /* one by one is always right */
}

size_t submission_branches_max(struct submission *s, size_t count)
{
    int64_t most =
        strcmp(s->scheduler.name, "local") == 0 ? -1 : submission_limit(s, "array_max");

    return most > 0 && (uint64_t)most < count ? submission_learned(s, (size_t)most)
                                              : count;
}

/* ---- levels ---- */

struct level {
    size_t *jobs; /* ascending */
    size_t count, cap;
};

struct levels {
    struct level *items;
    size_t count;
};

static void levels_finish(struct levels *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->items[i].jobs);
    free(l->items);
}

static size_t level_of(const struct submission *s, const size_t *levels, size_t i)
{
    const json_t *deps = json_object_get(s->plan[i], "deps");
    size_t level = 0;

    for (size_t k = 0; k < json_array_size(deps); k++) {
        size_t d = (size_t)json_integer_value(json_array_get(deps, k));
        if (s->jobs[d].what == DECIDE_NEW && levels[d] >= level)
            level = levels[d] + 1;
    }
    return level;
}

static void level_add(struct levels *l, size_t level, size_t job)
{
    if (!l->items || level == l->count) {
        l->items = repx_grow(l->items, l->count + 1, sizeof(*l->items));
        l->items[l->count++] = (struct level){0};
    }
    struct level *at = l->items + level;
    if (at->count == at->cap) {
        at->cap = at->cap ? at->cap * 2 : 4;
        at->jobs = repx_grow(at->jobs, at->cap, sizeof(*at->jobs));
    }
    at->jobs[at->count++] = job;
}

static void levels_make(const struct submission *s, struct levels *l)
{
    size_t *of = repx_array(s->run->count + 1, sizeof(*of));

    for (size_t i = 0; i < s->run->count; i++) {
        if (s->jobs[i].what != DECIDE_NEW)
            continue;
        of[i] = level_of(s, of, i);
        level_add(l, of[i], i);
    }
    free(of);
}

/* ---- shapes ---- */

static json_t *shape_deps(const struct submission *s, size_t i)
{
    int64_t d = submission_parallel(s, i);

    return d >= 0 ? json_string(s->jobs[d].key) : submission_deps(s, i);
}

/* Text that is the same for jobs that may share an array; caller frees. */
static char *shape_of(const struct submission *s, size_t i)
{
    const json_t *plan = s->plan[i];
    const json_t *exe = json_object_get(json_object_get(plan, "exes"), "main");
    json_t *res = json_object_get(exe, "res");
    json_t *deps = shape_deps(s, i);
    json_t *shape =
        json_pack("[s,s,o,O]", submission_stage(state_text(plan, "id", "")),
                  state_text(plan, "runtime", ""), deps, res ? res : json_null());
    char *text = json_dumps(shape, JSON_COMPACT | JSON_SORT_KEYS);

    json_decref(shape);
    return text;
}

/* ---- one group ---- */

static int submit_each(struct submission *s, const size_t *jobs, size_t count,
                       struct repx_err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (submit_job(s, jobs[i], err) < 0)
            return -1;
    }
    return 0;
}

/* Each follows another job of one array, and all of that are followed: the group in the
 * order of that array in *ordered, and that array's dependency. NULL: not so. */
static json_t *in_parallel(const struct submission *s, const size_t *jobs, size_t count,
                           size_t *ordered)
{
    int64_t first = submission_parallel(s, jobs[0]);

    if (first < 0 || s->jobs[first].width != count)
        return NULL;
    for (size_t i = 0; i < count; i++)
        ordered[i] = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        int64_t d = submission_parallel(s, jobs[i]);
        if (d < 0 || strcmp(s->jobs[d].key, s->jobs[first].key) != 0 ||
            ordered[s->jobs[d].index] != SIZE_MAX)
            return NULL;
        ordered[s->jobs[d].index] = jobs[i];
    }
    const char *unit = s->jobs[first].unit, *at = strrchr(unit, '_');
    REPX_AUTO_FREE char *id =
        repx_strndup(unit, at ? (size_t)(at - unit) : strlen(unit));
    return json_pack("[o]", submission_dep("corr", id, NULL));
}

/* They wait for nothing, or all for the same. */
static int submit_chunks(struct submission *s, const size_t *jobs, size_t count,
                         size_t most, struct repx_err *err)
{
    for (size_t i = 0; i < count; i += most) {
        size_t n = count - i < most ? count - i : most;
        int rc = n < ARRAY_MIN ? submit_each(s, jobs + i, n, err)
                               : submission_add_array(s, jobs + i, n,
                                                      submission_deps(s, jobs[i]), err);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static int submit_group(struct submission *s, const size_t *jobs, size_t count,
                        size_t most, struct repx_err *err)
{
    if (count < ARRAY_MIN)
        return submit_each(s, jobs, count, err);
    if (submission_parallel(s, jobs[0]) < 0)
        return submit_chunks(s, jobs, count, most, err);
    size_t *ordered = repx_array(count, sizeof(*ordered));
    json_t *deps = in_parallel(s, jobs, count, ordered);
    int rc = deps ? submission_add_array(s, ordered, count, deps, err)
                  : submit_each(s, jobs, count, err);
    free(ordered);
    return rc;
}

/* ---- one level ---- */

/* Shapes in the order in which they appear: shape -> its number; groups[number]. */
static int group_jobs(struct submission *s, const struct level *level,
                      struct levels *groups, struct repx_err *err)
{
    json_t *numbers = json_object();
    int may = 0;

    for (size_t i = 0; may >= 0 && i < level->count; i++) {
        size_t job = level->jobs[i], number = groups->count;
        may = submit_may(s, job, err);
        if (may != 1)
            continue;
        int simple = strcmp(state_text(s->plan[job], "type", ""), "simple") == 0;
        REPX_AUTO_FREE char *shape = simple ? shape_of(s, job) : NULL;
        json_t *known = shape ? json_object_get(numbers, shape) : NULL;
        if (known) {
            number = (size_t)json_integer_value(known);
        } else if (shape) {
            (void)json_object_set_new(numbers, shape, json_integer((json_int_t)number));
        }
        level_add(groups, number, job);
    }
    json_decref(numbers);
    return may < 0 ? -1 : 0;
}

static int submit_level(struct submission *s, const struct level *level, size_t most,
                        struct repx_err *err)
{
    struct levels groups = {0};
    int rc = group_jobs(s, level, &groups, err);
    int arrays = 0;

    for (size_t i = 0; rc == 0 && i < groups.count; i++) {
        rc = submit_group(s, groups.items[i].jobs, groups.items[i].count, most, err);
        arrays |= groups.items[i].count >= ARRAY_MIN;
    }
    levels_finish(&groups);
    /* what waits for jobs of an array names it by its id */
    return rc == 0 && arrays ? submission_flush(s, err) : rc;
}

int submission_arrays(struct submission *s, size_t most, struct repx_err *err)
{
    struct levels levels = {0};
    int rc = 0;

    levels_make(s, &levels);
    for (size_t i = 0; rc == 0 && i < levels.count; i++) {
        rc = submission_cancelled(s, err);
        if (rc == 0)
            rc = submit_level(s, levels.items + i, most, err);
    }
    levels_finish(&levels);
    return rc == 0 ? submission_flush(s, err) : -1;
}
