/* SPDX-License-Identifier: MIT */
#include "core/wire/block.h"

#include <stdlib.h>
#include <zstd.h>

#include <kit/alloc.h>

#include "core/wire/endian.h"

struct blocks {
    int (*bytes)(void *ctx, const void *at, size_t n, struct repx_err *err);
    void *ctx;
    ZSTD_DCtx *zstd;
    uint8_t head[8];
    size_t head_len;
    uint32_t left;   /* of the block */
    uint32_t length; /* of its content, when it is compressed; else 0 */
    struct repx_buf packed;
    uint8_t *content;
};

struct blocks *blocks_create(int (*bytes)(void *ctx, const void *at, size_t n,
                                          struct repx_err *err),
                             void *ctx)
{
    struct blocks *b = REPX_NEW(struct blocks);

    b->bytes = bytes;
    b->ctx = ctx;
    return b;
}

void blocks_destroy(struct blocks *b)
{
    if (!b)
        return;
    (void)ZSTD_freeDCtx(b->zstd);
    repx_buf_free(&b->packed);
    free(b->content);
    free(b);
}

static int head_is_whole(struct blocks *b, struct repx_err *err)
{
    uint32_t first = le32_get(b->head);
    int packed = (first & BLOCK_PACKED) != 0;

    if (b->head_len < (packed ? 8u : 4u))
        return 0;
    b->head_len = 0;
    b->left = first & ~BLOCK_PACKED;
    b->length = packed ? le32_get(b->head + 4) : 0;
    if (b->left && b->left <= BLOCK_MAX && b->length <= BLOCK_MAX &&
        (!packed || b->length > b->left))
        return 1;
    return repx_fail(err, REPX_E_CORRUPT,
                     "the pack is malformed: a block of %u bytes for %u", b->left,
                     b->length);
}

static int unpack(struct blocks *b, struct repx_err *err)
{
    if (!b->zstd) {
        b->zstd = ZSTD_createDCtx();
        b->content = repx_alloc(BLOCK_MAX);
    }
    if (!b->zstd)
        return repx_fail(err, REPX_E_FAILED, "no memory to unpack what arrived");
    size_t n = ZSTD_decompressDCtx(b->zstd, b->content, b->length, b->packed.data,
                                   b->packed.len);
    b->packed.len = 0;
    if (ZSTD_isError(n) || n != b->length) {
        return repx_fail(err, REPX_E_CORRUPT, "the pack is malformed: %s",
                         ZSTD_isError(n) ? ZSTD_getErrorName(n) : "a short block");
    }
    return b->bytes(b->ctx, b->content, n, err);
}

/* Takes what belongs together from the front; the number of bytes, or -1. */
static int64_t step(struct blocks *b, const uint8_t *bytes, size_t n,
                    struct repx_err *err)
{
    if (!b->left) {
        b->head[b->head_len++] = *bytes;
        return b->head_len >= 4 && head_is_whole(b, err) < 0 ? -1 : 1;
    }
    size_t take = b->left < n ? b->left : n;
    b->left -= (uint32_t)take;
    if (!b->length)
        return b->bytes(b->ctx, bytes, take, err) < 0 ? -1 : (int64_t)take;
    repx_buf_add(&b->packed, bytes, take);
    return !b->left && unpack(b, err) < 0 ? -1 : (int64_t)take;
}

int blocks_input(struct blocks *b, const void *bytes, size_t n, struct repx_err *err)
{
    const uint8_t *at = bytes;

    while (n) {
        int64_t took = step(b, at, n, err);
        if (took < 0)
            return -1;
        at += took;
        n -= (size_t)took;
    }
    return 0;
}

int blocks_end(struct blocks *b, struct repx_err *err)
{
    if (b->left || b->head_len)
        return repx_fail(err, REPX_E_CORRUPT, "the pack ends within a block");
    return 0;
}
