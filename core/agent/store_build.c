/* SPDX-License-Identifier: MIT */
/* Building a tree: directories and links at once, files from what is here, and the rest as
 * it arrives. One create for a small file; nothing is renamed but the whole. */
#include "store_own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>

static const char layers[] = "artifacts/store/";

mode_t store_mode(uint8_t executable)
{
    return executable ? 0755 : 0644;
}

static char *staged_path(const struct build *b, const char *path)
{
    return *path ? repx_format("%s/%s", b->staged, path) : repx_strdup(b->staged);
}

int store_item_dir(struct store *s, const struct wanted_at *w, const char **leaf,
                   struct repx_err *err)
{
    const struct build *b = &s->builds[w->build];
    const struct store_item *item = &b->tree.items[w->item];

    if (b->tree.single) {
        *leaf = b->staged;
        return s->stage_fd;
    }
    *leaf = item->leaf;
    if (s->last_build == w->build && s->last_dir == item->dir && s->last_fd >= 0)
        return s->last_fd;
    REPX_AUTO_FREE char *path = staged_path(b, b->tree.dirs[item->dir].path);
    repx_close_fd(&s->last_fd);
    s->last_fd = store_openat(s->stage_fd, path, O_RDONLY | O_DIRECTORY, 0);
    s->last_build = w->build;
    s->last_dir = item->dir;
    if (s->last_fd < 0)
        return store_fail(err, "the staging directory", path);
    return s->last_fd;
}

/* May the file be linked to rather than copied? Files of layers get their modes changed by
 * others, so nothing shares an inode with them; other owners' files are theirs. */
static int may_link(int dir, const char *path, const struct object *o,
                    const char *to_name)
{
    struct stat st;

    return strncmp(path, layers, sizeof(layers) - 1) != 0 &&
           strncmp(to_name, layers, sizeof(layers) - 1) != 0 &&
           store_lstat(dir, path, &st) == 0 && st.st_uid == geteuid() &&
           ((st.st_mode & S_IXUSR) != 0) == o->executable;
}

/* Make the object's content appear at w from a file. 1, 0 not good for that, -1. `sure`: the
 * file's content is known to be the object's. */
static int take_from(struct store *s, const struct object *o, const struct wanted_at *w,
                     const struct store_copy *from, struct repx_err *err)
{
    const char *leaf;
    int to = store_item_dir(s, w, &leaf, err);

    if (to < 0)
        return -1;
    if (may_link(from->from_dir, from->from, o, s->builds[w->build].tree.name)) {
        if (store_linkat(from->from_dir, from->from, to, leaf) == 0)
            return 1;
        if (errno == ENOENT)
            return 0;
        if (errno != EPERM && errno != EMLINK && errno != EXDEV && errno != EACCES)
            return store_fail(err, s->builds[w->build].tree.name, leaf);
    }
    const struct store_copy copy = {.from_dir = from->from_dir,
                                    .to_dir = to,
                                    .from = from->from,
                                    .to = leaf,
                                    .mode = store_mode(o->executable),
                                    .digest = &o->digest,
                                    .length = o->length};
    int rc = store_copy(&copy);
    return rc < 0 ? store_fail(err, s->builds[w->build].tree.name, leaf) : rc;
}

/* One of the files that a tree waits for is there. */
static int arrived(struct store *s, size_t build, struct repx_err *err)
{
    struct build *b = &s->builds[build];

    return --b->missing == 0 ? store_commit(s, b, err) : 0;
}

/* Where an object that is here can be read now. */
static char *place_of(struct store *s, const struct object *o, int *dir)
{
    const struct build *b = &s->builds[o->first.build];
    const struct store_item *item = &b->tree.items[o->first.item];
    char hex[DIGEST_HEX];

    if (!b->standing) {
        *dir = s->stage_fd;
        return staged_path(b, item->path);
    }
    if (b->parked) {
        digest_hex(&b->tree.digest, hex);
        *dir = s->site->state_fd;
        return repx_format("pkg/%s/%s", hex, item->path);
    }
    *dir = s->site->base_fd;
    return *item->path ? repx_format("%s/%s", b->tree.name, item->path)
                       : repx_strdup(b->tree.name);
}

/* Fill wanted[i] from wanted[0]. */
static int fill_other(struct store *s, const struct object *o, size_t i,
                      struct repx_err *err)
{
    struct store_copy from = {0};
    REPX_AUTO_FREE char *path = place_of(s, o, &from.from_dir);

    from.from = path;
    int rc = take_from(s, o, store_object_at(o, i), &from, err);
    if (rc == 0) {
        return repx_fail(err, REPX_E_FAILED,
                         "%s: changed while the transfer went on; run again", path);
    }
    return rc < 0 ? -1 : 0;
}

