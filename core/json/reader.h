/* SPDX-License-Identifier: MIT */
/* reader.h: JSON read in one pass, without a tree. The caller says what it expects and
 * is told what is there; nothing is allocated but two scratch buffers.
 *
 * Functions return -1 when the text is not JSON (or not what was asked for): `problem`
 * then says what is wrong and `pos` where. After that the reader is of no more use.
 * Strict: UTF-8 without a byte order mark, no control characters in strings, no lone
 * surrogates, no NUL, at most JSON_DEPTH levels. */
#ifndef REPX_JSON_READER_H
#define REPX_JSON_READER_H

#include <stddef.h>

#include <kit/buf.h>

/* Bytes that are not zero-terminated; valid until the next call on the reader. */
struct json_text {
    const char *at;
    size_t len;
};

struct json_reader {
    const char *text;
    size_t len, pos;
    int depth;
    int fresh; /* a container was just opened: no comma before its first element */
    const char *problem;
    struct repx_buf key, value;
};

void json_reader_init(struct json_reader *r, const char *text, size_t len);
void json_reader_finish(struct json_reader *r);

/* Type of the next value (JSON_*), which stays where it is. */
int json_peek(struct json_reader *r);
/* Enter the object or array that comes next. */
int json_enter_object(struct json_reader *r);
int json_enter_array(struct json_reader *r);
/* 1: a member's value (an element) comes next; 0: the container ended and was left. */
int json_next_member(struct json_reader *r, struct json_text *key);
int json_next_element(struct json_reader *r);
/* The value that comes next. */
int json_read_string(struct json_reader *r, struct json_text *value);
int json_read_number(struct json_reader *r, struct json_text *raw);
int json_skip(struct json_reader *r); /* any value; all of it is checked */
/* Nothing but white space may follow. */
int json_end(struct json_reader *r);

/* Append a checked value without the white space between its tokens. */
void json_compact(struct repx_buf *to, const char *text, size_t n);

#endif
