/* SPDX-License-Identifier: MIT */
#include "index.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "index_own.h"

static uint32_t text_hash(const char *s)
{
    uint32_t h = 2166136261u;

    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 16777619u;
    return h;
}

static uint32_t key_hash(const struct digest *d, uint8_t executable)
{
    uint32_t h;

    memcpy(&h, d->bytes, sizeof(h));
    return h ^ executable;
}

/* Both tables hold index + 1; 0 is free. cap is a power of two, at most half full. */
static size_t path_slot(const struct object_index *ix, const char *path)
{
    size_t at = text_hash(path) & (ix->slots - 1);

    while (ix->by_path[at] && strcmp(ix->entries[ix->by_path[at] - 1].path, path) != 0)
        at = (at + 1) & (ix->slots - 1);
    return at;
}

static size_t key_slot(const struct object_index *ix, const struct digest *d,
                       uint8_t executable)
{
    size_t at = key_hash(d, executable) & (ix->slots - 1);

    while (ix->by_key[at]) {
        const struct index_entry *e = &ix->entries[ix->by_key[at] - 1];
        if (e->executable == executable && memcmp(&e->digest, d, sizeof(*d)) == 0)
            break;
        at = (at + 1) & (ix->slots - 1);
    }
    return at;
}

static void link_entry(struct object_index *ix, size_t i)
{
    struct index_entry *e = &ix->entries[i];
    size_t slot = key_slot(ix, &e->digest, e->executable);

    e->next = ix->by_key[slot] ? ix->by_key[slot] - 1 : INDEX_END;
    ix->by_key[slot] = i + 1;
    ix->by_path[path_slot(ix, e->path)] = i + 1;
}

static void grow(struct object_index *ix)
{
    free(ix->by_path);
    free(ix->by_key);
    ix->slots = ix->slots ? ix->slots * 2 : 1024;
    ix->by_path = repx_array(ix->slots, sizeof(*ix->by_path));
    ix->by_key = repx_array(ix->slots, sizeof(*ix->by_key));
    for (size_t i = 0; i < ix->count; i++)
        link_entry(ix, i);
}

void index_remember(struct object_index *ix, const struct index_entry *entry)
{
    struct index_entry *old = index_path(ix, entry->path);

    if (old)
        old->dropped = 1;
    if (ix->count == ix->cap) {
        ix->cap = ix->cap ? ix->cap * 2 : 512;
        ix->entries = repx_grow(ix->entries, ix->cap, sizeof(*ix->entries));
    }
    ix->entries[ix->count] = *entry;
    ix->entries[ix->count].path = repx_strdup(entry->path);
    ix->entries[ix->count].dropped = 0;
    ix->count++;
    if (ix->count * 2 > ix->slots) {
        grow(ix);
    } else {
        link_entry(ix, ix->count - 1);
    }
}

void index_remember_tree(struct object_index *ix, const char *name,
                         const struct digest *digest)
{
    if (ix->tree_count == ix->tree_cap) {
        ix->tree_cap = ix->tree_cap ? ix->tree_cap * 2 : 64;
        ix->trees = repx_grow(ix->trees, ix->tree_cap, sizeof(*ix->trees));
    }
    ix->trees[ix->tree_count++] = (struct index_tree){repx_strdup(name), *digest};
}

size_t index_find(const struct object_index *ix, const struct digest *digest,
                  uint8_t executable)
{
    size_t slot = key_slot(ix, digest, executable);

    return ix->by_key[slot] ? ix->by_key[slot] - 1 : INDEX_END;
}

struct index_entry *index_at(const struct object_index *ix, size_t i)
{
    return &ix->entries[i];
}

struct index_entry *index_path(const struct object_index *ix, const char *path)
{
    if (!ix->slots)
        return NULL;
    size_t slot = path_slot(ix, path);
    if (!ix->by_path[slot] || ix->entries[ix->by_path[slot] - 1].dropped)
        return NULL;
    return &ix->entries[ix->by_path[slot] - 1];
}

static int is_before(const struct stat *st, const struct index_entry *e)
{
    return st->st_mtim.tv_sec < e->sec ||
           (st->st_mtim.tv_sec == e->sec && st->st_mtim.tv_nsec <= e->nsec);
}

int index_agrees(const struct index_entry *e, const struct stat *st,
                 const struct stat *dir)
{
    if (!S_ISREG(st->st_mode) || (uint64_t)st->st_size != e->size ||
        ((st->st_mode & S_IXUSR) != 0) != e->executable)
        return 0;
    if (e->ino) {
        return st->st_ino == e->ino && st->st_mtim.tv_sec == e->sec &&
               st->st_mtim.tv_nsec == e->nsec;
    }
    return is_before(st, e) && (!dir || is_before(dir, e));
}

void index_add(struct object_index *ix, const struct index_entry *entry)
{
    index_remember(ix, entry);
    index_line(&ix->unsaved, &ix->entries[ix->count - 1]);
}

void index_drop(struct index_entry *entry)
{
    entry->dropped = 1;
}

void index_refresh(struct object_index *ix, struct index_entry *entry,
                   const struct stat *st)
{
    entry->sec = st->st_mtim.tv_sec;
    entry->nsec = st->st_mtim.tv_nsec;
    entry->ino = st->st_ino;
    index_line(&ix->unsaved, entry);
}

void index_tree_add(struct object_index *ix, const char *name,
                    const struct digest *digest)
{
    index_remember_tree(ix, name, digest);
    index_tree_line(&ix->unsaved, &ix->trees[ix->tree_count - 1]);
}

void index_tree_each(const struct object_index *ix, const char *name,
                     void (*each)(void *ctx, const struct digest *digest), void *ctx)
{
    for (size_t i = 0; i < ix->tree_count; i++) {
        if (strcmp(ix->trees[i].name, name) == 0)
            each(ctx, &ix->trees[i].digest);
    }
}

static int is_last_word(const struct object_index *ix, size_t i)
{
    for (size_t k = i + 1; k < ix->tree_count; k++) {
        if (strcmp(ix->trees[k].name, ix->trees[i].name) == 0) {
            return memcmp(&ix->trees[k].digest, &ix->trees[i].digest,
                          sizeof(struct digest)) == 0;
        }
    }
    return 1;
}

const char *index_tree_elsewhere(const struct object_index *ix,
                                 const struct digest *digest, const char *name)
{
    for (size_t i = ix->tree_count; i-- > 0;) {
        const struct index_tree *t = &ix->trees[i];
        if (memcmp(&t->digest, digest, sizeof(*digest)) == 0 &&
            strcmp(t->name, name) != 0 && is_last_word(ix, i))
            return t->name;
    }
    return NULL;
}

void index_close(struct object_index *ix)
{
    if (!ix)
        return;
    for (size_t i = 0; i < ix->count; i++)
        free(ix->entries[i].path);
    for (size_t i = 0; i < ix->tree_count; i++)
        free(ix->trees[i].name);
    for (size_t i = 0; i < ix->old_count; i++)
        free(ix->old[i]);
    repx_buf_free(&ix->unsaved);
    free(ix->entries);
    free(ix->trees);
    free(ix->old);
    free(ix->by_path);
    free(ix->by_key);
    free(ix->host);
    free(ix->boot);
    free(ix->writer);
    free(ix);
}
