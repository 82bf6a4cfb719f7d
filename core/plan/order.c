/* SPDX-License-Identifier: MIT */
/* order.c: Kahn's algorithm with a heap of the jobs that wait for nobody. */
#include "order.h"

#include <stdlib.h>

#include <kit/alloc.h>

size_t *order_first_runs(const struct lab *lab)
{
    size_t *first = repx_array(lab->job_count, sizeof(*first));

    for (size_t i = 0; i < lab->job_count; i++)
        first[i] = ORDER_NONE;
    for (size_t r = lab->run_count; r-- > 0;) {
        for (size_t i = 0; i < lab->runs[r].job_count; i++)
            first[lab->runs[r].jobs[i]] = r;
    }
    return first;
}

struct heap {
    size_t *jobs;
    size_t count;
    const size_t *first_runs;
};

static int before(const struct heap *h, size_t a, size_t b)
{
    if (h->first_runs[a] != h->first_runs[b])
        return h->first_runs[a] < h->first_runs[b];
    return a < b;
}

static void heap_swap(struct heap *h, size_t i, size_t k)
{
    size_t job = h->jobs[i];

    h->jobs[i] = h->jobs[k];
    h->jobs[k] = job;
}

static void heap_push(struct heap *h, size_t job)
{
    size_t i = h->count++;

    h->jobs[i] = job;
    while (i > 0 && before(h, h->jobs[i], h->jobs[(i - 1) / 2])) {
        heap_swap(h, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

static size_t heap_pop(struct heap *h)
{
    size_t top = h->jobs[0], i = 0;

    h->jobs[0] = h->jobs[--h->count];
    for (;;) {
        size_t least = i, child = 2 * i + 1;

        for (size_t k = child; k < child + 2 && k < h->count; k++) {
            if (before(h, h->jobs[k], h->jobs[least]))
                least = k;
        }
        if (least == i)
            return top;
        heap_swap(h, i, least);
        i = least;
    }
}

/* Consumers of each job of the set, as slices of one array. */
struct consumers {
    size_t *start; /* by job of the Lab; one more at the end */
    size_t *jobs;
};

static struct consumers consumers_create(const struct lab *lab,
                                         const struct job_set *set)
{
    struct consumers c = {.start = repx_array(lab->job_count + 1, sizeof(size_t))};
    size_t total = 0;

    for (size_t i = 0; i < set->count; i++) {
        const struct lab_job *job = &lab->jobs[set->jobs[i]];

        total += job->dep_count;
        for (size_t d = 0; d < job->dep_count; d++)
            c.start[job->deps[d]]++;
    }
    /* From counts to ends; filling backwards turns the ends into starts. */
    for (size_t i = 0; i < lab->job_count; i++)
        c.start[i + 1] += c.start[i];
    c.jobs = repx_array(total, sizeof(size_t));
    for (size_t i = set->count; i-- > 0;) {
        const struct lab_job *job = &lab->jobs[set->jobs[i]];

        for (size_t d = 0; d < job->dep_count; d++)
            c.jobs[--c.start[job->deps[d]]] = set->jobs[i];
    }
    return c;
}

int order_jobs(const struct lab *lab, const size_t *first_runs, struct job_set *set,
               struct repx_err *err)
{
    struct consumers c = consumers_create(lab, set);
    size_t *waits = repx_array(lab->job_count, sizeof(*waits));
    struct heap h = {repx_array(set->count, sizeof(size_t)), 0, first_runs};
    size_t n = 0, count = set->count;

    for (size_t i = 0; i < count; i++) {
        waits[set->jobs[i]] = lab->jobs[set->jobs[i]].dep_count;
        if (waits[set->jobs[i]] == 0)
            heap_push(&h, set->jobs[i]);
    }
    while (h.count) {
        size_t job = heap_pop(&h);

        set->jobs[n++] = job;
        for (size_t i = c.start[job]; i < c.start[job + 1]; i++) {
            if (--waits[c.jobs[i]] == 0)
                heap_push(&h, c.jobs[i]);
        }
    }
    free(c.start);
    free(c.jobs);
    free(waits);
    free(h.jobs);
    if (n < count) {
        return repx_fail(
            err, REPX_E_CORRUPT,
            "%zu jobs wait for each other in a circle; build the Lab again", count - n);
    }
    return 0;
}
