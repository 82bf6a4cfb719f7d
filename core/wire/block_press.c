/* SPDX-License-Identifier: MIT */
#include "core/wire/block.h"

#include <stdlib.h>
#include <zstd.h>

#include <kit/alloc.h>

#include "core/wire/endian.h"

struct press {
    ZSTD_CCtx *zstd;
    uint8_t *room;
};

struct press *press_create(void)
{
    struct press *p = REPX_NEW(struct press);

    p->zstd = ZSTD_createCCtx(); /* without it blocks go as they are */
    p->room = repx_alloc(BLOCK_MAX);
    return p;
}

void press_destroy(struct press *p)
{
    if (!p)
        return;
    (void)ZSTD_freeCCtx(p->zstd);
    free(p->room);
    free(p);
}

/* Bytes in p->room, or 0 when it is not worth it. */
static size_t squeeze(struct press *p, const void *bytes, size_t n, int level)
{
    size_t most = n - n / 16;
    size_t got = p->zstd && level > 0
                     ? ZSTD_compressCCtx(p->zstd, p->room, most, bytes, n, level)
                     : 0;

    return ZSTD_isError(got) ? 0 : got;
}

size_t press_block(struct press *p, const void *bytes, size_t n, int level,
                   struct repx_buf *to)
{
    size_t before = to->len, got = squeeze(p, bytes, n, level);
    uint8_t head[8];

    if (got) {
        le32_put(head, (uint32_t)got | BLOCK_PACKED);
        le32_put(head + 4, (uint32_t)n);
        repx_buf_add(to, head, 8);
        repx_buf_add(to, p->room, got);
    } else if (n) {
        le32_put(head, (uint32_t)n);
        repx_buf_add(to, head, 4);
        repx_buf_add(to, bytes, n);
    }
    return to->len - before;
}
