/* SPDX-License-Identifier: MIT */
/* toml_depth.h: how deeply a TOML text nests, found out before it is parsed: the parser
 * builds and frees its tables by recursion, and dotted keys have no limit there. */
#ifndef REPX_CONFIG_TOML_DEPTH_H
#define REPX_CONFIG_TOML_DEPTH_H

#include <stddef.h>

/* The first line on which a key has more than max dots or brackets are open more than
 * max deep; 0 when there is none. Not a check of the syntax. */
size_t toml_too_deep(const char *text, size_t n, size_t max);

#endif
