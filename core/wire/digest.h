/* SPDX-License-Identifier: MIT */
/* digest.h: SHA-256 (nettle) and the digest of a tree. */
#ifndef REPX_WIRE_DIGEST_H
#define REPX_WIRE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include <repx/sync.h>

#include <kit/err.h>

struct digest {
    uint8_t bytes[REPX_DIGEST_LEN];
};

struct digest_ctx {
    uint64_t
        opaque[32]; /* large enough for the library's context: asserted in digest.c */
};

void digest_begin(struct digest_ctx *c);
void digest_add(struct digest_ctx *c, const void *bytes, size_t n);
void digest_end(struct digest_ctx *c, struct digest *out);
void digest_of(const void *bytes, size_t n, struct digest *out);
/* Of the rest of an open file; *length (may be NULL) gets the bytes read. */
int digest_fd(int fd, struct digest *out, uint64_t *length, struct repx_err *err);

#define DIGEST_HEX 65
void digest_hex(const struct digest *d, char hex[DIGEST_HEX]);
int digest_parse(const char *hex,
                 struct digest *d); /* 64 lower-case digits: 1, else 0 */

/* Of a tree: SHA-256 over "repx-tree-1\n" and then, for each entry sorted by path as
 * bytes, one of
 *     "f" or "x" (executable), 32 digest bytes, path, NUL
 *     "l", link target, NUL, path, NUL
 *     "d", path, NUL      only for directories that hold nothing
 * so that it does not depend on times, owners, or read and write permission bits. */
void digest_tree(const struct repx_entry *entries, size_t count, struct digest *out);

#endif
