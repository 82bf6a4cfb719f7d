/* SPDX-License-Identifier: MIT */
#include "core/wire/pack.h"

#include <string.h>

#include "core/wire/endian.h"

#define IN_HEAD 0
#define IN_RANGE_HEAD 1
#define IN_BYTES 2

void pack_init(struct pack *p, const struct pack_sink *sink)
{
    *p = (struct pack){.sink = *sink};
}

static int head_read(struct pack *p, struct pack_head *head, struct repx_err *err)
{
    uint8_t mode = p->head[REPX_DIGEST_LEN];

    memcpy(head->digest.bytes, p->head, REPX_DIGEST_LEN);
    head->executable = mode & PACK_EXEC;
    head->parts = (mode & PACK_PARTS) != 0;
    head->length = le_get(p->head + REPX_DIGEST_LEN + 1, 8);
    if (mode > (PACK_EXEC | PACK_PARTS) || head->length > PACK_OBJECT_MAX) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "the pack is malformed: mode %u, length %llu", mode,
                         (unsigned long long)head->length);
    }
    return 0;
}

static int object_end(struct pack *p, struct repx_err *err)
{
    p->state = IN_HEAD;
    return p->sink.end(p->sink.ctx, err);
}

static int object_begin(struct pack *p, struct repx_err *err)
{
    struct pack_head head;

    if (head_read(p, &head, err) < 0 || p->sink.begin(p->sink.ctx, &head, err) < 0)
        return -1;
    p->length = p->left = head.length;
    p->at = 0;
    p->parts = head.parts;
    p->state = head.parts ? IN_RANGE_HEAD : IN_BYTES;
    return head.parts || head.length ? 0 : object_end(p, err);
}

static int range_begin(struct pack *p, struct repx_err *err)
{
    uint64_t at = le_get(p->head, 8);

    p->left = le_get(p->head + 8, 4);
    if (!p->left)
        return object_end(p, err);
    if (at < p->at || at > p->length || p->left > p->length - at) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "the pack is malformed: a range of %llu bytes at %llu of %llu",
                         (unsigned long long)p->left, (unsigned long long)at,
                         (unsigned long long)p->length);
    }
    p->at = at;
    p->state = IN_BYTES;
    return 0;
}

/* A head of either kind; the number of bytes taken, or -1. */
static int64_t head_step(struct pack *p, const uint8_t *bytes, size_t n,
                         struct repx_err *err)
{
    size_t whole = p->state == IN_HEAD ? PACK_HEAD : PACK_RANGE;
    size_t take = whole - p->head_len < n ? whole - p->head_len : n;

    memcpy(p->head + p->head_len, bytes, take);
    p->head_len += take;
    if (p->head_len < whole)
        return (int64_t)take;
    p->head_len = 0;
    int rc = p->state == IN_HEAD ? object_begin(p, err) : range_begin(p, err);
    return rc < 0 ? -1 : (int64_t)take;
}

/* Takes what belongs together from the front; the number of bytes, or -1. */
static int64_t step(struct pack *p, const uint8_t *bytes, size_t n,
                    struct repx_err *err)
{
    if (p->state != IN_BYTES)
        return head_step(p, bytes, n, err);
    size_t take = p->left < n ? (size_t)p->left : n;
    if (p->sink.bytes(p->sink.ctx, p->at, bytes, take, err) < 0)
        return -1;
    p->left -= take;
    p->at += take;
    if (!p->left && p->parts) {
        p->state = IN_RANGE_HEAD;
    } else if (!p->left && object_end(p, err) < 0) {
        return -1;
    }
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
    if (p->state != IN_HEAD || p->head_len)
        return repx_fail(err, REPX_E_CORRUPT, "the pack ends within an object");
    return 0;
}

void pack_head_put(uint8_t to[PACK_HEAD], const struct pack_head *head)
{
    memcpy(to, head->digest.bytes, REPX_DIGEST_LEN);
    to[REPX_DIGEST_LEN] =
        (uint8_t)((head->executable ? PACK_EXEC : 0) | (head->parts ? PACK_PARTS : 0));
    le_put(to + REPX_DIGEST_LEN + 1, 8, head->length);
}

void pack_range_put(uint8_t to[PACK_RANGE], uint64_t at, uint32_t length)
{
    le_put(to, 8, at);
    le_put(to + 8, 4, length);
}
