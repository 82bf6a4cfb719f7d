/* SPDX-License-Identifier: MIT */
/* doc.h: one JSON file of a Lab, read by tables of its fields.
 *
 * Unknown keys are passed over. A known key must have its type, once; null is only good
 * where the table says so. Every error is "FILE: FIELD: what is wrong; what to do". */
#ifndef REPX_LAB_DOC_H
#define REPX_LAB_DOC_H

#include <kit/err.h>

#include "core/json/json.h"
#include "core/json/reader.h"

#include "arena.h"

#define DOC_DEPTH 16

struct doc {
    struct json_reader r;
    const char *file;
    struct arena *arena;
    struct intern *names;
    void *ctx; /* the caller's */
    struct repx_err *err;
    struct {
        const char *key; /* NULL: an element of a list, with this index */
        size_t index;
    } at[DOC_DEPTH]; /* the field we are in */
    size_t depth;
};

#define DOC_REQUIRED 1u
#define DOC_NULLABLE 2u

struct doc_field {
    const char *name;
    int type; /* JSON_*; -1: any */
    unsigned flags;
    size_t offset; /* where in the struct its slot is */
    int (*read)(struct doc *d, void *slot);
};

void doc_begin(struct doc *d, const char *file, const char *text, size_t len,
               struct repx_err *err);
void doc_finish(struct doc *d);
/* Nothing may follow. */
int doc_end(struct doc *d);

/* An error about the field we are in. */
int doc_fail(struct doc *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* An object of fixed shape into a struct. */
int doc_object(struct doc *d, const struct doc_field *fields, size_t count, void *into);
/* An object of any keys: each(d, key, ctx) reads one value; the key is interned. */
int doc_map(struct doc *d, int (*each)(struct doc *d, const char *key, void *ctx),
            void *ctx);
/* A list: each(d, ctx) reads one element. */
int doc_list(struct doc *d, int (*each)(struct doc *d, void *ctx), void *ctx);

/* Readers for fields. */
int doc_string(struct doc *d, void *slot);  /* const char *: interned */
int doc_strings(struct doc *d, void *slot); /* struct doc_strings */

struct doc_strings {
    const char **items;
    size_t count;
};

/* Text with control characters made visible as '?', for messages; in the arena. */
const char *doc_visible(struct arena *a, const char *text);
/* One safe component of a path: not empty, at most 200 bytes, no slash, no control
 * character, no leading dot or dash. Returns what is wrong, or NULL. */
const char *doc_bad_name(const char *name);

#endif
