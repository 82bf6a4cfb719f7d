/* SPDX-License-Identifier: MIT */
#include "store_tree.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define ENTRIES_MOST 4000000

/* What entries point to; each text ends. */
struct texts_at {
    char *at;
};

/* The text of a field, or NULL when there is none or it holds a zero. */
static const char *take_text(struct texts_at *t, const struct msg_field *in,
                             uint16_t tag)
{
    struct msg_field f;

    if (!msg_find(in->bytes, in->length, tag, &f) || memchr(f.bytes, 0, f.length))
        return NULL;
    char *text = t->at;
    memcpy(text, f.bytes, f.length);
    text[f.length] = 0;
    t->at += f.length + 1;
    return text;
}

static int entry_parse(struct repx_entry *e, const struct msg_field *f,
                       struct texts_at *t, struct repx_err *err)
{
    struct msg_field digest;

    if (!msg_valid(f->bytes, f->length))
        return repx_fail(err, REPX_E_CORRUPT, "an entry of a tree is malformed");
    e->size = sizeof(*e);
    e->path = take_text(t, f, F_NAME);
    e->link = take_text(t, f, F_LINK);
    e->kind = (uint32_t)msg_number(f->bytes, f->length, F_KIND, 0);
    e->executable = msg_number(f->bytes, f->length, F_EXEC, 0) != 0;
    e->length = (uint64_t)msg_number(f->bytes, f->length, F_LENGTH, 0);
    if (!e->path)
        e->path = "";
    if (e->kind != REPX_ENTRY_FILE)
        return 0;
    if (!msg_find(f->bytes, f->length, F_DIGEST, &digest) ||
        digest.length != REPX_DIGEST_LEN)
        return repx_fail(err, REPX_E_CORRUPT, "%.200s: has no digest", e->path);
    memcpy(e->digest, digest.bytes, REPX_DIGEST_LEN);
    return 0;
}

/* How many entries there are, and what their texts take. */
static int entries_count(const void *msg, size_t n, size_t *count, size_t *texts,
                         struct repx_err *err)
{
    struct msg_field f;
    size_t at = 0;
    int more;

    *count = *texts = 0;
    while ((more = msg_next(msg, n, &at, &f)) == 1) {
        if (f.tag != F_ENTRY)
            continue;
        if (++*count > ENTRIES_MOST) {
            return repx_fail(err, REPX_E_CORRUPT, "a tree of more than %d entries",
                             ENTRIES_MOST);
        }
        struct msg_field text;
        if (msg_find(f.bytes, f.length, F_NAME, &text))
            *texts += text.length + 1;
        if (msg_find(f.bytes, f.length, F_LINK, &text))
            *texts += text.length + 1;
    }
    return more < 0 ? repx_fail(err, REPX_E_CORRUPT, "the tree is malformed") : 0;
}

int store_tree_parse(struct store_tree *to, const void *msg, size_t n, const char *name,
                     struct repx_err *err)
{
    size_t count, texts, at = 0, done = 0;
    struct msg_field f;

    *to = (struct store_tree){0};
    if (entries_count(msg, n, &count, &texts, err) < 0)
        return -1;
    REPX_AUTO_FREE struct repx_entry *entries =
        repx_array(count + 1, sizeof(struct repx_entry));
    REPX_AUTO_FREE char *room = repx_alloc(texts + 1);
    struct texts_at t = {room};
    while (done < count && msg_next(msg, n, &at, &f) == 1) {
        if (f.tag == F_ENTRY && entry_parse(&entries[done++], &f, &t, err) < 0)
            return -1;
    }
    return store_tree_sorted(to, entries, count, name, err);
}