int store_spread(struct store *s, struct object *o, struct repx_err *err)
{
    o->state = OBJECT_HERE;
    for (size_t i = 1; i < o->wanted_count; i++) {
        if (fill_other(s, o, i, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < o->wanted_count; i++) {
        if (arrived(s, store_object_at(o, i)->build, err) < 0)
            return -1;
    }
    return 0;
}

int store_deliver(struct store *s, struct object *o, int dir, const char *path,
                  struct repx_err *err)
{
    const struct store_copy from = {.from_dir = dir, .from = path};
    int rc = take_from(s, o, &o->first, &from, err);

    return rc <= 0 ? rc : store_spread(s, o, err) < 0 ? -1 : 1;
}

/* A file of B that the index knows to hold this content: fill w with it. 1, 0 none, -1. */
static int from_index(struct store *s, const struct object *o,
                      const struct wanted_at *w, uint8_t executable,
                      struct repx_err *err)
{
    struct object_index *ix = store_index(s);

    for (size_t i = index_find(ix, &o->digest, executable); i != INDEX_END;
         i = index_at(ix, i)->next) {
        struct index_entry *e = index_at(ix, i);
        if (e->dropped)
            continue;
        if (!store_still(s, e)) {
            index_drop(e);
            continue;
        }
        const struct store_copy from = {.from_dir = s->site->base_fd, .from = e->path};
        int rc = take_from(s, o, w, &from, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int from_either(struct store *s, const struct object *o,
                       const struct wanted_at *w, struct repx_err *err)
{
    int rc = from_index(s, o, w, o->executable, err);

    return rc == 0 ? from_index(s, o, w, !o->executable, err) : rc;
}

int store_refill(struct store *s, struct object *o, struct repx_err *err)
{
    int rc = from_either(s, o, &o->first, err);

    return rc <= 0 ? rc : store_spread(s, o, err) < 0 ? -1 : 1;
}

/* 1 when the item is filled, 0 when its object is missing, -1. */
static int file_here(struct store *s, struct object **object, const struct wanted_at *w,
                     struct repx_err *err)
{
    struct build *b = &s->builds[w->build];
    const struct store_item *item = &b->tree.items[w->item];
    struct object *o = store_object_find(s, &item->digest, item->executable);

    *object = o;
    if (o && o->length != item->length) {
        return repx_fail(err, REPX_E_CORRUPT, "%s/%s: two lengths for one digest",
                         b->tree.name, item->path);
    }
    if (o) {
        store_object_want(o, w->build, w->item);
        if (o->state != OBJECT_HERE)
            return 0;
        return fill_other(s, o, o->wanted_count - 1, err) < 0 ? -1 : 1;
    }
    *object = o = store_object_add(s, item);
    store_object_want(o, w->build, w->item);
    int rc = from_either(s, o, w, err);
    if (rc == 1)
        o->state = OBJECT_HERE;
    return rc;
}

static int make_dirs(struct store *s, const struct build *b, struct repx_err *err)
{
    for (size_t i = 0; i < b->tree.dir_count && !b->tree.single; i++) {
        REPX_AUTO_FREE char *path = staged_path(b, b->tree.dirs[i].path);
        if (store_mkdirat(s->stage_fd, path) < 0)
            return store_fail(err, "the staging directory", path);
    }
    return 0;
}

static int make_link(struct store *s, const struct build *b,
                     const struct store_item *item, struct repx_err *err)
{
    REPX_AUTO_FREE char *path = staged_path(b, item->path);

    if (store_symlinkat(item->link, s->stage_fd, path) < 0)
        return store_fail(err, "the staging directory", path);
    return 0;
}

static int make_items(struct store *s, size_t build, uint64_t *lacks,
                      struct repx_err *err)
{
    struct object *o;

    for (size_t i = 0; i < s->builds[build].tree.count; i++) {
        const struct wanted_at w = {(uint32_t)build, (uint32_t)i};
        const struct store_item *item = &s->builds[build].tree.items[i];
        if (item->kind == REPX_ENTRY_LINK) {
            if (make_link(s, &s->builds[build], item, err) < 0)
                return -1;
            continue;
        }
        int rc = file_here(s, &o, &w, err);
        if (rc < 0)
            return -1;
        s->builds[build].missing += rc == 0;
        *lacks += rc == 0;
    }
    return 0;
}

int store_build(struct store *s, struct store_tree *tree, uint64_t *lacks,
                struct repx_err *err)
{
    if (store_stage(s, err) < 0)
        return -1;
    if (s->build_count == s->build_cap) {
        s->build_cap = s->build_cap ? s->build_cap * 2 : 64;
        s->builds = repx_grow(s->builds, s->build_cap, sizeof(*s->builds));
    }
    size_t at = s->build_count++;
    s->builds[at] = (struct build){
        .tree = *tree,
        .name_hash = store_name_hash(tree->name),
        .staged = repx_format("t%llu", (unsigned long long)s->staged_count++)};
    *tree = (struct store_tree){0};
    if (make_dirs(s, &s->builds[at], err) < 0 || make_items(s, at, lacks, err) < 0)
        return repx_wrap(err, "%s", s->builds[at].tree.name);
    return s->builds[at].missing ? 0 : store_commit(s, &s->builds[at], err);
}
