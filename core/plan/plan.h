/* SPDX-License-Identifier: MIT */
/* plan.h: what a run means, as a pure function: Lab x specs x target x resources. No I/O.
 *
 * Jobs are in topological order: a producer comes before its consumers; ties by the
 * alphabetical index of the job's first run and then by id, so that the same input
 * always gives the same plan. The plan borrows from the Lab, the target and the
 * resources. */
#ifndef REPX_PLAN_H
#define REPX_PLAN_H

#include <stddef.h>

#include <kit/buf.h>

#include "core/config/config.h"
#include "core/lab/lab.h"

/* ---- choosing jobs (resolve.c) ---- */

/* A set of jobs as indices into lab->jobs, ascending. */
struct job_set {
    size_t *jobs;
    size_t count;
};
void job_set_free(struct job_set *set);
/* One more at the end: for building a set in ascending order. */
void job_set_add(struct job_set *set, size_t job);

/* One SPEC of `run`: "@group", an exact run name (its final jobs), or a job id prefix.
 * Adds to the set. Codes: REPX_E_NOENT (no match) and REPX_E_USAGE (empty group, ambiguous). */
int resolve_spec(const struct lab *lab, const char *spec, struct job_set *set,
                 struct repx_err *err);
/* For show, log, list deps, trace-params: exact run name with one final job, else prefix. */
int resolve_one(const struct lab *lab, const char *spec, size_t *job,
                struct repx_err *err);
/* Jobs of a run that no other job of the same run depends on; adds to the set. */
void final_jobs(const struct lab *lab, const struct lab_run *run, struct job_set *set);
/* The set and all that it depends on. */
void closure(const struct lab *lab, struct job_set *set);
/* The run whose image a job uses: the first by name that lists the job. */
const struct lab_run *job_run(const struct lab *lab, size_t job);

/* ---- resources of one job (resolve_resources.c) ---- */

/* What `phase` of the job gets on that target: "main", "scatter", "gather" or a step's
 * name "step-X". Layer over layer, each overriding what it sets: defaults, the job's
 * hints, every matching rule in file order; for scatter, gather and steps the hints of
 * that executable; for steps the worker_resources of the last matching rule, if that one
 * has any. `native` stays empty: it is chosen by scheduler, see resolve_native. */
struct resource_rule resolve_resources(const struct resources *resources,
                                       const struct lab_job *job, const char *phase,
                                       const char *target);
/* The options for that scheduler from native.NAME, of the last layer that has any; or
 * NULL. sbatch_opts are not among them. */
const struct config_value *resolve_native(const struct resources *resources,
                                          const struct lab_job *job, const char *phase,
                                          const char *target, const char *scheduler);

/* ---- the plan ---- */

struct plan_job {
    const struct lab_job *job;
    const struct lab_run *run;
    struct digest key;     /* work key */
    struct digest package; /* tree digest of jobs/<id> */
    const size_t *deps;    /* indices into plan->jobs, ascending */
    size_t dep_count;
    const char *runtime;    /* "native", "bwrap", "podman", "docker" */
    const char *image;      /* tag; NULL also when the runtime is native */
    const char *image_path; /* inside the Lab; NULL with image */
    int wanted;             /* 1: named by the user, 0: only needed */
};

struct plan {
    const struct lab *lab;
    const struct config_target *target;
    const char *scheduler;
    const char *artifact_store; /* "shared" or "node-local" */
    const struct resources *resources;
    struct plan_job *jobs;
    size_t count;
};

struct plan_request {
    const struct lab *lab;
    const struct config_target *target;
    const char *scheduler;             /* name: which table of the target counts */
    const char *artifact_store;        /* NULL: as the target says */
    const struct resources *resources; /* may be NULL */
    const char *const *specs;
    size_t spec_count;
    /* Digests come from outside, so that the plan stays pure. Index into lab->jobs. */
    int (*package_digest)(void *ctx, size_t job, struct digest *out,
                          struct repx_err *err);
    /* Digest of an image's manifest and config; only called for images in use. */
    int (*image_digest)(void *ctx, const char *image_path, struct digest *out,
                        struct repx_err *err);
    void *ctx;
};

struct plan *plan_create(const struct plan_request *request, struct repx_err *err);
void plan_destroy(struct plan *plan);

/* The plan line of job i as docs/state-format.md has it, with its newline. */
void plan_line(const struct plan *plan, size_t i, struct repx_buf *to);

#endif
