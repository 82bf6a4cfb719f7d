/* SPDX-License-Identifier: MIT */
/* delta_own.h: what the files of this folder share. */
#ifndef REPX_DELTA_OWN_H
#define REPX_DELTA_OWN_H

#include <stdio.h> /* librsync.h wants it */

#include <librsync.h>

#include "core/delta/delta.h"

#define DELTA_STEP ((size_t)256 * 1024) /* read and written at a time */
#define DELTA_BLOCK_MIN 512u
#define DELTA_BLOCK_MAX (4u << 20)
#define DELTA_HEAD \
    12 /* of a signature: magic, block length, length of the strong sums */

/* Fill `to`; the bytes read, 0 at the end, -1. */
typedef int64_t delta_fill(void *ctx, void *to, size_t len, struct repx_err *err);

/* Run a job to its end (and not free it): bytes from `fill` in, what it makes to `to`. */
int delta_run(rs_job_t *job, delta_fill *fill, void *fill_ctx, delta_sink *to,
              void *ctx, struct repx_err *err);

/* A fill that reads a descriptor. */
int64_t delta_fill_fd(void *fd, void *to, size_t len, struct repx_err *err);

/* The length of a signature's blocks, or 0 when it is none that delta_signature makes of a
 * file of any size, or one made to be slow. */
size_t delta_check(const void *signature, size_t n);

#endif
