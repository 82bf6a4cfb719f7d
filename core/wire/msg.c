/* SPDX-License-Identifier: MIT */
#include "core/wire/msg.h"

#include <string.h>

#include <kit/alloc.h>

#include "core/wire/endian.h"

#define FIELD_HEAD 6 /* tag and length */

void msg_put(struct repx_buf *to, uint16_t tag, const void *bytes, uint32_t length)
{
    uint8_t head[FIELD_HEAD];

    le_put(head, 2, tag);
    le32_put(head + 2, length);
    repx_buf_add(to, head, sizeof(head));
    repx_buf_add(to, bytes, length);
}

void msg_put_text(struct repx_buf *to, uint16_t tag, const char *text)
{
    if (text)
        msg_put(to, tag, text, (uint32_t)strlen(text));
}

void msg_put_number(struct repx_buf *to, uint16_t tag, int64_t number)
{
    uint8_t bytes[8];

    le_put(bytes, sizeof(bytes), (uint64_t)number);
    msg_put(to, tag, bytes, sizeof(bytes));
}

int msg_next(const void *msg, size_t n, size_t *at, struct msg_field *field)
{
    const uint8_t *p = msg;

    *field = (struct msg_field){0};
    if (*at == n)
        return 0;
    if (*at > n || n - *at < FIELD_HEAD)
        return -1;
    p += *at;
    uint32_t length = le32_get(p + 2);
    if (n - *at - FIELD_HEAD < length)
        return -1;
    *field = (struct msg_field){
        .tag = (uint16_t)le_get(p, 2), .length = length, .bytes = p + FIELD_HEAD};
    *at += FIELD_HEAD + (size_t)length;
    return 1;
}

int msg_valid(const void *msg, size_t n)
{
    struct msg_field field;
    size_t at = 0;
    int got;

    do {
        got = msg_next(msg, n, &at, &field);
    } while (got == 1);
    return got == 0;
}

int msg_find(const void *msg, size_t n, uint16_t tag, struct msg_field *field)
{
    size_t at = 0;

    while (msg_next(msg, n, &at, field) == 1) {
        if (field->tag == tag)
            return 1;
    }
    *field = (struct msg_field){0};
    return 0;
}

char *msg_text(const void *msg, size_t n, uint16_t tag)
{
    struct msg_field f;

    if (!msg_find(msg, n, tag, &f) || memchr(f.bytes, 0, f.length))
        return NULL;
    return repx_strndup((const char *)f.bytes, f.length);
}

int64_t msg_number(const void *msg, size_t n, uint16_t tag, int64_t absent)
{
    struct msg_field f;

    if (!msg_find(msg, n, tag, &f) || f.length != 8)
        return absent;
    return (int64_t)le_get(f.bytes, 8);
}
