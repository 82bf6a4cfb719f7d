/* SPDX-License-Identifier: MIT */
/* archive.h: reading tar archives. The only module that sees libarchive. */
#ifndef REPX_ARCHIVE_ARCHIVE_H
#define REPX_ARCHIVE_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

#include <kit/buf.h>
#include <kit/err.h>

#include "core/wire/digest.h"

/* Bytes in order: of an archive, or of one of its members. */
struct archive_data {
    void *ctx;
    /* Up to len bytes; 0 at the end, -1. */
    int64_t (*read)(void *ctx, void *to, size_t len, struct repx_err *err);
    /* Leave out n bytes; how many were left out. May be NULL. */
    int64_t (*skip)(void *ctx, int64_t n);
};

struct archive_member {
    const char *name; /* without "./" in front; not safe to use as a path */
    const char
        *link; /* target when it is a link, as seen from the archive's top, or NULL */
    int is_file;
};

/* Called for a member: may read its bytes with one of the calls below; returns 0 to go on,
 * 1 to stop, -1 with *err. */
typedef int archive_visit(void *ctx, const struct archive_data *data,
                          const struct archive_member *member, struct repx_err *err);

/* Every member of a tar, plain or compressed. */
int archive_each(const char *path, archive_visit *each, void *ctx,
                 struct repx_err *err);
int archive_each_in(const struct archive_data *from, archive_visit *each, void *ctx,
                    struct repx_err *err);
/* All of it, at most max bytes. */
int archive_slurp(const struct archive_data *data, size_t max, struct repx_buf *to,
                  struct repx_err *err);
/* Into fd, uncompressed if it is compressed; *digest and *length are of what was written:
 * no more than max bytes. */
int archive_save(const struct archive_data *data, int fd, uint64_t max,
                 struct digest *digest, uint64_t *length, struct repx_err *err);

/* The target of a link at `name`: "a/b" and "../c/d" give "c/d"; NULL when it climbs out.
 * Caller frees. */
char *archive_resolve(const char *name, const char *target);

#endif
