/* SPDX-License-Identifier: MIT */
#include "index.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/buf.h>

#define LINKS_MAX 100 /* links followed for one path */
#define PATH_LONGEST 4096

struct stamp *index_add(struct index *ix, uint32_t kind, const char *path,
                        const char *link)
{
    if (ix->count == ix->cap) {
        ix->cap = ix->cap ? ix->cap * 2 : 256;
        ix->entries = repx_grow(ix->entries, ix->cap, sizeof(*ix->entries));
        ix->stamps = repx_grow(ix->stamps, ix->cap, sizeof(*ix->stamps));
    }
    ix->entries[ix->count] = (struct repx_entry){
        .size = sizeof(struct repx_entry), .path = path, .kind = kind, .link = link};
    ix->stamps[ix->count] = (struct stamp){.same = (uint32_t)ix->count};
    return &ix->stamps[ix->count++];
}

struct place {
    const char *path;
    uint32_t was;
};

static int by_path(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int c = strcmp(x->path, y->path);

    return c ? c : (x->was > y->was) - (x->was < y->was);
}

void index_settle(struct index *ix)
{
    struct place *order = repx_array(ix->count + 1, sizeof(*order));
    struct repx_entry *entries = repx_array(ix->count + 1, sizeof(*entries));
    struct stamp *stamps = repx_array(ix->count + 1, sizeof(*stamps));
    size_t kept = 0;

    for (size_t i = 0; i < ix->count; i++)
        order[i] = (struct place){ix->entries[i].path, (uint32_t)i};
    qsort(order, ix->count, sizeof(*order), by_path);
    for (size_t i = 0; i < ix->count; i++) {
        if (i + 1 < ix->count && strcmp(order[i].path, order[i + 1].path) == 0)
            continue;
        entries[kept] = ix->entries[order[i].was];
        stamps[kept] = ix->stamps[order[i].was];
        stamps[kept].same = (uint32_t)kept;
        kept++;
    }
    free(order);
    free(ix->entries);
    free(ix->stamps);
    ix->entries = entries;
    ix->stamps = stamps;
    ix->cap = ix->count + 1;
    ix->count = kept;
    index_hash(ix);
}

void index_hash(struct index *ix)
{
    size_t mask = 1023;

    while (mask < ix->count * 2)
        mask = mask * 2 + 1;
    free(ix->slots);
    ix->slots = repx_array(mask + 1, sizeof(*ix->slots));
    ix->mask = mask;
    for (size_t i = 0; i < ix->count; i++) {
        const char *path = ix->entries[i].path;
        size_t at = (size_t)text_hash(path, strlen(path)) & mask;
        while (ix->slots[at])
            at = (at + 1) & mask;
        ix->slots[at] = (uint32_t)i + 1;
    }
}

size_t index_find(const struct index *ix, const char *path, size_t len)
{
    if (!ix->slots)
        return INDEX_NONE;
    for (size_t at = (size_t)text_hash(path, len) & ix->mask; ix->slots[at];
         at = (at + 1) & ix->mask) {
        size_t i = ix->slots[at] - 1;
        if (strncmp(ix->entries[i].path, path, len) == 0 && !ix->entries[i].path[len])
            return i;
    }
    return INDEX_NONE;
}

void index_free(struct index *ix)
{
    free(ix->entries);
    free(ix->stamps);
    free(ix->slots);
    free(ix->strings);
    *ix = (struct index){0};
}

/* A path being followed: `done` holds real directories, `todo` what is left to do. */
struct walk {
    const struct index *ix;
    struct repx_buf done, todo;
    int links;
    size_t at;
};

static int step_up(struct walk *w, struct repx_err *err)
{
    if (w->done.len == 0)
        return repx_fail(err, REPX_E_CORRUPT, "leads out of the Lab");
    while (w->done.len && w->done.data[w->done.len - 1] != '/')
        w->done.len--;
    if (w->done.len)
        w->done.len--;
    w->done.data[w->done.len] = 0;
    w->at = w->done.len ? index_find(w->ix, w->done.data, w->done.len) : INDEX_NONE;
    return 0;
}

/* `done` names a link: forget its last component and go on with its target. */
static int follow(struct walk *w, const char *target, struct repx_err *err)
{
    struct repx_buf todo = {0};

    if (*target == '/') {
        return repx_fail(err, REPX_E_CORRUPT,
                         strncmp(target, "/nix/store/", 11) == 0
                             ? "leads to %s, which a target would not have"
                             : "leads out of the Lab to %s",
                         target);
    }
    if (++w->links > LINKS_MAX) {
        return repx_fail(err, REPX_E_CORRUPT, "leads through more than %d links",
                         LINKS_MAX);
    }
    repx_buf_str(&todo, target);
    if (w->todo.len) {
        repx_buf_char(&todo, '/');
        repx_buf_str(&todo, w->todo.data);
    }
    repx_buf_free(&w->todo);
    w->todo = todo;
    if (w->todo.len > (size_t)PATH_LONGEST * 4)
        return repx_fail(err, REPX_E_CORRUPT, "leads through too long links");
    return step_up(w, err);
}

