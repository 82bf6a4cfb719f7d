/* SPDX-License-Identifier: MIT */
/* order.h: jobs so that producers come before consumers. */
#ifndef REPX_PLAN_ORDER_H
#define REPX_PLAN_ORDER_H

#include <kit/err.h>

#include "plan.h"

#define ORDER_NONE ((size_t)-1)

/* For every job of the Lab the index of the first run that lists it, else ORDER_NONE.
 * The caller frees the array. */
size_t *order_first_runs(const struct lab *lab);

/* Put a closed set of jobs into topological order; of jobs that are free to go at the
 * same time, the one with the smaller (first run, index) comes first. -1: a cycle. */
int order_jobs(const struct lab *lab, const size_t *first_runs, struct job_set *set,
               struct repx_err *err);

#endif
