/* SPDX-License-Identifier: MIT */
#include "doc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_LEN 200

void doc_begin(struct doc *d, const char *file, const char *text, size_t len,
               struct repx_err *err)
{
    json_reader_init(&d->r, text, len);
    d->file = file;
    d->err = err;
    d->depth = 0;
}

void doc_finish(struct doc *d)
{
    json_reader_finish(&d->r);
}

const char *doc_visible(struct arena *a, const char *text)
{
    char *copy = arena_text(a, text, strlen(text));

    for (char *p = copy; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    }
    return copy;
}

const char *doc_bad_name(const char *name)
{
    if (!*name)
        return "is empty";
    if (strlen(name) > NAME_MAX_LEN)
        return "has more than 200 bytes";
    if (*name == '.' || *name == '-')
        return "begins with a dot or a dash";
    for (const char *p = name; *p; p++) {
        if (*p == '/')
            return "contains a slash";
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return "contains a control character";
    }
    return NULL;
}

static void put_field(struct doc *d, struct repx_buf *to)
{
    for (size_t i = 0; i < d->depth; i++) {
        if (d->at[i].key) {
            repx_buf_fmt(to, "%s%s", i ? "." : "", d->at[i].key);
        } else {
            repx_buf_fmt(to, "[%zu]", d->at[i].index);
        }
    }
    if (to->len == 0)
        repx_buf_str(to, "the file");
}

int doc_fail(struct doc *d, const char *fmt, ...)
{
    struct repx_buf field = {0};
    char text[512];

    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    put_field(d, &field);
    (void)repx_fail(d->err, REPX_E_CORRUPT, "%s: %s: %s", d->file,
                    doc_visible(d->arena, repx_buf_text(&field)),
                    doc_visible(d->arena, text));
    repx_buf_free(&field);
    return -1;
}

/* What the reader found. */
static int bad_json(struct doc *d)
{
    return doc_fail(d, "byte %zu: %s; make the Lab again or copy it again", d->r.pos,
                    d->r.problem ? d->r.problem : "not valid JSON");
}

int doc_end(struct doc *d)
{
    return json_end(&d->r) < 0 ? bad_json(d) : 0;
}

static const char *type_name(int type)
{
    static const char *const names[] = {"null",     "true or false", "a number",
                                        "a string", "an array",      "an object"};

    return names[type];
}

/* A value must be of this type. */
static int doc_expect(struct doc *d, int type)
{
    int there = json_peek(&d->r);

    if (there < 0)
        return bad_json(d);
    if (there != type) {
        return doc_fail(d, "is %s and must be %s; correct it or make the Lab again",
                        type_name(there), type_name(type));
    }
    return 0;
}

static int push(struct doc *d, const char *key, size_t index)
{
    if (d->depth == DOC_DEPTH)
        return doc_fail(d, "too deep; make the Lab again");
    d->at[d->depth].key = key;
    d->at[d->depth++].index = index;
    return 0;
}

static int read_field(struct doc *d, const struct doc_field *f, void *into)
{
    int there = json_peek(&d->r), rc;

    if (there == JSON_NULL && (f->flags & DOC_NULLABLE))
        return json_skip(&d->r) < 0 ? bad_json(d) : 0;
    rc = f->type < 0 ? there : doc_expect(d, f->type);
    if (rc < 0)
        return f->type < 0 ? bad_json(d) : rc;
    return f->read(d, (char *)into + f->offset);
}

static int skip_member(struct doc *d)
{
    return json_skip(&d->r) < 0 ? bad_json(d) : 0;
}

static int read_member(struct doc *d, const struct doc_field *fields, size_t n,
                       struct json_text key, unsigned *seen, void *into)
{
    for (size_t i = 0; i < n; i++) {
        if (strlen(fields[i].name) != key.len ||
            memcmp(fields[i].name, key.at, key.len) != 0)
            continue;
        if (push(d, fields[i].name, 0) < 0)
            return -1;
        if (*seen & 1u << i)
            return doc_fail(d, "is there twice; remove one");
        *seen |= 1u << i;
        if (read_field(d, &fields[i], into) < 0)
            return -1;
        d->depth--;
        return 0;
    }
    return skip_member(d);
}

int doc_object(struct doc *d, const struct doc_field *fields, size_t count, void *into)
{
    struct json_text key;
    unsigned seen = 0;
    int more;

    if (doc_expect(d, JSON_OBJECT) < 0)
        return -1;
    if (json_enter_object(&d->r) < 0)
        return bad_json(d);
    while ((more = json_next_member(&d->r, &key)) == 1) {
        if (read_member(d, fields, count, key, &seen, into) < 0)
            return -1;
    }
    if (more < 0)
        return bad_json(d);
    for (size_t i = 0; i < count; i++) {
        if ((fields[i].flags & DOC_REQUIRED) && !(seen & 1u << i)) {
            (void)push(d, fields[i].name, 0);
            return doc_fail(d, "is missing; add it or make the Lab again");
        }
    }
    return 0;
}

int doc_map(struct doc *d, int (*each)(struct doc *d, const char *key, void *ctx),
            void *ctx)
{
    struct json_text text;
    int more;

    if (doc_expect(d, JSON_OBJECT) < 0)
        return -1;
    if (json_enter_object(&d->r) < 0)
        return bad_json(d);
    while ((more = json_next_member(&d->r, &text)) == 1) {
        const char *key = intern_text(d->names, text.at, text.len);
        if (push(d, key, 0) < 0 || each(d, key, ctx) < 0)
            return -1;
        d->depth--;
    }
    return more < 0 ? bad_json(d) : 0;
}

int doc_list(struct doc *d, int (*each)(struct doc *d, void *ctx), void *ctx)
{
    int more;

    if (doc_expect(d, JSON_ARRAY) < 0)
        return -1;
    if (json_enter_array(&d->r) < 0)
        return bad_json(d);
    for (size_t i = 0; (more = json_next_element(&d->r)) == 1; i++) {
        if (push(d, NULL, i) < 0 || each(d, ctx) < 0)
            return -1;
        d->depth--;
    }
    return more < 0 ? bad_json(d) : 0;
}

int doc_string(struct doc *d, void *slot)
{
    struct json_text text;

    if (doc_expect(d, JSON_STRING) < 0)
        return -1;
    if (json_read_string(&d->r, &text) < 0)
        return bad_json(d);
    *(const char **)slot = intern_text(d->names, text.at, text.len);
    return 0;
}

static int add_string(struct doc *d, void *ctx)
{
    struct repx_buf *list = ctx;
    const char *text;

    if (doc_string(d, &text) < 0)
        return -1;
    repx_buf_add(list, &text, sizeof(text));
    return 0;
}

int doc_strings(struct doc *d, void *slot)
{
    struct doc_strings *to = slot;
    struct repx_buf list = {0};
    int rc = doc_list(d, add_string, &list);

    if (rc == 0 && list.len) {
        to->count = list.len / sizeof(*to->items);
        to->items = arena_copy(d->arena, list.data, list.len);
    }
    repx_buf_free(&list);
    return rc;
}
