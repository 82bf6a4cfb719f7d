/* SPDX-License-Identifier: MIT */
/* Blocks of a pack: what goes in comes out, in pieces of any size; hostile ones end it. */
#include "tap.h"

#include <stdlib.h>

#include <kit/alloc.h>

#include "core/wire/block.h"
#include "core/wire/endian.h"

#define TEXT ((size_t)100000)

static int collect(void *ctx, const void *at, size_t n, struct repx_err *err)
{
    (void)err;
    repx_buf_add(ctx, at, n);
    return 0;
}

static int refuse(void *ctx, const void *at, size_t n, struct repx_err *err)
{
    (void)ctx, (void)at, (void)n;
    return repx_fail(err, REPX_E_FAILED, "no room");
}

static void fill(char *to, size_t n, int random)
{
    uint32_t x = 7;

    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        to[i] = (char)(random ? x >> 24 : (uint32_t)('a' + i / 100 % 7));
    }
}

static void what_goes_in_comes_out(void)
{
    static char text[TEXT], noise[TEXT];
    REPX_AUTO_BUF struct repx_buf wire = {0};
    struct press *p = press_create();

    fill(text, sizeof(text), 0);
    fill(noise, sizeof(noise), 1);
    size_t small = press_block(p, text, sizeof(text), 1, &wire);
    size_t same = press_block(p, noise, sizeof(noise), 1, &wire);
    size_t raw = press_block(p, text, sizeof(text), 0, &wire);
    (void)press_block(p, text, 1, 1, &wire);
    press_destroy(p);
    ok(small < TEXT / 10, "text shrinks: %zu", small);
    ok(same == TEXT + 4, "noise goes as it is: %zu", same);
    ok(raw == TEXT + 4, "level 0 compresses nothing");
    for (size_t step = 1; step <= wire.len; step = step * 5 + 2) {
        REPX_AUTO_BUF struct repx_buf got = {0};
        struct blocks *b = blocks_create(collect, &got);
        struct repx_err err = {0};
        int rc = 0;
        for (size_t at = 0; at < wire.len && rc == 0; at += step) {
            rc = blocks_input(b, wire.data + at,
                              wire.len - at < step ? wire.len - at : step, &err);
        }
        ok(rc == 0 && blocks_end(b, &err) == 0 && got.len == 3 * TEXT + 1 &&
               memcmp(got.data, text, TEXT) == 0 &&
               memcmp(got.data + TEXT, noise, TEXT) == 0 &&
               memcmp(got.data + 2 * TEXT, text, TEXT) == 0,
           "in pieces of %zu", step);
        blocks_destroy(b);
    }
}

/* A head, and bytes behind it. */
static int fed(uint32_t first, uint32_t second, const void *bytes, size_t n,
               struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf out = {0};
    struct blocks *b = blocks_create(collect, &out);
    uint8_t head[8];

    le32_put(head, first);
    le32_put(head + 4, second);
    int rc = blocks_input(b, head, first & BLOCK_PACKED ? 8 : 4, err);
    if (rc == 0)
        rc = blocks_input(b, bytes, n, err);
    if (rc == 0)
        rc = blocks_end(b, err);
    blocks_destroy(b);
    return rc;
}

static void hostile_blocks(void)
{
    static char zeros[BLOCK_MAX];
    REPX_AUTO_BUF struct repx_buf wire = {0};
    struct press *p = press_create();
    struct repx_err err = {0};

    (void)press_block(p, zeros, sizeof(zeros), 3, &wire);
    press_destroy(p);
    const char *frame = wire.data + 8;
    uint32_t n = (uint32_t)wire.len - 8;
    ok(fed(n | BLOCK_PACKED, BLOCK_MAX, frame, n, &err) == 0, "the good one");
    ok(fed(n | BLOCK_PACKED, BLOCK_MAX - 1, frame, n, &err) < 0,
       "more content than was said: %s", err.text);
    ok(fed(n | BLOCK_PACKED, BLOCK_MAX + 1, frame, n, &err) < 0,
       "more than a block may hold: %s", err.text);
    ok(fed(n | BLOCK_PACKED, 5, frame, n, &err) < 0, "packed to more than it was");
    ok(fed((n - 1) | BLOCK_PACKED, BLOCK_MAX, frame, n - 1, &err) < 0, "cut off");
    ok(fed(4u | BLOCK_PACKED, 100, "abcd", 4, &err) < 0, "no frame at all: %s",
       err.text);
    ok(fed(0, 0, "", 0, &err) < 0, "of no bytes");
    ok(fed(BLOCK_MAX + 1, 0, "", 0, &err) < 0, "too long");
    ok(fed(3, 0, "ab", 2, &err) < 0, "the end within a block: %s", err.text);

    struct blocks *b = blocks_create(refuse, NULL);
    ok(blocks_input(b, "\3\0\0\0abc", 7, &err) < 0, "who takes them may refuse");
    is(err.text, "no room", "with words");
    blocks_destroy(b);
}

int main(void)
{
    what_goes_in_comes_out();
    hostile_blocks();
    return tap_end();
}
