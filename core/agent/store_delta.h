/* SPDX-License-Identifier: MIT */
/* store_delta.h: large files from those that they changed from.
 *
 * What an object may be much like is found by its name: the file that stands where it belongs,
 * or the one at that path below a name with the same role (what follows the first '-', as in
 * HASH-layer.tar) that nothing of this session stands at. The new file is made in the staging
 * directory by a process of its own, and taken from there when its digest is right. */
#ifndef REPX_AGENT_STORE_DELTA_H
#define REPX_AGENT_STORE_DELTA_H

#include "core/agent/store.h"
#include "core/wire/digest.h"

/* Is there something that the missing object could be made from? */
int store_near(struct store *s, const struct digest *d, uint8_t executable);

/* What store_near found, open for reading; -1 when there is none. *length (may be NULL). */
int store_basis(struct store *s, const struct digest *d, uint8_t executable,
                uint64_t *length);

struct store_patch;

/* Nobody else may bring the object until the patch is freed. Fails when it is not missing or
 * nothing is near. */
struct store_patch *store_patch_begin(struct store *s, const struct digest *d,
                                      uint8_t executable, struct repx_err *err);
int store_patch_bytes(struct store_patch *p, const void *bytes, size_t n,
                      struct repx_err *err);
/* Make the file; in a process of its own or not. */
int store_patch_make(struct store_patch *p, struct repx_err *err);
/* Take the file where it is wanted, if it was made, and forget the rest. NULL is fine. */
void store_patch_free(struct store_patch *p);

#endif
