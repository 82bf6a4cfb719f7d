/* SPDX-License-Identifier: MIT */
/* mirror.h: what sync plugins that copy files as they are have in common: the plugin says
 * which entry of the source goes where, the rest is done with the services of repx/sync.h:
 * is the set known? else place, ask, send, verify, remember. */
#ifndef REPX_KIT_MIRROR_H
#define REPX_KIT_MIRROR_H

#include <repx/sync.h>

struct repx_mirror;

struct repx_mirror *repx_mirror_create(const struct repx_sync_host *sync);
void repx_mirror_destroy(struct repx_mirror *m); /* NULL is fine */

/* Entry `index` of the source belongs at `path` of the tree `name`; path "" makes the name
 * that file or link itself. Trees of a lower round stand before those of a higher one are
 * begun. Copies what it needs. */
void repx_mirror_add(struct repx_mirror *m, unsigned round, const char *name,
                     const char *path, const struct repx_entry *entry, uint64_t index);
/* A link that the source does not hold. */
void repx_mirror_link(struct repx_mirror *m, unsigned round, const char *from,
                      const char *to);

/* Something that may send some of these source entries, which the target lacks, in another
 * way than put (as deltas, say) before they are put; returns how many it tried, or -1. Entries
 * shorter than `smallest` are not offered to it. */
void repx_mirror_try(struct repx_mirror *m,
                     int64_t (*attempt)(const struct repx_sync_host *sync,
                                        const uint64_t *entries, uint64_t count,
                                        struct repx_err *err),
                     uint64_t smallest);

/* Bring the target there. Nothing added: nothing to do. */
int repx_mirror_run(struct repx_mirror *m, struct repx_err *err);

#endif
