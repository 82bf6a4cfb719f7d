/* SPDX-License-Identifier: MIT */
/* results.h: what a job left in its output directory, as a list with digests. The same text
 * is the manifest beside an attempt (docs/state-format.md 7) and the client's memory of what
 * it pulled:
 *
 *     repx-results 1
 *     f <sha256> <bytes> <path> [witness]      x: executable
 *     l <target> <path>                        a symbolic link
 *     d <path>                                 a directory that holds nothing
 *     end <number of entries>
 *
 * sorted by path. Blanks, control characters, '%' and bytes above 126 of paths and targets
 * are written as %XX. A text without its last line is cut off and is no list. */
#ifndef REPX_WIRE_RESULTS_H
#define REPX_WIRE_RESULTS_H

#include <kit/buf.h>
#include <kit/err.h>

#include "core/wire/digest.h"

struct result {
    char *path;    /* passes repx_path_is_inside */
    char *link;    /* target, or NULL */
    char *witness; /* how the one who wrote the list knows the file again, or NULL */
    uint64_t length;
    struct digest digest;
    uint32_t kind; /* REPX_ENTRY_* */
    int executable;
    int hashed; /* digest is known */
};

struct results {
    struct result *items;
    size_t count, cap;
};

/* A fresh item; takes path over. */
struct result *results_add(struct results *r, char *path, uint32_t kind);
void results_sort(struct results *r);
/* In a sorted list; NULL when it is not there. */
struct result *results_find(const struct results *r, const char *path);
void results_free(struct results *r); /* and may be used again */

/* Files without a digest are left out. */
void results_write(const struct results *r, struct repx_buf *to);
/* Adds to *r; everything is checked, order included. */
int results_read(struct results *r, const char *text, size_t n, struct repx_err *err);

#endif
