/* SPDX-License-Identifier: MIT */
/* store_part.h: what arrived of large objects that are not whole.
 *
 * Such an object grows in a file of its own in the staging directory, named by digest and
 * mode, and is renamed to its place when its digest is right. A session that ends leaves
 * its parts in STAGES/.parts, where the next one takes them by rename. Nothing in a part is
 * believed: its digests are told to the client, which sends what differs. */
#ifndef REPX_AGENT_STORE_PART_H
#define REPX_AGENT_STORE_PART_H

#include <kit/buf.h>

#include "store_own.h"

#define PART_LEAST (UINT64_C(256) << 10) /* shorter objects come whole or not at all */
#define PART_STALE_S ((time_t)7 * 86400) /* nobody came for it that long */

/* Does the object grow as a part? */
int store_part_is(const struct object *o);
/* Dead sessions' parts in this directory (a name in the staging directory) join the others. */
void store_part_rescue(struct store *s, const char *dead);
/* Take over the part of an object if there is one. */
void store_part_claim(struct store *s, const struct object *o);
/* How many bytes of the object lie here, and the digests of its pieces of PACK_CHUNK bytes;
 * the last may be shorter. 0 when there is no part. */
uint64_t store_part_tell(struct store *s, const struct object *o,
                         struct repx_buf *digests);
/* Open it for writing; `anew` drops what is there. */
int store_part_open(struct store *s, const struct object *o, int anew,
                    struct repx_err *err);
/* It is whole and right: move it to where it is wanted. */
int store_part_finish(struct store *s, const struct object *o, struct repx_err *err);
/* The session ends: its parts go to the others; stale ones are removed. */
void store_part_leave(struct store *s);

#endif
