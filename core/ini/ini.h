/* SPDX-License-Identifier: MIT */
/* ini.h: INI files (plugin manifests, Lab definitions). The only module that sees inih. */
#ifndef REPX_INI_H
#define REPX_INI_H

#include <stddef.h>

#include <kit/err.h>

/* Longest line that inih reads whole; a longer one is refused, never cut. */
#define INI_LINE 198

/* Call `each` for every "name = value" of the text in order; section is "" before the first
 * one. A value that goes on in indented lines arrives as several calls with the same name.
 * `each` returns 0, or -1 with *err, which gets "FILE:LINE: " in front; `path` is that FILE. */
int ini_each_text(const char *path, const char *text, size_t n,
                  int (*each)(void *ctx, const char *section, const char *name,
                              const char *value, int line, struct repx_err *err),
                  void *ctx, struct repx_err *err);

#endif
