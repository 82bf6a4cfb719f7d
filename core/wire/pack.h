/* SPDX-License-Identifier: MIT */
/* pack.h: a pack as a state machine: bytes in pieces of any size in, objects out.
 *
 *     digest (32)  mode (1)  length (8, little endian)  content     ...
 *
 * Content is `length` bytes or, when the mode has PACK_PARTS, ranges in rising order, each an
 * offset (8), a length (4) and that many bytes, up to one of length 0: what is not among
 * them lies on the target already. */
#ifndef REPX_WIRE_PACK_H
#define REPX_WIRE_PACK_H

#include <stddef.h>
#include <stdint.h>

#include <kit/err.h>

#include "core/wire/digest.h"

#define PACK_HEAD 41
#define PACK_RANGE 12
#define PACK_EXEC 1u
#define PACK_PARTS 2u
#define PACK_CHUNK (UINT64_C(1) << 20) /* pieces of large objects that are compared */
#define PACK_OBJECT_MAX (UINT64_C(1) << 42)

struct pack_head {
    struct digest digest;
    uint8_t executable;
    uint8_t parts;
    uint64_t length;
};

/* -1 from any ends the pack; `end` is called for empty objects, too. `at`: where in the
 * object the bytes belong. */
struct pack_sink {
    void *ctx;
    int (*begin)(void *ctx, const struct pack_head *head, struct repx_err *err);
    int (*bytes)(void *ctx, uint64_t at, const void *bytes, size_t n,
                 struct repx_err *err);
    int (*end)(void *ctx, struct repx_err *err);
};

struct pack {
    struct pack_sink sink;
    uint8_t head[PACK_HEAD];
    size_t head_len;
    uint64_t length; /* of the object */
    uint64_t at;     /* in its content */
    uint64_t left;   /* of the content or range */
    int parts;       /* content comes in ranges */
    int state, broken;
};

void pack_init(struct pack *p, const struct pack_sink *sink);
int pack_input(struct pack *p, const void *bytes, size_t n, struct repx_err *err);
/* No more bytes: fails when an object is not whole. */
int pack_end(struct pack *p, struct repx_err *err);

/* Sender's side. */
void pack_head_put(uint8_t to[PACK_HEAD], const struct pack_head *head);
void pack_range_put(uint8_t to[PACK_RANGE], uint64_t at, uint32_t length);

#endif
