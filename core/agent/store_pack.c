/* SPDX-License-Identifier: MIT */
#include "store_pack.h"

#include <string.h>

void pack_init(struct pack *p, const struct pack_sink *sink)
{
    *p = (struct pack){.sink = *sink};
}

static int head_read(struct pack *p, struct pack_head *head, struct repx_err *err)
{
    memcpy(head->digest.bytes, p->head, REPX_DIGEST_LEN);
    head->executable = p->head[REPX_DIGEST_LEN];
    head->length = 0;
    for (int i = 7; i >= 0; i--)
        head->length = head->length << 8 | p->head[REPX_DIGEST_LEN + 1 + i];
    if (head->executable > 1 || head->length > PACK_OBJECT_MAX) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "the pack is malformed: mode %u, length %llu",
                         head->executable, (unsigned long long)head->length);
    }
    return 0;
}

static int object_begin(struct pack *p, struct repx_err *err)
{
    struct pack_head head;

    if (head_read(p, &head, err) < 0 || p->sink.begin(p->sink.ctx, &head, err) < 0)
        return -1;
    p->head_len = 0;
    p->left = head.length;
    p->inside = head.length != 0;
    return p->inside ? 0 : p->sink.end(p->sink.ctx, err);
}

/* Takes what belongs together from the front; the number of bytes, or -1. */
static int64_t step(struct pack *p, const uint8_t *bytes, size_t n,
                    struct repx_err *err)
{
    if (!p->inside) {
        size_t take = PACK_HEAD - p->head_len;
        take = take < n ? take : n;
        memcpy(p->head + p->head_len, bytes, take);
        p->head_len += take;
        if (p->head_len == PACK_HEAD && object_begin(p, err) < 0)
            return -1;
        return (int64_t)take;
    }
    size_t take = p->left < n ? (size_t)p->left : n;
    if (p->sink.bytes(p->sink.ctx, bytes, take, err) < 0)
        return -1;
    p->left -= take;
    p->inside = p->left != 0;
    if (!p->inside && p->sink.end(p->sink.ctx, err) < 0)
        return -1;
    return (int64_t)take;
}

int pack_input(struct pack *p, const void *bytes, size_t n, struct repx_err *err)
{
    const uint8_t *at = bytes;

    if (p->broken)
        return repx_fail(err, REPX_E_CORRUPT, "the pack was given up already");
    while (n) {
        int64_t took = step(p, at, n, err);
        if (took < 0) {
            p->broken = 1;
            return -1;
        }
        at += took;
        n -= (size_t)took;
    }
    return 0;
}

int pack_end(struct pack *p, struct repx_err *err)
{
    if (p->broken)
        return repx_fail(err, REPX_E_CORRUPT, "the pack was given up already");
    if (p->inside || p->head_len)
        return repx_fail(err, REPX_E_CORRUPT, "the pack ends within an object");
    return 0;
}

void pack_head_put(uint8_t to[PACK_HEAD], const struct pack_head *head)
{
    memcpy(to, head->digest.bytes, REPX_DIGEST_LEN);
    to[REPX_DIGEST_LEN] = head->executable;
    for (int i = 0; i < 8; i++)
        to[REPX_DIGEST_LEN + 1 + i] = (uint8_t)(head->length >> (8 * i));
}
