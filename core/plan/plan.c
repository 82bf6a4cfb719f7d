/* SPDX-License-Identifier: MIT */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "input.h"
#include "key.h"
#include "order.h"
#include "runtime.h"

/* What is known of a run's image; by run, filled when a job first needs it. */
struct image {
    const char *runtime; /* NULL: not yet looked at */
    char *tag;           /* NULL: no image is used */
    struct digest digest;
};

struct store {
    struct plan plan; /* first: what is handed out */
    char *scheduler;
    size_t *deps; /* of all jobs */
    struct image *images;
    size_t image_count;
};

/* ---- which jobs ---- */

static int choose_jobs(const struct plan_request *request, struct job_set *wanted,
                       struct repx_err *err)
{
    for (size_t i = 0; i < request->spec_count; i++) {
        if (resolve_spec(request->lab, request->specs[i], wanted, err) < 0)
            return -1;
    }
    return 0;
}

static int ascending(const void *a, const void *b)
{
    const size_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* ---- one job ---- */

static int check_hints(const struct lab_hints *hints, struct repx_err *err)
{
    if (!hints)
        return 0;
    if (hints->mem && resources_slurm_size(hints->mem) < 0) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "resource_hints: mem `%s` is no size; write it as `4G`",
                         hints->mem);
    }
    if (hints->time && resources_time(hints->time) == -1) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "resource_hints: time `%s` is no time; write it as `2:30:00`",
                         hints->time);
    }
    return 0;
}

static int check_job(const struct lab *lab, const struct lab_job *job,
                     struct repx_err *err)
{
    const char *missing = NULL;

    if (!input_entry(job)) {
        missing = job->type == LAB_SCATTER_GATHER ? "scatter" : "main";
    } else if (job->type == LAB_SCATTER_GATHER && !lab_exe_find(job, "gather")) {
        missing = "gather";
    }
    if (missing) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "job %s: has no executable `%s`; build the Lab again", job->id,
                         missing);
    }
    if (input_check_steps(lab, job, err) < 0)
        return -1;
    if (check_hints(job->hints, err) < 0)
        return repx_wrap(err, "job %s", job->id);
    for (size_t i = 0; i < job->exe_count; i++) {
        if (check_hints(job->exes[i].hints, err) < 0)
            return repx_wrap(err, "job %s: %s", job->id, job->exes[i].name);
    }
    return 0;
}

static int look_at_image(const struct plan_request *request, const struct lab_run *run,
                         struct image *image, struct repx_err *err)
{
    image->runtime = runtime_choose(request->target, request->scheduler, run->image);
    if (strcmp(image->runtime, "native") == 0)
        return 0;
    image->tag = runtime_tag(run->image, err);
    if (!image->tag ||
        request->image_digest(request->ctx, run->image, &image->digest, err) < 0)
        return repx_wrap(err, "run %s", run->name);
    return 0;
}

static int set_runtime(struct store *s, const struct plan_request *request, size_t run,
                       struct plan_job *to, struct repx_err *err)
{
    to->runtime = "native";
    if (run == ORDER_NONE)
        return 0;
    struct image *image = &s->images[run];

    to->run = &request->lab->runs[run];
    if (!image->runtime && look_at_image(request, to->run, image, err) < 0)
        return -1;
    to->runtime = image->runtime;
    to->image = image->tag;
    to->image_path = image->tag ? to->run->image : NULL;
    return 0;
}

static int set_key(struct store *s, const struct plan_request *request,
                   struct plan_job *to, struct repx_err *err)
{
    size_t index = (size_t)(to->job - request->lab->jobs);
    const struct image *image =
        to->image ? &s->images[to->run - request->lab->runs] : NULL;
    struct key_request key = {
        .lab = request->lab,
        .job = to->job,
        .package = &to->package,
        .image = image ? &image->digest : NULL,
        .producer_count = to->dep_count,
    };

    if (request->package_digest(request->ctx, index, &to->package, err) < 0)
        return repx_wrap(err, "job %s", to->job->id);
    key.producers = repx_array(to->dep_count, sizeof(*key.producers));
    for (size_t d = 0; d < to->dep_count; d++)
        key.producers[d] = s->plan.jobs[to->deps[d]].key;
    int rc = key_compute(&key, &to->key, err);

