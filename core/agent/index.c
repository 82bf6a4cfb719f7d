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

/* Both tables hold index + 1; 0 is free. slots is a power of two, at most half full. */
static size_t path_slot(const struct object_index *ix, const char *path)
{
    size_t at = text_hash(path) & (ix->slots - 1);

    while (ix->by_path[at] &&
           strcmp(index_at(ix, ix->by_path[at] - 1)->path, path) != 0)
        at = (at + 1) & (ix->slots - 1);
    return at;
}

static size_t key_slot(const struct object_index *ix, const struct digest *d,
                       uint8_t executable)
{
    size_t at = key_hash(d, executable) & (ix->slots - 1);

    while (ix->by_key[at]) {
        const struct index_entry *e = index_at(ix, ix->by_key[at] - 1);
        if (e->executable == executable && memcmp(&e->digest, d, sizeof(*d)) == 0)
            break;
        at = (at + 1) & (ix->slots - 1);
    }
    return at;
}

static void link_entry(struct object_index *ix, uint32_t i)
{
    struct index_entry *e = index_at(ix, i);
    size_t slot = key_slot(ix, &e->digest, e->executable);

    e->next = ix->by_key[slot] ? ix->by_key[slot] - 1 : INDEX_END;
    ix->by_key[slot] = i + 1;
    ix->by_path[path_slot(ix, e->path)] = i + 1;
}

void index_slots(struct object_index *ix, size_t slots)
{
    free(ix->by_path);
    free(ix->by_key);
    ix->slots = slots;
    ix->by_path = repx_array(slots, sizeof(*ix->by_path));
    ix->by_key = repx_array(slots, sizeof(*ix->by_key));
    for (size_t i = 0; i < ix->count; i++)
        link_entry(ix, (uint32_t)i);
}

static struct index_entry *new_entry(struct object_index *ix)
{
    size_t page = ix->count / INDEX_PAGE;

    if (ix->count % INDEX_PAGE == 0) {
        if (page == ix->page_cap) {
            ix->page_cap = ix->page_cap ? ix->page_cap * 2 : 16;
            ix->pages =
                repx_grow(ix->pages, ix->page_cap, sizeof(struct index_entry *));
        }
        ix->pages[page] = repx_array(INDEX_PAGE, sizeof(struct index_entry));
    }
    return &ix->pages[page][ix->count++ % INDEX_PAGE];
}

struct index_entry *index_remember(struct object_index *ix,
                                   const struct index_entry *entry)
{
    struct index_entry *old = index_path(ix, entry->path);

    if (ix->count == INDEX_END - 1)
        return NULL;
    if (old)
        old->dropped = 1;
    struct index_entry *e = new_entry(ix);
    *e = *entry;
    e->path = repx_texts_add(&ix->texts, entry->path);
    e->dropped = 0;
    if (ix->count * 2 > ix->slots) {
        index_slots(ix, ix->slots * 2);
    } else {
        link_entry(ix, (uint32_t)(ix->count - 1));
    }
    return e;
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

uint32_t index_find(const struct object_index *ix, const struct digest *digest,
                    uint8_t executable)
{
    size_t slot = key_slot(ix, digest, executable);

    return ix->by_key[slot] ? ix->by_key[slot] - 1 : INDEX_END;
}

struct index_entry *index_at(const struct object_index *ix, size_t i)
{
    return &ix->pages[i / INDEX_PAGE][i % INDEX_PAGE];
}

struct index_entry *index_path(const struct object_index *ix, const char *path)
{
    uint32_t at = ix->by_path[path_slot(ix, path)];
    struct index_entry *e = at ? index_at(ix, at - 1) : NULL;

    return e && !e->dropped ? e : NULL;
}

static int is_before(const struct timespec *t, const struct index_entry *e)
{
    return t->tv_sec < e->sec || (t->tv_sec == e->sec && t->tv_nsec <= (long)e->nsec);
}

int index_agrees(const struct index_entry *e, const struct stat *st,
                 const struct stat *dir)
{
    if (!S_ISREG(st->st_mode) || (uint64_t)st->st_size != e->size ||
        ((st->st_mode & S_IXUSR) != 0) != e->executable)
        return 0;
    if (e->ino) {
        return st->st_ino == e->ino && st->st_mtim.tv_sec == e->sec &&
               st->st_mtim.tv_nsec == (long)e->nsec;
    }
    return is_before(&st->st_mtim, e) && (!dir || is_before(&dir->st_mtim, e));
}

int index_stood(const struct index_entry *e, const struct stat *top)
{
    return e->ino || is_before(&top->st_ctim, e);
}

void index_add(struct object_index *ix, const struct index_entry *entry)
{
    const struct index_entry *e = index_remember(ix, entry);

    if (e)
        index_line(&ix->unsaved, e);
    index_spill(ix);
}

void index_drop(struct index_entry *entry)
{
    entry->dropped = 1;
}

void index_refresh(struct object_index *ix, struct index_entry *entry,
                   const struct stat *st)
{
    entry->sec = st->st_mtim.tv_sec;
    entry->nsec = (uint32_t)st->st_mtim.tv_nsec;
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

size_t index_tree_names(const struct object_index *ix, const char ***names)
{
    *names = repx_array(ix->tree_count + 1, sizeof(**names));
    for (size_t i = 0; i < ix->tree_count; i++)
        (*names)[i] = ix->trees[i].name;
    return ix->tree_count;
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
    for (size_t i = 0; i < ix->count; i += INDEX_PAGE)
        free(ix->pages[i / INDEX_PAGE]);
    repx_texts_free(&ix->texts);
    for (size_t i = 0; i < ix->tree_count; i++)
        free(ix->trees[i].name);
    for (size_t i = 0; i < ix->old_count; i++)
        free(ix->old[i]);
    repx_buf_free(&ix->unsaved);
    free(ix->pages);
    free(ix->trees);
    free(ix->old);
    free(ix->by_path);
    free(ix->by_key);
    free(ix->host);
    free(ix->boot);
    free(ix->writer);
    free(ix);
}
