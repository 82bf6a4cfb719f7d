/* SPDX-License-Identifier: MIT */
/* store_pack.h: a pack as a state machine: bytes in pieces of any size in, objects out.
 *
 *     digest (32)  exec (1)  length (8, little endian)  content (length bytes)   ...
 */
#ifndef REPX_AGENT_STORE_PACK_H
#define REPX_AGENT_STORE_PACK_H

#include <stddef.h>
#include <stdint.h>

#include <kit/err.h>

#include "core/wire/digest.h"

#define PACK_HEAD 41
#define PACK_OBJECT_MAX (UINT64_C(1) << 42)

struct pack_head {
    struct digest digest;
    uint8_t executable;
    uint64_t length;
};

/* -1 from any ends the pack; `end` is called for empty objects, too. */
struct pack_sink {
    void *ctx;
    int (*begin)(void *ctx, const struct pack_head *head, struct repx_err *err);
    int (*bytes)(void *ctx, const void *bytes, size_t n, struct repx_err *err);
    int (*end)(void *ctx, struct repx_err *err);
};

struct pack {
    struct pack_sink sink;
    uint8_t head[PACK_HEAD];
    size_t head_len;
    uint64_t left; /* of the object's content */
    int inside, broken;
};

void pack_init(struct pack *p, const struct pack_sink *sink);
int pack_input(struct pack *p, const void *bytes, size_t n, struct repx_err *err);
/* No more bytes: fails when an object is not whole. */
int pack_end(struct pack *p, struct repx_err *err);

/* Sender's side. */
void pack_head_put(uint8_t to[PACK_HEAD], const struct pack_head *head);

#endif
