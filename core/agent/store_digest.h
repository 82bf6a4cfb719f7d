/* SPDX-License-Identifier: MIT */
#ifndef REPX_AGENT_STORE_DIGEST_H
#define REPX_AGENT_STORE_DIGEST_H

#include "core/wire/digest.h"

/* The tree digest (core/wire/digest.h) of the directory `name` below dir: every byte is read.
 * 1, or 0 when something in it cannot be read or is neither file, link nor directory. */
int store_digest(int dir, const char *name, struct digest *out);

#endif
