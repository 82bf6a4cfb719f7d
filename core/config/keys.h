/* SPDX-License-Identifier: MIT */
/* keys.h: TOML tables into structs, driven by rows. A key is written down once: name,
 * type and place in the struct; unknown keys are errors with a suggestion. */
#ifndef REPX_CONFIG_KEYS_H
#define REPX_CONFIG_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include <kit/err.h>

#include "keep.h"
#include "toml_tree.h"

/* Texts are never empty and hold no control character. */
#define KEY_IGNORED 0
#define KEY_TEXT 1    /* const char * */
#define KEY_NAME 2    /* const char *, [a-z][a-z0-9-]{0,31} */
#define KEY_WORD 3    /* const char *, one of words */
#define KEY_COUNT 4   /* int64_t, at least min */
#define KEY_BOOL 5    /* int */
#define KEY_FLAG 6    /* int64_t, 0 or 1 */
#define KEY_TEXTS 7   /* const char *const *, its count (size_t) right behind it */
#define KEY_WORDS 8   /* the same, each one of words */
#define KEY_TABLE 9   /* checked to be a table; read by the caller */
#define KEY_TABLES 10 /* an array of tables; read by the caller */

/* In a struct a KEY_TEXTS or KEY_WORDS is two members in this order. */
#define KEY_TEXTS_ASSERT(type, texts, count)                                        \
    _Static_assert(offsetof(type, count) == offsetof(type, texts) + sizeof(void *), \
                   "the count must follow the texts")

struct key_row {
    const char *name;
    int type;
    size_t at;                /* offset in the struct */
    const char *const *words; /* ends with NULL */
    int64_t min;
};

struct key_set {
    const struct key_row *rows;
    size_t count;
    /* Members without a row for which this says 1 are left to the caller. May be NULL. */
    int (*accepts)(const struct toml *member);
};

/* Read the members of a table into *to. What is absent is left as it is. */
int keys_read(struct keep *keep, const struct toml *table, const struct key_set *set,
              void *to, struct repx_err *err);

/* Elements of an array of texts, copied. */
int keys_texts(struct keep *keep, const struct toml *array, const char *const **texts,
               size_t *count, struct repx_err *err);
/* "FILE:LINE" */
const char *keys_where(struct keep *keep, const struct toml *t);
/* [a-z][a-z0-9-]{0,31} */
int keys_is_name(const char *text);

#endif
