/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <kit/alloc.h>

#include "core/wire/msg.h"

static void fields_come_back(void)
{
    REPX_AUTO_BUF struct repx_buf b = {0};

    msg_put_number(&b, 1, -5);
    msg_put_text(&b, 2, "text");
    msg_put_text(&b, 3, NULL);
    msg_put(&b, 4, "a\0b", 3);
    msg_put_text(&b, 2, "second");
    REPX_AUTO_FREE char *text = msg_text(b.data, b.len, 2);
    REPX_AUTO_FREE char *with_nul = msg_text(b.data, b.len, 4);
    REPX_AUTO_FREE char *absent = msg_text(b.data, b.len, 3);
    is(text, "text", "the first of two texts");
    ok(!absent, "NULL was not put");
    ok(!with_nul, "a text with a zero byte is none");
    ok(msg_number(b.data, b.len, 1, 0) == -5, "a negative number");
    ok(msg_number(b.data, b.len, 9, 42) == 42, "an absent number");
    ok(msg_number(b.data, b.len, 2, 42) == 42,
       "a number of the wrong length is absent");
    ok(msg_valid(b.data, b.len), "the whole is valid");
    ok(msg_valid(NULL, 0), "nothing is valid");
}

static void repeated_tags_are_walked(void)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    struct msg_field f;
    size_t at = 0;
    int n = 0;

    for (int i = 0; i < 3; i++)
        msg_put_number(&b, 7, i);
    while (msg_next(b.data, b.len, &at, &f) == 1)
        n += f.tag == 7 && f.length == 8;
    ok(n == 3, "three of them");
    ok(at == b.len, "to the end");
}

static void every_cut_is_noticed(void)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    int valid = 0;

    msg_put_text(&b, 1, "abc");
    msg_put_number(&b, 2, 1);
    for (size_t n = 1; n < b.len; n++)
        valid += msg_valid(b.data, n);
    ok(valid == 1, "only the cut between two fields passes");
}

static void lengths_are_not_believed(void)
{
    static const unsigned char huge[] = {1, 0, 0xff, 0xff, 0xff, 0xff, 'x'};
    struct msg_field f;
    size_t at = 0, past = 100;

    ok(msg_next(huge, sizeof(huge), &at, &f) == -1, "a length past the end");
    ok(msg_next(huge, sizeof(huge), &past, &f) == -1, "a place past the end");
    ok(!msg_find(huge, sizeof(huge), 1, &f) && !f.bytes, "is not found");
}

int main(void)
{
    fields_come_back();
    repeated_tags_are_walked();
    every_cut_is_noticed();
    lengths_are_not_believed();
    return tap_end();
}
