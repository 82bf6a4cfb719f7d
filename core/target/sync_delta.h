/* SPDX-License-Identifier: MIT */
/* sync_delta.h: the services `signature` and `patch` over an agent session.
 *
 * A patch that fails is none of the caller's business: its object stays missing, which the
 * next `lacking` tells. */
#ifndef REPX_TARGET_SYNC_DELTA_H
#define REPX_TARGET_SYNC_DELTA_H

#include <repx/sync.h>

#include "core/target/session.h"

struct sync_delta;

struct sync_delta *sync_delta_create(struct session *session);
void sync_delta_destroy(
    struct sync_delta *d); /* cancels what is under way; NULL is fine */

/* The target has something near this object. */
void sync_delta_near(struct sync_delta *d, const uint8_t *digest, uint32_t executable);

/* The signature of what is near the object: calls part once with all of it, or not at all.
 * Those of the next objects in the order of sync_delta_near are asked for meanwhile, so that
 * only the first costs a round trip. */
int sync_delta_signature(struct sync_delta *d, const struct repx_entry *object,
                         void (*part)(void *ctx, const void *bytes, uint64_t n),
                         void *ctx, struct repx_err *err);
/* A part of the delta of an object; the last one ends it. */
int sync_delta_patch(struct sync_delta *d, const struct repx_entry *object,
                     const void *bytes, uint64_t n, uint32_t last,
                     struct repx_err *err);
/* Wait for all answers. */
int sync_delta_collect(struct sync_delta *d, struct repx_err *err);

#endif
