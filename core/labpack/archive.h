/* SPDX-License-Identifier: MIT */
/* archive.h: reading tar archives. The only module that sees libarchive. */
#ifndef REPX_LABPACK_ARCHIVE_H
#define REPX_LABPACK_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

#include <kit/buf.h>
#include <kit/err.h>

#include "core/wire/digest.h"

struct archive;

struct archive_member {
    const char *name; /* without "./" in front; not safe to use as a path */
    const char
        *link; /* target when it is a link, as seen from the archive's top, or NULL */
    int is_file;
};

/* Call `each` for every member of the tar at `path` (plain or compressed). It may read the
 * member's bytes with one of the calls below; returns 0 to go on, 1 to stop, -1 with *err. */
int archive_each(const char *path,
                 int (*each)(void *ctx, struct archive *a,
                             const struct archive_member *member, struct repx_err *err),
                 void *ctx, struct repx_err *err);
/* All of it, at most max bytes. */
int archive_slurp(struct archive *a, size_t max, struct repx_buf *to,
                  struct repx_err *err);
/* Into fd, uncompressed if it is compressed; *digest is of what was written. */
int archive_save(struct archive *a, int fd, struct digest *digest,
                 struct repx_err *err);

#endif
