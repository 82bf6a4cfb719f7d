/* SPDX-License-Identifier: MIT */
/* Text that becomes JSON, whatever it holds, and JSON that loses its white space. */
#include <string.h>

#include "json.h"
#include "reader.h"
#include "utf8.h"

size_t json_utf8_length(const unsigned char *p, size_t n)
{
    static const struct {
        unsigned char first, last, low, high;
        size_t len;
    } forms[] = {
        {0x00, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (p[0] < forms[i].first || p[0] > forms[i].last)
            continue;
        if (n < forms[i].len)
            return 0;
        if (forms[i].len > 1 && (p[1] < forms[i].low || p[1] > forms[i].high))
            return 0;
        for (size_t k = 2; k < forms[i].len; k++) {
            if (p[k] < 0x80 || p[k] > 0xbf)
                return 0;
        }
        return forms[i].len;
    }
    return 0;
}

static void put_escaped(struct repx_buf *to, char c)
{
    static const char special[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    const char *found = strchr(special, c);

    if (found) {
        repx_buf_fmt(to, "\\%c", letter[found - special]);
    } else {
        repx_buf_fmt(to, "\\u%04x", (unsigned)c);
    }
}

void json_put_string(struct repx_buf *to, const char *s)
{
    size_t n = strlen(s), from = 0, i = 0;

    repx_buf_char(to, '"');
    while (i < n) {
        size_t len = json_utf8_length((const unsigned char *)s + i, n - i);
        int plain = len > 1 || (len == 1 && (unsigned char)s[i] >= 0x20 &&
                                s[i] != '"' && s[i] != '\\');
        if (plain) {
            i += len;
            continue;
        }
        repx_buf_add(to, s + from, i - from);
        if (len == 1) {
            put_escaped(to, s[i]);
        } else {
            repx_buf_str(to, "\xef\xbf\xbd"); /* what is no UTF-8 shows as U+FFFD */
        }
        from = ++i;
    }
    repx_buf_add(to, s + from, n - from);
    repx_buf_char(to, '"');
}

void json_compact(struct repx_buf *to, const char *text, size_t n)
{
    size_t from = 0;
    int quoted = 0;

    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (quoted && c == '\\') {
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (c == ' ' || c == '\n' || c == '\t' || c == '\r')) {
            repx_buf_add(to, text + from, i - from);
            from = i + 1;
        }
    }
    if (from < n)
        repx_buf_add(to, text + from, n - from);
}