    free(key.producers);
    return rc;
}

/* ---- all of them ---- */

/* deps of job i, as indices into the plan; returns where the next job's may begin. */
static size_t *set_deps(struct plan_job *to, const size_t *places, size_t *deps)
{
    const struct lab_job *job = to->job;

    for (size_t d = 0; d < job->dep_count; d++)
        deps[d] = places[job->deps[d]];
    if (job->dep_count)
        qsort(deps, job->dep_count, sizeof(*deps), ascending);
    to->deps = deps;
    to->dep_count = job->dep_count;
    return deps + job->dep_count;
}

static void fill_graph(struct store *s, const struct lab *lab,
                       const struct job_set *order, const struct job_set *wanted)
{
    size_t *places = repx_array(lab->job_count, sizeof(*places)), total = 0;

    s->plan.jobs = repx_array(order->count, sizeof(*s->plan.jobs));
    s->plan.count = order->count;
    for (size_t i = 0; i < order->count; i++) {
        s->plan.jobs[i].job = &lab->jobs[order->jobs[i]];
        places[order->jobs[i]] = i;
        total += lab->jobs[order->jobs[i]].dep_count;
    }
    size_t *deps = s->deps = repx_array(total, sizeof(*deps));

    for (size_t i = 0; i < order->count; i++)
        deps = set_deps(&s->plan.jobs[i], places, deps);
    for (size_t i = 0; i < wanted->count; i++)
        s->plan.jobs[places[wanted->jobs[i]]].wanted = 1;
    free(places);
}

static int fill_jobs(struct store *s, const struct plan_request *request,
                     const size_t *first_runs, struct repx_err *err)
{
    for (size_t i = 0; i < s->plan.count; i++) {
        struct plan_job *job = &s->plan.jobs[i];
        size_t run = first_runs[job->job - request->lab->jobs];

        if (check_job(request->lab, job->job, err) < 0 ||
            set_runtime(s, request, run, job, err) < 0 ||
            set_key(s, request, job, err) < 0)
            return -1;
    }
    return 0;
}

static int fill(struct store *s, const struct plan_request *request,
                struct repx_err *err)
{
    const struct lab *lab = request->lab;
    struct job_set wanted = {0}, order = {0};
    size_t *first_runs = NULL;
    int rc = choose_jobs(request, &wanted, err);

    for (size_t i = 0; rc == 0 && i < wanted.count; i++)
        job_set_add(&order, wanted.jobs[i]);
    if (rc == 0) {
        closure(lab, &order);
        first_runs = order_first_runs(lab);
        rc = order_jobs(lab, first_runs, &order, err);
    }
    if (rc == 0) {
        fill_graph(s, lab, &order, &wanted);
        rc = fill_jobs(s, request, first_runs, err);
    }
    job_set_free(&wanted);
    job_set_free(&order);
    free(first_runs);
    return rc;
}

struct plan *plan_create(const struct plan_request *request, struct repx_err *err)
{
    struct store *s = REPX_NEW(struct store);

    s->scheduler = repx_strdup(request->scheduler);
    s->images = repx_array(request->lab->run_count, sizeof(*s->images));
    s->image_count = request->lab->run_count;
    s->plan.lab = request->lab;
    s->plan.target = request->target;
    s->plan.artifact_store = request->artifact_store ? request->artifact_store
                                                     : request->target->artifact_store;
    s->plan.scheduler = s->scheduler;
    s->plan.resources = request->resources;
    if (fill(s, request, err) == 0)
        return &s->plan;
    plan_destroy(&s->plan);
    return NULL;
}

void plan_destroy(struct plan *plan)
{
    struct store *s = (struct store *)plan;

    if (!s)
        return;
    for (size_t i = 0; i < s->image_count; i++)
        free(s->images[i].tag);
    free(s->images);
    free(s->deps);
    free(s->scheduler);
    free(plan->jobs);
    free(s);
}
