/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "core/wire/crc32c.h"
#include "core/wire/endian.h"
#include "core/wire/frame.h"

static void a_frame_comes_back_as_it_went(void)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    struct frame f;
    struct repx_err err = {0};

    frame_put(&b, FRAME_DATA, 0, 7, "hello", 5);
    frame_put(&b, FRAME_END, FRAME_CONTROL, 0xfffffffe, NULL, 0);
    ok(frame_take(b.data, b.len, &f, &err) == FRAME_HEAD + 5, "its length");
    ok(f.type == FRAME_DATA && f.flags == 0 && f.stream == 7, "its head");
    ok(f.length == 5 && memcmp(f.payload, "hello", 5) == 0, "its payload");
    repx_buf_drop(&b, FRAME_HEAD + 5);
    ok(frame_take(b.data, b.len, &f, &err) == FRAME_HEAD, "an empty one");
    ok(f.flags == FRAME_CONTROL && f.stream == 0xfffffffe, "with its flags and stream");
}

static void a_part_of_a_frame_is_not_yet_one(void)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    struct frame f;
    struct repx_err err = {0};
    int waited = 0;

    frame_put(&b, FRAME_DATA, 0, 1, "0123456789", 10);
    for (size_t n = 0; n < b.len; n++)
        waited += frame_take(b.data, n, &f, &err) == 0;
    ok(waited == (int)b.len, "every prefix asks for more");
    ok(err.code == 0, "and is no error");
}

static const struct {
    const char *name;
    uint32_t length;
    uint8_t reserved[2];
    int64_t want;
} heads[] = {
    {"the largest frame waits for its payload", FRAME_MAX, {0, 0}, 0},
    {"one byte more is refused", FRAME_MAX + 1, {0, 0}, -1},
    {"2^32 - 1 bytes are refused", UINT32_MAX, {0, 0}, -1},
    {"the first reserved byte is checked", 0, {1, 0}, -1},
    {"the second reserved byte is checked", 0, {0, 1}, -1},
};

static void heads_are_checked(void)
{
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        uint8_t head[FRAME_HEAD] = {0};
        struct frame f;
        struct repx_err err = {0};
        le32_put(head, heads[i].length);
        head[6] = heads[i].reserved[0];
        head[7] = heads[i].reserved[1];
        int64_t got = frame_take(head, sizeof(head), &f, &err);
        ok(got == heads[i].want && (got == 0 || err.text[0]), "%s", heads[i].name);
    }
}

/* The flag itself is none of its bits: who had sums before misses it (mux). */
static void a_changed_bit_is_seen(void)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    struct frame f;
    size_t taken = 0;

    ok(crc32c(0, "123456789", 9) == 0xe3069283u &&
           crc32c(crc32c(0, "1234", 4), "56789", 5) == 0xe3069283u,
       "CRC32C, in one piece and in two");
    frame_put(&b, FRAME_RESULT, FRAME_CONTROL | FRAME_SUM, 3, "succeeded", 9);
    ok(frame_take(b.data, b.len, &f, NULL) == FRAME_HEAD + 9 + FRAME_SUM_LEN &&
           f.length == 9,
       "a frame with its checksum comes back");
    for (size_t bit = 0; bit < b.len * 8; bit++) {
        b.data[bit / 8] = (char)(b.data[bit / 8] ^ 1 << bit % 8);
        taken += frame_take(b.data, b.len, &f, NULL) > 0 && f.flags & FRAME_SUM;
        b.data[bit / 8] = (char)(b.data[bit / 8] ^ 1 << bit % 8);
    }
    ok(taken == 0, "with one bit changed it does not");
}

int main(void)
{
    a_changed_bit_is_seen();
    a_frame_comes_back_as_it_went();
    a_part_of_a_frame_is_not_yet_one();
    heads_are_checked();
    return tap_end();
}
