/* SPDX-License-Identifier: MIT */
/* submit_deps.c: what a job waits for, as the scheduler is told. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/agent/submit_own.h"

static size_t producer_at(const json_t *producers, size_t k)
{
    return (size_t)json_integer_value(json_array_get(producers, k));
}

static int is_waited_for(const struct decided *p)
{
    return p->unit || p->what == DECIDE_NEW;
}

/* How many of the producers are in each array that was submitted just now: key -> n. */
static json_t *count_by_array(const struct submission *s, const json_t *producers)
{
    json_t *counts = json_object();

    for (size_t k = 0; k < json_array_size(producers); k++) {
        const struct decided *p = s->jobs + producer_at(producers, k);
        if (!p->width || !p->unit)
            continue;
        json_int_t n = json_integer_value(json_object_get(counts, p->key));
        (void)json_object_set_new(counts, p->key, json_integer(n + 1));
    }
    return counts;
}

/* "12_3" of an array of jobs is "12". Caller frees. */
static char *array_of(const struct decided *p)
{
    const char *at = strrchr(p->unit, '_');

    return repx_strndup(p->unit, at ? (size_t)(at - p->unit) : strlen(p->unit));
}

/* All jobs of an array are needed: then the array is, and is named once. */
static json_t *whole_array(const struct decided *p, json_t *counts)
{
    json_t *n = json_object_get(counts, p->key);
    json_t *dep = NULL;

    if (json_is_integer(n)) {
        REPX_AUTO_FREE char *id = array_of(p);
        dep = submission_dep("ok", id, NULL);
        (void)json_object_set_new(counts, p->key, json_true());
    }
    return dep;
}

static void add_producer(json_t *deps, const struct decided *p, json_t *counts)
{
    json_t *n = p->unit && p->width ? json_object_get(counts, p->key) : NULL;
    json_t *dep = NULL;

    if (json_is_true(n))
        return;
    if (n && (size_t)json_integer_value(n) == p->width) {
        dep = whole_array(p, counts);
    } else if (p->unit) {
        dep = submission_dep("ok", p->unit, NULL);
    } else {
        dep = submission_dep("ok", NULL, p->key);
    }
    (void)json_array_append_new(deps, dep);
}

json_t *submission_deps(const struct submission *s, size_t i)
{
    const json_t *producers = json_object_get(s->plan[i], "deps");
    json_t *counts = count_by_array(s, producers);
    json_t *deps = json_array();

    for (size_t k = 0; k < json_array_size(producers); k++) {
        const struct decided *p = s->jobs + producer_at(producers, k);
        if (is_waited_for(p))
            add_producer(deps, p, counts);
    }
    /* all other work on the same job comes first: what was to come before this may be
     * cancelled while what was before that goes on */
    for (size_t k = 0; k < json_array_size(s->jobs[i].after); k++) {
        const char *id = json_string_value(json_array_get(s->jobs[i].after, k));
        (void)json_array_append_new(deps, submission_dep("any", id, NULL));
    }
    json_decref(counts);
    return deps;
}

int64_t submission_parallel(const struct submission *s, size_t i)
{
    const json_t *producers = json_object_get(s->plan[i], "deps");
    int64_t found = -1;

    if (s->jobs[i].after)
        return -1;
    for (size_t k = 0; k < json_array_size(producers); k++) {
        size_t d = producer_at(producers, k);
        const struct decided *p = s->jobs + d;
        if (!is_waited_for(p) || (int64_t)d == found)
            continue;
        if (found >= 0 || !p->width || !p->unit)
            return -1;
        found = (int64_t)d;
    }
    return found;
}
