/* SPDX-License-Identifier: MIT */
/* json.h: JSON in the client. The only module that sees cJSON. (The static programs on the
 * target use jansson.)
 *
 * Depth is bounded (JSON_DEPTH), input must be UTF-8 and one whole value. Values are read
 * through a small cursor so that large maps need not be held: see json_each_member. */
#ifndef REPX_JSON_H
#define REPX_JSON_H

#include <stddef.h>
#include <stdint.h>

#include <kit/buf.h>
#include <kit/err.h>

#define JSON_DEPTH 64

struct json; /* a parsed value (a cJSON node); owned by its root */

struct json *json_parse(const char *text, size_t n, struct repx_err *err);
void json_free(struct json *root);

#define JSON_NULL 0
#define JSON_BOOL 1
#define JSON_NUMBER 2
#define JSON_STRING 3
#define JSON_ARRAY 4
#define JSON_OBJECT 5
int json_type(const struct json *v); /* NULL counts as JSON_NULL */
const struct json *json_get(const struct json *object, const char *key);
const struct json *json_first(const struct json *container);
const struct json *json_next(const struct json *element);
const char *json_key(const struct json *member);
const char *json_string(const struct json *v); /* NULL when it is no string */
/* Without what follows the point; `absent` too where it does not fit. */
int64_t json_int(const struct json *v, int64_t absent);
int json_is_true(const struct json *v);
/* Of a member. */
const char *json_get_string(const struct json *object, const char *key,
                            const char *absent);
int64_t json_get_int(const struct json *object, const char *key, int64_t absent);

/* Walk the members of the object `text` without building a tree of it: for each, the key
 * and the raw text of the value. Stops when `each` returns non-zero, returning that. */
int json_each_member(const char *text, size_t n,
                     int (*each)(void *ctx, const char *key, const char *value,
                                 size_t value_len, struct repx_err *err),
                     void *ctx, struct repx_err *err);

/* Writing: straight into a buffer. */
void json_put_string(struct repx_buf *to, const char *s);
/* v as text; indent 0: compact, in the order read; 2: pretty with sorted keys. */
void json_put_value(struct repx_buf *to, const struct json *v, int indent);

#endif
