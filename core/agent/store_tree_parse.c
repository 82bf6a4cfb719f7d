/* SPDX-License-Identifier: MIT */
#include "store_tree.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define ENTRIES_MOST 1000000

static int entry_parse(struct repx_entry *e, const struct msg_field *f,
                       struct repx_err *err)
{
    struct msg_field digest;

    if (!msg_valid(f->bytes, f->length))
        return repx_fail(err, REPX_E_CORRUPT, "an entry of a tree is malformed");
    e->size = sizeof(*e);
    e->path = msg_text(f->bytes, f->length, F_NAME);
    e->link = msg_text(f->bytes, f->length, F_LINK);
    e->kind = (uint32_t)msg_number(f->bytes, f->length, F_KIND, 0);
    e->executable = msg_number(f->bytes, f->length, F_EXEC, 0) != 0;
    e->length = (uint64_t)msg_number(f->bytes, f->length, F_LENGTH, 0);
    if (!e->path)
        e->path = repx_strdup("");
    if (e->kind != REPX_ENTRY_FILE)
        return 0;
    if (!msg_find(f->bytes, f->length, F_DIGEST, &digest) ||
        digest.length != REPX_DIGEST_LEN)
        return repx_fail(err, REPX_E_CORRUPT, "%.200s: has no digest", e->path);
    memcpy(e->digest, digest.bytes, REPX_DIGEST_LEN);
    return 0;
}

static int entries_parse(struct repx_entry **entries, size_t *count, const void *msg,
                         size_t n, struct repx_err *err)
{
    struct msg_field f;
    size_t at = 0, cap = 0;
    int more;

    while ((more = msg_next(msg, n, &at, &f)) == 1) {
        if (f.tag != F_ENTRY)
            continue;
        if (*count >= ENTRIES_MOST) {
            return repx_fail(err, REPX_E_CORRUPT, "a tree of more than %d entries",
                             ENTRIES_MOST);
        }
        if (*count == cap) {
            cap = cap ? cap * 2 : 16;
            *entries = repx_grow(*entries, cap, sizeof(**entries));
        }
        (*entries)[*count] = (struct repx_entry){0};
        if (entry_parse(&(*entries)[(*count)++], &f, err) < 0)
            return -1;
    }
    return more < 0 ? repx_fail(err, REPX_E_CORRUPT, "the tree is malformed") : 0;
}

static void free_text(const char *text)
{
    char *own;

    memcpy(&own, &text, sizeof(own));
    free(own);
}

int store_tree_parse(struct store_tree *to, const void *msg, size_t n, const char *name,
                     struct repx_err *err)
{
    struct repx_entry *entries = NULL;
    size_t count = 0;
    int rc = entries_parse(&entries, &count, msg, n, err);

    *to = (struct store_tree){0};
    if (rc == 0) {
        const struct repx_tree tree = {sizeof(tree), entries, count, sizeof(*entries)};
        rc = store_tree_make(to, &tree, name, err);
    }
    for (size_t i = 0; i < count; i++) {
        free_text(entries[i].path);
        free_text(entries[i].link);
    }
    free(entries);
    return rc;
}
