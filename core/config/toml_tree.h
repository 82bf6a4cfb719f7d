/* SPDX-License-Identifier: MIT */
/* toml_tree.h: TOML documents as trees that remember where each value was written, and
 * that merge. */
#ifndef REPX_CONFIG_TOML_TREE_H
#define REPX_CONFIG_TOML_TREE_H

#include <stddef.h>

#include <kit/buf.h>
#include <kit/err.h>

#include "toml.h"

#define TOML_DEPTH 32           /* of nesting, and of one dotted key */
#define TOML_FILE_MAX (1 << 20) /* bytes */

struct toml {
    int type;  /* TOML_*, never TOML_END */
    char *key; /* NULL for the root and for elements */
    char *text;
    const char *file; /* borrowed: see toml_parse */
    size_t line;
    struct toml *parent;
    struct toml **items; /* of tables and arrays */
    size_t count;
};

/* A document. `file` is for messages and must live as long as the tree. NULL and
 * "FILE:LINE: why" when it is no TOML, is nested too deeply or holds a zero byte. */
struct toml *toml_parse(const char *file, const char *text, size_t n,
                        struct repx_err *err);
/* The same from a file. Code REPX_E_NOENT when there is none. */
struct toml *toml_read(const char *file, struct repx_err *err);
/* Put all of `from` into `into`: tables key by key, everything else replaces what was
 * there. Takes `from`. */
void toml_merge(struct toml *into, struct toml *from);
void toml_free(struct toml *t); /* NULL is fine */

/* The member of a table, or NULL. */
const struct toml *toml_get(const struct toml *table, const char *key);
/* "a text", "an integer", ... */
const char *toml_type_name(int type);
/* "FILE:LINE: PATH: " and the rest, code REPX_E_USAGE. */
int toml_fail(const struct toml *t, struct repx_err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
