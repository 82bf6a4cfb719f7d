/* SPDX-License-Identifier: MIT */
/* sets.h: which sets of trees the target knows, across the sync plugins of one run.
 *
 * A plugin asks for one set when its turn comes, which is a round trip each time. Who expects
 * what will be asked (core/pipeline/expect.h) asks all at once and ahead; a plugin that then
 * asks the same takes the answer that is on its way. And since nothing is asked of a set
 * that was just sent, nobody has to wait until it is remembered: whoever goes on settles
 * that later. */
#ifndef REPX_TARGET_SETS_H
#define REPX_TARGET_SETS_H

#include "core/target/session.h"
#include "core/wire/digest.h"

struct sets;

struct sets *sets_create(struct session *session, const struct repx_host *clock);
void sets_destroy(struct sets *s); /* NULL is fine; before the session's end */

/* Ask for these now, and let remembering wait for sets_settle from now on. */
void sets_expect(struct sets *s, const struct digest *digests, size_t count);

/* Does the target know the set? 1, 0, -1. *any: it knows something of some set. *trip_ms: what
 * a question takes. */
int sets_ask(struct sets *s, const uint8_t digest[REPX_DIGEST_LEN], int *any,
             int64_t *trip_ms, struct repx_err *err);
int sets_remember(struct sets *s, const uint8_t digest[REPX_DIGEST_LEN],
                  struct repx_err *err);
/* Was all remembered? The first error counts. */
int sets_settle(struct sets *s, struct repx_err *err);

/* The sets that plugins asked for and that the target knows now, in that order. */
const struct digest *sets_known(const struct sets *s, size_t *count);

#endif
