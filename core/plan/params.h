/* SPDX-License-Identifier: MIT */
#ifndef REPX_PLAN_PARAMS_H
#define REPX_PLAN_PARAMS_H

#include <kit/buf.h>

#include "core/lab/lab.h"

/* The effective parameters of a job as a JSON object: those of all its producers in order
 * of id, its own above them. */
int params_effective(struct repx_buf *to, const struct lab *lab, size_t job,
                     struct repx_err *err);

#endif
