/* SPDX-License-Identifier: MIT */
#include "core/wire/frame.h"

#include "core/wire/endian.h"

int64_t frame_take(const void *bytes, size_t n, struct frame *frame,
                   struct repx_err *err)
{
    const uint8_t *p = bytes;

    *frame = (struct frame){0};
    if (n < FRAME_HEAD)
        return 0;
    uint32_t length = le32_get(p);
    if (length > FRAME_MAX) {
        return repx_fail(err, REPX_E_CORRUPT, "a frame of %u bytes; the largest is %d",
                         length, FRAME_MAX);
    }
    if (p[6] || p[7]) {
        return repx_fail(err, REPX_E_CORRUPT, "reserved bytes of a frame are %u %u",
                         p[6], p[7]);
    }
    if (n - FRAME_HEAD < length)
        return 0;
    *frame = (struct frame){.type = p[4],
                            .flags = p[5],
                            .stream = le32_get(p + 8),
                            .length = length,
                            .payload = p + FRAME_HEAD};
    return (int64_t)length + FRAME_HEAD;
}

void frame_put(struct repx_buf *to, uint8_t type, uint8_t flags, uint32_t stream,
               const void *payload, uint32_t length)
{
    uint8_t head[FRAME_HEAD] = {0};

    le32_put(head, length);
    head[4] = type;
    head[5] = flags;
    le32_put(head + 8, stream);
    repx_buf_add(to, head, sizeof(head));
    repx_buf_add(to, payload, length);
}
