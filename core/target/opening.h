/* SPDX-License-Identifier: MIT */
/* opening.h: log in to a target while something else is being got ready. */
#ifndef REPX_TARGET_OPENING_H
#define REPX_TARGET_OPENING_H

#include "core/target/target.h"

struct opening;

/* Begins target_open in a thread. It logs in, but not a byte is given to the target's
 * shell before opening_end says so. NULL: there is no thread; open it later. What the
 * request points to has to stay. */
struct opening *opening_begin(const struct target_request *request);
/* Go on to its end, and release it: what target_open returns. */
struct target *opening_end(struct opening *o, struct repx_err *err);
/* Give it up: what was begun must have been cancelled (ui.h) if it is not to be waited
 * for. NULL is fine. */
void opening_stop(struct opening *o);

#endif
