/* SPDX-License-Identifier: MIT */
#include "buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

char *repx_buf_room(struct repx_buf *b, size_t n)
{
    if (n > SIZE_MAX - b->len - 1)
        n = SIZE_MAX - b->len - 1; /* the allocation below then fails for good */
    if (b->len + n + 1 > b->cap) {
        size_t cap = b->cap ? b->cap : 64;
        while (cap < b->len + n + 1)
            cap = cap > SIZE_MAX / 2 ? SIZE_MAX : cap * 2;
        b->data = repx_grow(b->data, cap, 1);
        b->cap = cap;
    }
    return b->data + b->len;
}

void repx_buf_add(struct repx_buf *b, const void *bytes, size_t n)
{
    char *to = repx_buf_room(b, n);

    if (n)
        memcpy(to, bytes, n);
    b->len += n;
    b->data[b->len] = 0;
}

void repx_buf_str(struct repx_buf *b, const char *s)
{
    repx_buf_add(b, s, strlen(s));
}

void repx_buf_char(struct repx_buf *b, char c)
{
    repx_buf_add(b, &c, 1);
}

void repx_buf_fmt(struct repx_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    char *to = repx_buf_room(b, (size_t)n);
    va_start(ap, fmt);
    (void)vsnprintf(to, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

void repx_buf_shell(struct repx_buf *b, const char *s)
{
    repx_buf_char(b, '\'');
    for (; *s; s++) {
        if (*s == '\'') {
            repx_buf_str(b, "'\\''");
        } else {
            repx_buf_char(b, *s);
        }
    }
    repx_buf_char(b, '\'');
}

void repx_buf_drop(struct repx_buf *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
        return;
    }
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
    b->data[b->len] = 0;
}

const char *repx_buf_text(const struct repx_buf *b)
{
    return b->len ? b->data : "";
}

char *repx_buf_detach(struct repx_buf *b)
{
    char *data = b->data ? b->data : repx_strdup("");

    *b = (struct repx_buf){0};
    return data;
}

void repx_buf_free(struct repx_buf *b)
{
    free(b->data);
    *b = (struct repx_buf){0};
}
