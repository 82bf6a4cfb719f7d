/* SPDX-License-Identifier: MIT */
/* buf.h: growable bytes. Bottom layer: calls nothing of ours but alloc.
 *  - data is never NULL once something was added, and data[len] is then 0;
 *  - it may hold zero bytes: use len, not strlen;
 *  - data moves when the buffer grows: keep offsets, not pointers. */
#ifndef REPX_KIT_BUF_H
#define REPX_KIT_BUF_H

#include <stddef.h>

struct repx_buf {
    char *data;
    size_t len, cap;
};

void repx_buf_add(struct repx_buf *b, const void *bytes, size_t n); /* cannot fail */
void repx_buf_str(struct repx_buf *b, const char *s);
void repx_buf_char(struct repx_buf *b, char c);
void repx_buf_fmt(struct repx_buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* s as one POSIX shell word, in single quotes. For the few texts that must be shell. */
void repx_buf_shell(struct repx_buf *b, const char *s);
/* n more writable bytes at the end; len is not changed. */
char *repx_buf_room(struct repx_buf *b, size_t n);
/* Drop n bytes from the front. */
void repx_buf_drop(struct repx_buf *b, size_t n);
const char *repx_buf_text(const struct repx_buf *b); /* data, or "" when empty */
char *repx_buf_detach(struct repx_buf *b);           /* caller frees; never NULL */
void repx_buf_free(struct repx_buf *b);              /* and may be used again */
#define REPX_AUTO_BUF __attribute__((cleanup(repx_buf_free)))

#endif
