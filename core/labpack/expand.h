/* SPDX-License-Identifier: MIT */
/* expand.h: which jobs does a run have?
 *
 * A stage has one job for each combination of its parameters' values and of the jobs it
 * reads from. The values that tell the jobs of a stage apart are their coordinates: the
 * stage's own parameters and the coordinates of its producers. Jobs that are joined agree
 * in every coordinate they share. A reduction reads a whole group of jobs, and what it
 * reduces over is no coordinate any more. */
#ifndef REPX_LABPACK_EXPAND_H
#define REPX_LABPACK_EXPAND_H

#include "def.h"

struct job;

/* The producers of one input: one job, or a group in the order of their coordinates. */
struct job_group {
    const struct job **members;
    size_t count;
};

struct job {
    const struct def_stage *stage;
    const char **values;             /* coordinates, as in stage_jobs.names */
    const struct job_group **inputs; /* one for each input of the stage, NULL when it
                                        does not come from a stage */
    const char *id;                  /* filled by job_ids */
};

struct stage_jobs {
    const struct def_stage *stage;
    struct def_names names; /* coordinates, sorted */
    struct job *jobs;       /* sorted by coordinates: numbers as numbers */
    size_t count;
};

struct expansion {
    struct pool pool;
    const struct def_run *run;
    struct stage_jobs *stages; /* producers before consumers */
    size_t count;
};

/* Fails with REPX_E_USAGE when values do not fit together; then nothing is left. */
int expand_run(struct expansion *x, const struct def *d, const struct def_run *run,
               struct repx_err *err);
void expand_free(struct expansion *x);

/* The job's value of that coordinate, or NULL. */
const char *expand_value(const struct stage_jobs *s, const struct job *j,
                         const char *name);

#endif
