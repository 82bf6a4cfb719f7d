/* SPDX-License-Identifier: MIT */
/* jobs.h: what a target knows of jobs, and what lies in their directories there. */
#ifndef REPX_PIPELINE_JOBS_H
#define REPX_PIPELINE_JOBS_H

#include "core/lab/lab.h"
#include "core/plan/plan.h"
#include "core/target/target.h"
#include "core/wire/verbs.h"

struct job_status {
    int status;   /* JOB_* */
    int stale;    /* the result was made under another work key */
    int purged;   /* its outputs are no longer what its manifest says */
    int64_t made; /* when it succeeded, in ms; 0: not told */
    int has_output;
    char *reason; /* or NULL */
};

/* Nothing is to be run for it. */
int job_is_done(const struct job_status *status);
/* What people read: succeeded, failed, purged, ... */
const char *job_status_word(const struct job_status *status);

/* Every job of the Lab, in its order; scheduler may be NULL. NULL with *err on failure. */
struct job_status *jobs_status(struct target *target, const struct lab *lab,
                               const char *scheduler, struct repx_err *err);
void jobs_status_free(struct job_status *status, const struct lab *lab);

/* Every job of a plan, compared by work key. The question goes out with begin, so that it
 * travels with others; finish (always) takes the answer. */
struct status_call;
struct status_call *plan_status_begin(struct target *target, const struct plan *plan,
                                      const char *helper);
struct job_status *plan_status_finish(struct status_call *call, struct repx_err *err);
void plan_status_cancel(struct status_call *call); /* NULL is fine */
void job_status_release(struct job_status *status, size_t count);

/* One line of a listing of outputs/<path>. */
struct job_file {
    char *path; /* relative to what was listed */
    int kind;   /* REPX_ENTRY_* */
    uint64_t length;
};
struct job_files {
    struct job_file *items;
    size_t count;
};
int job_files_list(struct target *target, const char *path, struct job_files *files,
                   struct repx_err *err);
void job_files_free(struct job_files *files);

#endif
