/* SPDX-License-Identifier: MIT */
/* helper_record.h: the queue's files are lines of fields with a tab between them; tab,
 * newline and backslash inside a field are written \t, \n, \\. */
#ifndef REPX_LOCAL_RECORD_H
#define REPX_LOCAL_RECORD_H

#include <stdint.h>

#include <kit/buf.h>

#define RECORD_FIELDS 12

/* Add a line: fields of `format` one letter each: s const char *, n int64_t. */
void record_line(struct repx_buf *to, const char *format, ...);

/* Take one whole line off text[*at..n): split and unescape it in place. Returns the
 * number of fields, 0 at the end; a last line without newline is no line. A line with
 * more than RECORD_FIELDS fields has its rest cut. Unused fields are "". */
size_t record_next(char *text, size_t n, size_t *at, const char *field[RECORD_FIELDS]);

/* A decimal number, or `absent` when the field is not one. */
int64_t record_number(const char *field, int64_t absent);

#endif
