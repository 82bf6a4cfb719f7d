/* SPDX-License-Identifier: MIT */
#include "base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_decode(const char *text, size_t n, struct repx_buf *to)
{
    uint32_t bits = 0;
    int have = 0;

    for (size_t i = 0; i < n && text[i] != '='; i++) {
        if (strchr(" \t\r\n", text[i]))
            continue;
        const char *at = strchr(alphabet, text[i]);
        if (!at || !*at)
            return 0;
        bits = (bits << 6 | (uint32_t)(at - alphabet)) & 0xffffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            repx_buf_char(to, (char)(bits >> have & 0xff));
        }
    }
    return 1;
}

/* The next three bytes as one number, zeros past the end. */
static uint32_t three_of(const unsigned char *in, size_t left)
{
    return (uint32_t)in[0] << 16 | (uint32_t)(left > 1 ? in[1] : 0) << 8 |
           (uint32_t)(left > 2 ? in[2] : 0);
}

/* Four characters of three bytes; those past the end are padding, or nothing. */
static void add_four(struct repx_buf *to, uint32_t three, size_t left, int pad)
{
    for (size_t k = 0; k < 4; k++) {
        if (k <= left) {
            repx_buf_char(to, alphabet[three >> (18 - 6 * k) & 63]);
        } else if (pad) {
            repx_buf_char(to, '=');
        }
    }
}

char *base64_encode(const void *bytes, size_t n, int pad)
{
    const unsigned char *in = bytes;
    struct repx_buf b = {0};

    for (size_t i = 0; i < n; i += 3)
        add_four(&b, three_of(in + i, n - i), n - i, pad);
    return repx_buf_detach(&b);
}
