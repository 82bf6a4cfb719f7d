/* SPDX-License-Identifier: MIT */
/* store.h: how content gets to its names on the target, without the wire.
 *
 *     place    checks a tree, takes what is here already (by link or copy), asks for the rest
 *     lacking  says what is asked for, each object once
 *     put      takes packs of objects; the last object of a tree makes it appear
 *     verify   fails unless every tree stands
 *
 * A tree is built in a staging directory on the file system of its destination and renamed
 * when it is whole. A store that is closed early leaves what arrived in its staging
 * directory, where the next store finds it, parts of large objects too. docs/store.md has
 * the rules. */
#ifndef REPX_AGENT_STORE_H
#define REPX_AGENT_STORE_H

#include <stddef.h>
#include <stdint.h>

#include <repx/sync.h>

#include <kit/buf.h>

#include "core/agent/agent.h"
#include "core/agent/store_tree.h"

struct store;
struct store_put;

/* Where content of that digest and mode lies, below B, that another took the name of
 * (store_kept.c). Caller frees. */
char *store_kept_path(const struct digest *digest, uint8_t executable);

/* Borrows the site. */
struct store *store_open(struct site *site, struct repx_err *err);
void store_close(struct store *s); /* NULL is fine */

/* From now on no witness counts: what is there is read. */
void store_read_all(struct store *s);

/* Takes the tree over, also when it fails. *lacks (may be NULL): objects it waits for. */
int store_place(struct store *s, struct store_tree *tree, uint64_t *lacks,
                struct repx_err *err);
int store_lacking(struct store *s,
                  void (*want)(void *ctx, const uint8_t *digest, uint32_t executable,
                               uint64_t length),
                  void *ctx, struct repx_err *err);

/* What lies here of an object that is lacking: the bytes, and the digests of its pieces of
 * PACK_CHUNK bytes (store_part.h). */
uint64_t store_partial(struct store *s, const uint8_t digest[REPX_DIGEST_LEN],
                       uint32_t executable, struct repx_buf *digests);

/* One pack; several may be under way. */
struct store_put *store_put_begin(struct store *s);
/* An object with a wrong digest is counted and stays missing, instead of ending the pack. */
void store_put_again(struct store_put *p);
uint64_t store_put_wrong(const struct store_put *p);
int store_put_bytes(struct store_put *p, const void *bytes, size_t n,
                    struct repx_err *err);
int store_put_end(struct store_put *p, struct repx_err *err);
void store_put_free(struct store_put *p); /* a half object is removed; NULL is fine */

int store_verify(struct store *s, struct repx_err *err);

/* Does that tree stand at that name, as far as records of known sets tell? 1: it is noted as
 * if it had been placed. */
int store_stands(struct store *s, const char *name, const struct digest *digest);
/* 1 or 0; never fails. */
int store_known(struct store *s, const uint8_t digest[REPX_DIGEST_LEN]);
/* Did store_known say 1 of it? */
int store_was_known(const struct store *s, const uint8_t digest[REPX_DIGEST_LEN]);
/* How many sets something is known of. */
size_t store_known_sets(struct store *s);
int store_remember(struct store *s, const uint8_t digest[REPX_DIGEST_LEN],
                   struct repx_err *err);
/* Is there a file with that content, executable or not? */
int store_have(struct store *s, const uint8_t digest[REPX_DIGEST_LEN]);
int store_room(struct store *s, uint64_t *bytes, uint64_t *inodes,
               struct repx_err *err);

#endif
