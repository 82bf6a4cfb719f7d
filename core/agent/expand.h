/* SPDX-License-Identifier: MIT */
/* expand.h: paths as people configure them. */
#ifndef REPX_AGENT_EXPAND_H
#define REPX_AGENT_EXPAND_H

#include <kit/err.h>

/* "~" and "~/x" at the front, $NAME and ${NAME} anywhere, NAME of [A-Z_][A-Z0-9_]*, looked
 * up in the environment and never evaluated; any other "$" is itself. The result is
 * absolute, without doubled or trailing slashes. NULL and *err otherwise; caller frees. */
char *path_expand(const char *text, struct repx_err *err);

#endif
