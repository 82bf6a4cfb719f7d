/* SPDX-License-Identifier: MIT */
/* jobid.h: names of jobs.
 *
 * A job id is 32 characters, "-", the stage's name, "-", its version. The characters are
 * the first 160 bits of a SHA-256, in the base 32 and the order that Nix uses. It is taken
 * over "repx-job-1\n" and these lines, sorted as bytes, each with a newline at its end:
 *
 *     stage NAME VERSION simple|scatter-gather
 *     image HEX                            of a run with an image
 *     exe NAME HEX                         digest of the script
 *     file -|x HEX PATH                    extra files; x: executable
 *     param NAME JSON
 *     input NAME job ID OUTPUT             a producer; reductions have one for each
 *     input NAME run RUN
 *     input NAME base
 *     step STEP after STEP
 *     step STEP input NAME step STEP OUTPUT
 *     step STEP input NAME item|job
 *
 * So order in the definition, comments, resources and declared outputs do not enter. */
#ifndef REPX_LABPACK_JOBID_H
#define REPX_LABPACK_JOBID_H

#include <kit/buf.h>

#include "expand.h"
#include "source.h"

#define BASE32_ID 32

/* 32 characters and a NUL. */
void base32_id(const struct digest *d, char to[BASE32_ID + 1]);
/* Fill job->id of every job; image is the digest of the run's image in hex, or NULL. */
int job_ids(struct expansion *x, struct sources *sources, const char *image,
            struct repx_err *err);
/* Name of member i of an input: NAME, or NAME__i with zeros in front for a reduction. */
const char *job_input_name(struct pool *pool, const struct def_input *in,
                           const struct job_group *g, size_t i);

#endif
