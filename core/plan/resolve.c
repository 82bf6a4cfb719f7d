/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "plan.h"

/* Lists in messages end while there is still room for what stands around them. */
#define LIST_MAX (REPX_ERR_TEXT - 400)

/* ---- sets ---- */

void job_set_free(struct job_set *set)
{
    free(set->jobs);
    *set = (struct job_set){0};
}

void job_set_add(struct job_set *set, size_t job)
{
    /* Grown at powers of two; a set of another size than that has room. */
    if ((set->count & (set->count - 1)) == 0) {
        set->jobs =
            repx_grow(set->jobs, set->count ? set->count * 2 : 1, sizeof(size_t));
    }
    set->jobs[set->count++] = job;
}

static int ascending(const void *a, const void *b)
{
    const size_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Sorted, each once. What is cut off stays allocated, and job_set_add may then grow to less
 * than there is: so the array is made to fit again. */
static void normalise(struct job_set *set)
{
    size_t n = 0, room = 1;

    if (set->count == 0)
        return;
    qsort(set->jobs, set->count, sizeof(size_t), ascending);
    for (size_t i = 0; i < set->count; i++) {
        if (n == 0 || set->jobs[n - 1] != set->jobs[i])
            set->jobs[n++] = set->jobs[i];
    }
    while (room < n)
        room *= 2;
    set->jobs = repx_grow(set->jobs, room, sizeof(size_t));
    set->count = n;
}

/* ---- jobs of runs ---- */

static void append_final(const struct lab *lab, const struct lab_run *run,
                         struct job_set *set)
{
    unsigned char *needed = repx_array(run->job_count, 1);

    for (size_t i = 0; i < run->job_count; i++) {
        const struct lab_job *job = &lab->jobs[run->jobs[i]];

        for (size_t d = 0; d < job->dep_count; d++) {
            const size_t *at = bsearch(&job->deps[d], run->jobs, run->job_count,
                                       sizeof(size_t), ascending);
            if (at)
                needed[at - run->jobs] = 1;
        }
    }
    for (size_t i = 0; i < run->job_count; i++) {
        if (!needed[i])
            job_set_add(set, run->jobs[i]);
    }
    free(needed);
}

void final_jobs(const struct lab *lab, const struct lab_run *run, struct job_set *set)
{
    append_final(lab, run, set);
    normalise(set);
}

void closure(const struct lab *lab, struct job_set *set)
{
    unsigned char *inside = repx_array(lab->job_count, 1);
    size_t done = 0;

    for (size_t i = 0; i < set->count; i++)
        inside[set->jobs[i]] = 1;
    /* The set is its own work list: what is appended is looked at later. */
    for (; done < set->count; done++) {
        const struct lab_job *job = &lab->jobs[set->jobs[done]];

        for (size_t d = 0; d < job->dep_count; d++) {
            if (inside[job->deps[d]])
                continue;
            inside[job->deps[d]] = 1;
            job_set_add(set, job->deps[d]);
        }
    }
    free(inside);
    normalise(set);
}

const struct lab_run *job_run(const struct lab *lab, size_t job)
{
    for (size_t i = 0; i < lab->run_count; i++) {
        if (bsearch(&job, lab->runs[i].jobs, lab->runs[i].job_count, sizeof(size_t),
                    ascending))
            return &lab->runs[i];
    }
    return NULL;
}

/* ---- messages ---- */

/* Append `before` and the text to a list unless it is full; returns whether it was. */
static int add_to_list(struct repx_buf *list, const char *before, const char *text)
{
    if (list->len + strlen(before) + strlen(text) > LIST_MAX)
        return 0;
    repx_buf_fmt(list, "%s%s", before, text);
    return 1;
}

static int ambiguous(const struct lab *lab, const char *spec, const struct job_set *set,
                     struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf list = {0};
    size_t i = 0;

    while (i < set->count && add_to_list(&list, "\n  - ", lab->jobs[set->jobs[i]].id))
        i++;
    if (i < set->count)
        repx_buf_fmt(&list, "\n  ... and %zu more", set->count - i);
    return repx_fail(err, REPX_E_USAGE,
                     "Ambiguous input: `%.200s` matches %zu jobs; name one of them:%s",
                     spec, set->count, repx_buf_text(&list));
}

static int no_such_group(const struct lab *lab, const char *name, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf list = {0};
    size_t i = 0;

    while (i < lab->group_count &&
           add_to_list(&list, i ? ", " : "", lab->groups[i].name))
        i++;
    if (i < lab->group_count)
        repx_buf_fmt(&list, " ... and %zu more", lab->group_count - i);
    return repx_fail(err, REPX_E_NOENT, "unknown group `%.200s`; available groups: %s",
                     name, lab->group_count ? repx_buf_text(&list) : "none");
}

/* ---- specs ---- */

static int resolve_group(const struct lab *lab, const char *name, struct job_set *set,
                         struct repx_err *err)
{
    const struct lab_group *group = NULL;

    if (!*name) {
        return repx_fail(err, REPX_E_USAGE,
                         "empty group name; write `@` and the name of a group");
    }
    for (size_t i = 0; i < lab->group_count && !group; i++) {
        if (strcmp(lab->groups[i].name, name) == 0)
            group = &lab->groups[i];
    }
    if (!group)
        return no_such_group(lab, name, err);
    for (size_t i = 0; i < group->run_count; i++) {
        const struct lab_run *run = lab_run_find(lab, group->runs[i]);

        if (!run) {
            return repx_fail(
                err, REPX_E_NOENT,
                "group `%.200s` names run `%.200s`, which the Lab does not "
                "have; build the Lab again",
                name, group->runs[i]);
        }
        append_final(lab, run, set);
    }
    normalise(set);
    return 0;
}

/* The first job whose id is not before `text`. */
static size_t lower_bound(const struct lab *lab, const char *text)
{
    size_t low = 0, high = lab->job_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(lab->jobs[middle].id, text) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The one job whose id begins so; an id that is there in full is meant, even when
 * another goes on from it. */
static int resolve_prefix(const struct lab *lab, const char *spec, size_t *job,
                          struct repx_err *err)
{
    struct job_set found = {0};
    size_t len = strlen(spec), first = lower_bound(lab, spec), last = first;

    if (len == 0) {
        return repx_fail(
            err, REPX_E_USAGE,
            "an empty name; name a run, @group or the beginning of a job id");
    }
    while (last < lab->job_count && strncmp(lab->jobs[last].id, spec, len) == 0)
        last++;
    if (first == last) {
        return repx_fail(
            err, REPX_E_NOENT,
            "`%.200s` did not match any known run or job; `repx list runs` "
            "and `repx list jobs` show what there is",
            spec);
    }
    *job = first;
    if (last - first == 1 || !lab->jobs[first].id[len])
        return 0;
    for (size_t i = first; i < last; i++)
        job_set_add(&found, i);
    (void)ambiguous(lab, spec, &found, err);
    job_set_free(&found);
    return -1;
}

int resolve_spec(const struct lab *lab, const char *spec, struct job_set *set,
                 struct repx_err *err)
{
    size_t job;

    if (spec[0] == '@')
        return resolve_group(lab, spec + 1, set, err);
    const struct lab_run *run = lab_run_find(lab, spec);

    if (run) {
        final_jobs(lab, run, set);
        return 0;
    }
    if (resolve_prefix(lab, spec, &job, err) < 0)
        return -1;
    job_set_add(set, job);
    normalise(set);
    return 0;
}

int resolve_one(const struct lab *lab, const char *spec, size_t *job,
                struct repx_err *err)
{
    const struct lab_run *run = lab_run_find(lab, spec);
    struct job_set set = {0};
    int rc = 0;

    if (!run)
        return resolve_prefix(lab, spec, job, err);
    final_jobs(lab, run, &set);
    if (set.count == 1) {
        *job = set.jobs[0];
    } else if (set.count == 0) {
        rc = repx_fail(err, REPX_E_NOENT, "run `%.200s` has no jobs", spec);
    } else {
        rc = ambiguous(lab, spec, &set, err);
    }
    job_set_free(&set);
    return rc;
}
