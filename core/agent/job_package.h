/* SPDX-License-Identifier: MIT */
#ifndef REPX_AGENT_JOB_PACKAGE_H
#define REPX_AGENT_JOB_PACKAGE_H

#include <kit/err.h>

#include "core/agent/agent.h"

/* Held by whoever replaces the package that has a job's name (store_package.c). */
#define PACKAGES_LEASE "packages"

/* Path of the package with that digest (64 hex digits), wherever it lies, of a job that
 * S/live names: from now on it stays there. Caller frees. NULL when it is gone. */
char *job_package(struct site *site, const char *job, const char *hex,
                  struct repx_err *err);

#endif
