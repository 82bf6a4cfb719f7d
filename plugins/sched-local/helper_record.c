/* SPDX-License-Identifier: MIT */
#include "helper_record.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void add_escaped(struct repx_buf *to, const char *s)
{
    for (; *s; s++) {
        if (*s == '\t') {
            repx_buf_str(to, "\\t");
        } else if (*s == '\n') {
            repx_buf_str(to, "\\n");
        } else if (*s == '\\') {
            repx_buf_str(to, "\\\\");
        } else {
            repx_buf_char(to, *s);
        }
    }
}

void record_line(struct repx_buf *to, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    for (const char *f = format; *f; f++) {
        if (f != format)
            repx_buf_char(to, '\t');
        if (*f == 'n') {
            repx_buf_fmt(to, "%lld", (long long)va_arg(ap, int64_t));
        } else {
            add_escaped(to, va_arg(ap, const char *));
        }
    }
    va_end(ap);
    repx_buf_char(to, '\n');
}

/* Undo the escapes of text[0..n) in place and end it with a zero byte. */
static void unescape(char *text, size_t n)
{
    size_t to = 0;

    for (size_t i = 0; i < n; i++) {
        int escaped = text[i] == '\\' && i + 1 < n;
        char c = text[escaped ? ++i : i];
        if (escaped && (c == 't' || c == 'n'))
            c = c == 't' ? '\t' : '\n';
        text[to++] = c;
    }
    text[to] = 0;
}

size_t record_next(char *text, size_t n, size_t *at, const char *field[RECORD_FIELDS])
{
    char *line = text + *at;
    char *end = *at < n ? memchr(line, '\n', n - *at) : NULL;
    size_t count = 0;

    if (!end)
        return 0;
    *at = (size_t)(end - text) + 1;
    for (size_t i = 0; i < RECORD_FIELDS; i++)
        field[i] = "";
    while (count < RECORD_FIELDS) {
        char *tab = memchr(line, '\t', (size_t)(end - line));
        char *stop = tab ? tab : end;
        unescape(line, (size_t)(stop - line));
        field[count++] = line;
        if (!tab)
            break;
        line = tab + 1;
    }
    return count;
}

int64_t record_number(const char *field, int64_t absent)
{
    char *end = NULL;

    errno = 0;
    long long n = strtoll(field, &end, 10);
    return errno || end == field || *end ? absent : (int64_t)n;
}
