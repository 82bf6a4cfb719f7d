/* SPDX-License-Identifier: MIT */
/* input.h: what an input of a job stands for. */
#ifndef REPX_PLAN_INPUT_H
#define REPX_PLAN_INPUT_H

#include <kit/err.h>

#include "core/lab/lab.h"

#define INPUT_JOB 1      /* an output of another job: `job`, `template` */
#define INPUT_SCATTER 2  /* of the scatter of this job: `job`, `template` */
#define INPUT_BASE 3     /* the base path */
#define INPUT_REVISION 4 /* artifacts/revision/<file> below it */

struct plan_input {
    int kind;
    const char *job, *template;
    const char *file;
};

/* 1: *input is what the mapping of that executable (main, scatter or gather) stands for;
 * 0: it is left out of inputs.json; -1: it names something that is not there. */
int input_resolve(const struct lab *lab, const struct lab_job *job,
                  const struct lab_mapping *mapping, struct plan_input *input,
                  struct repx_err *err);

/* The mappings of an executable sorted by target_input, of those with one name the last.
 * The caller frees the array. */
const struct lab_mapping **input_sorted(const struct lab_exe *exe, size_t *count);

/* The same for all that belongs into inputs.json of a job: what its entry executable
 * takes, and what its steps take from other jobs while the scatter does not. */
const struct lab_mapping **input_of_job(const struct lab_job *job, size_t *count);

/* Can what the steps take from other jobs be told apart by name, and is it there? */
int input_check_steps(const struct lab *lab, const struct lab_job *job,
                      struct repx_err *err);

/* `main`, or `scatter` of a scatter-gather job; NULL when it is missing. */
const struct lab_exe *input_entry(const struct lab_job *job);

#endif
