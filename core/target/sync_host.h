/* SPDX-License-Identifier: MIT */
/* sync_host.h: the services of repx/sync.h over an agent session.
 *
 * Calls of `place` are sent without waiting; their answers are collected by lacking and
 * verify. All puts of a transfer go through one upload, opened by the first and ended by
 * verify. */
#ifndef REPX_TARGET_SYNC_HOST_H
#define REPX_TARGET_SYNC_HOST_H

#include <repx/sync.h>

#include "core/target/session.h"
#include "core/target/target.h"

struct sync_host;

/* Borrows all. */
struct sync_host *sync_host_create(struct target *target, const struct repx_host *host,
                                   const struct sync_source *source);
#define SYNC_NEAR 1 /* the target is this machine */
#define SYNC_READ_ALL \
    2 /* nothing is known: the target reads all bytes (run --verify) */
void sync_host_flags(struct sync_host *h, unsigned flags);
/* Cancels what was begun and not verified. NULL is fine. */
void sync_host_destroy(struct sync_host *h);
const struct repx_sync_host *sync_host_services(struct sync_host *h);
void sync_host_sent(const struct sync_host *h, struct sync_sent *sent);

#endif
