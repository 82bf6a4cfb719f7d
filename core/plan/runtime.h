/* SPDX-License-Identifier: MIT */
/* runtime.h: in what a job runs. */
#ifndef REPX_PLAN_RUNTIME_H
#define REPX_PLAN_RUNTIME_H

#include <kit/err.h>

#include "core/config/config.h"

/* The runtime of jobs on that target under that scheduler: without an image, or without
 * a table for the scheduler, "native"; else the target's default_execution_type when the
 * table lists it, else the first that the table lists, else "native". */
const char *runtime_choose(const struct config_target *target, const char *scheduler,
                           const char *image_path);

/* The image's tag: its file name without the last extension. The caller frees it. NULL
 * when it is not [A-Za-z0-9._:-]+. */
char *runtime_tag(const char *image_path, struct repx_err *err);

#endif
