/* SPDX-License-Identifier: MIT */
/* tools.h: host-tools/, static programs that jobs find on the target. */
#ifndef REPX_LABPACK_TOOLS_H
#define REPX_LABPACK_TOOLS_H

#include "def.h"
#include "tree.h"

/* Make host-tools/<digest>/bin/ with a link for each of the definition's tools into
 * store/; it may stay empty. `dir` is where relative paths begin. A program that needs a
 * dynamic linker is refused: the target may not have the libraries. */
int tools_add(struct tree *t, const struct def *d, const char *dir,
              struct repx_err *err);

#endif
