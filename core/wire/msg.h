/* SPDX-License-Identifier: MIT */
/* msg.h: a message is a sequence of fields: tag (u16), length (u32), bytes; all little
 * endian. Unknown tags are skipped, so fields can be added. Numbers are 8 bytes. A tag
 * may repeat: lists are repeated tags, tables are repeated nested messages. */
#ifndef REPX_WIRE_MSG_H
#define REPX_WIRE_MSG_H

#include <stdint.h>

#include <kit/buf.h>

struct msg_field {
    uint16_t tag;
    uint32_t length;
    const uint8_t *bytes;
};

void msg_put(struct repx_buf *to, uint16_t tag, const void *bytes, uint32_t length);
void msg_put_text(struct repx_buf *to, uint16_t tag,
                  const char *text); /* NULL: nothing */
void msg_put_number(struct repx_buf *to, uint16_t tag, int64_t number);

/* Walk: set *at to 0 first. 1 with *field, 0 at the end, -1 when malformed. */
int msg_next(const void *msg, size_t n, size_t *at, struct msg_field *field);
/* Is it well-formed to its end? */
int msg_valid(const void *msg, size_t n);
/* The first field with that tag; 1 or 0. */
int msg_find(const void *msg, size_t n, uint16_t tag, struct msg_field *field);
/* Text of the first such field as a fresh string, or NULL when absent or it holds a NUL. */
char *msg_text(const void *msg, size_t n, uint16_t tag);
int64_t msg_number(const void *msg, size_t n, uint16_t tag, int64_t absent);

#endif