static int step_down(struct walk *w, const char *name, size_t len, struct repx_err *err)
{
    const struct index *ix = w->ix;

    if (w->at != INDEX_NONE && ix->entries && ix->entries[w->at].kind != REPX_ENTRY_DIR)
        return repx_fail(err, REPX_E_NOENT, "is below something that is no directory");
    if (w->done.len)
        repx_buf_char(&w->done, '/');
    repx_buf_add(&w->done, name, len);
    w->at = index_find(ix, w->done.data, w->done.len);
    if (w->at == INDEX_NONE)
        return repx_fail(err, REPX_E_NOENT, "is not in the Lab");
    return 0;
}

static int walk_on(struct walk *w, struct repx_err *err)
{
    while (w->todo.len) {
        size_t len = strcspn(w->todo.data, "/");
        const char *name = w->todo.data;
        int rc = 0;
        if (len == 2 && name[0] == '.' && name[1] == '.') {
            rc = step_up(w, err);
        } else if (len && !(len == 1 && name[0] == '.')) {
            rc = step_down(w, name, len, err);
        }
        if (rc < 0)
            return rc;
        repx_buf_drop(&w->todo, w->todo.data[len] ? len + 1 : len);
        const struct repx_entry *e =
            w->at == INDEX_NONE ? NULL : &w->ix->entries[w->at];
        if (e && e->kind == REPX_ENTRY_LINK && follow(w, e->link, err) < 0)
            return -1;
    }
    return 0;
}

int index_resolve(const struct index *ix, const char *path, size_t *at,
                  struct repx_err *err)
{
    struct walk w = {.ix = ix, .at = INDEX_NONE};

    /* Everything in the index has real directories above it. */
    *at = index_find(ix, path, strlen(path));
    if (*at != INDEX_NONE && ix->entries[*at].kind != REPX_ENTRY_LINK)
        return 0;
    repx_buf_str(&w.todo, path);
    int rc = walk_on(&w, err);
    *at = w.at;
    repx_buf_free(&w.done);
    repx_buf_free(&w.todo);
    return rc;
}

/* Does target, read as text from the directory of path, climb above the Lab? */
static int climbs(const char *path, const char *target)
{
    long depth = 0;

    for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/'))
        depth++;
    for (const char *p = target; *p;) {
        size_t len = strcspn(p, "/");
        if (len == 2 && p[0] == '.' && p[1] == '.') {
            depth--;
        } else if (len && !(len == 1 && p[0] == '.')) {
            depth++;
        }
        if (depth < 0)
            return 1;
        p += len + (p[len] == '/');
    }
    return 0;
}

static int check_link(const struct index *ix, size_t i, struct repx_err *err)
{
    const struct repx_entry *e = &ix->entries[i];
    struct repx_err why = {0};
    size_t at;

    if (*e->link != '/' && climbs(e->path, e->link)) {
        (void)repx_fail(&why, REPX_E_CORRUPT, "leads out of the Lab to %s", e->link);
    } else {
        (void)index_resolve(ix, e->path, &at, &why);
    }
    if (why.code == REPX_E_NONE || why.code == REPX_E_NOENT)
        return 0;
    return repx_fail(err, REPX_E_CORRUPT,
                     "%s: symbolic link: %s; make it relative to something in the Lab",
                     e->path, why.text);
}

int index_check_links(const struct index *ix, struct repx_err *err)
{
    for (size_t i = 0; i < ix->count; i++) {
        if (ix->entries[i].kind == REPX_ENTRY_LINK && check_link(ix, i, err) < 0)
            return -1;
    }
    return 0;
}

const char *index_clean_path(struct arena *a, const char *path, size_t len)
{
    if (len == 0 || len >= PATH_LONGEST || path[0] == '/' || memchr(path, 0, len))
        return NULL;
    char *clean = arena_text(a, path, len);
    size_t kept = 0;
    for (size_t i = 0; i < len;) {
        size_t n = strcspn(clean + i, "/");
        if (n == 2 && clean[i] == '.' && clean[i + 1] == '.')
            return NULL;
        if (n && !(n == 1 && clean[i] == '.')) {
            if (kept)
                clean[kept++] = '/';
            memmove(clean + kept, clean + i, n);
            kept += n;
        }
        i += n + 1;
    }
    clean[kept] = 0;
    return kept ? clean : NULL;
}
