/* SPDX-License-Identifier: MIT */
#include "core/wire/frame.h"

#include "core/wire/crc32c.h"
#include "core/wire/endian.h"

/* Is it what was sent? whole: with its head. */
static int check_sum(const uint8_t *frame, size_t whole, struct repx_err *err)
{
    if (le32_get(frame + whole) == crc32c(0, frame, whole))
        return 0;
    return repx_fail(err, REPX_E_CORRUPT,
                     "bytes were changed on the way (a checksum does not match): "
                     "run the same again");
}

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
    size_t sum = p[5] & FRAME_SUM ? FRAME_SUM_LEN : 0;
    if (n - FRAME_HEAD < length + sum)
        return 0;
    if (sum && check_sum(p, FRAME_HEAD + length, err) < 0)
        return -1;
    *frame = (struct frame){.type = p[4],
                            .flags = p[5],
                            .stream = le32_get(p + 8),
                            .length = length,
                            .payload = p + FRAME_HEAD};
    return (int64_t)(FRAME_HEAD + length + sum);
}

void frame_put(struct repx_buf *to, uint8_t type, uint8_t flags, uint32_t stream,
               const void *payload, uint32_t length)
{
    uint8_t head[FRAME_HEAD] = {0};

    le32_put(head, length);
    head[4] = type;
    head[5] = flags;
    le32_put(head + 8, stream);
    size_t at = to->len;
    repx_buf_add(to, head, sizeof(head));
    repx_buf_add(to, payload, length);
    if (flags & FRAME_SUM) {
        uint8_t sum[FRAME_SUM_LEN];
        le32_put(sum, crc32c(0, to->data + at, FRAME_HEAD + length));
        repx_buf_add(to, sum, sizeof(sum));
    }
}
