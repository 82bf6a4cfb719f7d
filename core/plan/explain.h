/* SPDX-License-Identifier: MIT */
/* explain.h: which layer gave a job each of its resources. Pure. */
#ifndef REPX_PLAN_EXPLAIN_H
#define REPX_PLAN_EXPLAIN_H

#include "core/plan/plan.h"

/* Where each field of resolve_resources comes from: "FILE:LINE" of a rule or of the
 * defaults, "hints of the job", "hints of its scatter", ...; NULL: nobody set it. */
struct resource_origin {
    const char *cpus, *mem, *time, *partition, *sbatch_opts, *native;
};
struct resource_origin resolve_origin(const struct resources *resources,
                                      const struct lab_job *job, const char *phase,
                                      const char *target, const char *scheduler);

#endif
