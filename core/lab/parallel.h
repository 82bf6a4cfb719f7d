/* SPDX-License-Identifier: MIT */
/* parallel.h: the same work for many things, by two threads. */
#ifndef REPX_LAB_PARALLEL_H
#define REPX_LAB_PARALLEL_H

#include <stddef.h>

#include <kit/err.h>

#define LAB_WORKERS 2

/* Calls one(ctx, i, worker) for each i < count, worker being 0..LAB_WORKERS-1; each worker
 * is one thread. Stops at a failure and returns that of the smallest i, so that the
 * message does not depend on timing. */
int lab_parallel(size_t count,
                 int (*one)(void *ctx, size_t i, unsigned worker, struct repx_err *err),
                 void *ctx, struct repx_err *err);

#endif
