/* SPDX-License-Identifier: MIT */
/* Is a tree at a name already? Every entry is looked at with one stat; content is hashed only
 * where the index has no witness for it, and what was hashed is noted there. */
#include "store_own.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>

struct look {
    struct store *s;
    const struct store_tree *tree;
    const char *name; /* below B, for the index; NULL: outside of it */
    int top;          /* the tree's directory; or, for a single one, its parent */
    int dir;          /* of the current item */
    struct stat dir_st, top_st;
    const char *leaf; /* single: the name's last component */
};

static int holds_as_many(int fd, size_t children)
{
    int copy = store_openat(fd, ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    size_t n = 0;

    if (!d) {
        repx_close_fd(&copy);
        return 0;
    }
    for (struct dirent *e = readdir(d); e && n <= children; e = readdir(d))
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    (void)closedir(d);
    return n == children;
}

static char *path_of(const struct look *l, const struct store_item *item)
{
    if (!*item->path)
        return repx_strdup(l->name);
    return repx_format("%s/%s", l->name, item->path);
}

static int witness_agrees(const struct look *l, const struct index_entry *e,
                          const struct store_item *item, const struct stat *st)
{
    return e->executable == item->executable &&
           memcmp(&e->digest, &item->digest, sizeof(e->digest)) == 0 &&
           index_agrees(e, st, l->tree->single ? NULL : &l->dir_st) &&
           (l->tree->single || index_stood(e, &l->top_st));
}

static void note_file(struct store *s, const char *path, const struct digest *digest,
                      const struct stat *st)
{
    char *own = repx_strdup(path);
    const struct index_entry e = {.digest = *digest,
                                  .executable = (st->st_mode & S_IXUSR) != 0,
                                  .size = (uint64_t)st->st_size,
                                  .sec = st->st_mtim.tv_sec,
                                  .nsec = (uint32_t)st->st_mtim.tv_nsec,
                                  .ino = st->st_ino,
                                  .path = own};

    index_add(store_index(s), &e);
    free(own);
}

void store_learn(struct store *s, int dir, const char *leaf, const char *path,
                 const struct stat *st)
{
    struct digest got;
    uint64_t length;

    if (store_hash(dir, leaf, &got, &length) && length == (uint64_t)st->st_size)
        note_file(s, path, &got, st);
}

static int hash_agrees(const struct look *l, const struct store_item *item,
                       const char *leaf, const char *path, const struct stat *st)
{
    struct digest got;
    uint64_t length;

    if (!store_hash(l->dir, leaf, &got, &length) ||
        memcmp(&got, &item->digest, sizeof(got)) != 0)
        return 0;
    if (path)
        note_file(l->s, path, &got, st);
    return 1;
}

static int same_file(const struct look *l, const struct store_item *item,
                     const char *leaf, const struct stat *st)
{
    if (!S_ISREG(st->st_mode) || (uint64_t)st->st_size != item->length ||
        ((st->st_mode & S_IXUSR) != 0) != (int)item->executable)
        return 0;
    REPX_AUTO_FREE char *path = l->name ? path_of(l, item) : NULL;
    const struct index_entry *e = path ? index_path(store_index(l->s), path) : NULL;
    return (e && !l->s->read_all && witness_agrees(l, e, item, st)) ||
           hash_agrees(l, item, leaf, path, st);
}

static int same_item(const struct look *l, const struct store_item *item)
{
    const char *leaf = *item->path ? item->leaf : l->leaf;
    struct stat st;

    if (store_lstat(l->dir, leaf, &st) < 0)
        return 0;
    if (item->kind == REPX_ENTRY_FILE)
        return same_file(l, item, leaf, &st);
    if (!S_ISLNK(st.st_mode))
        return 0;
    REPX_AUTO_FREE char *link = store_readlink(l->dir, leaf);
    return link && strcmp(link, item->link) == 0;
}

/* Open directory i of the tree as l->dir. */
static int enter(struct look *l, size_t i)
{
    if (l->dir != l->top)
        repx_close_fd(&l->dir);
    l->dir = i ? store_walk(l->top, l->tree->dirs[i].path, 0) : l->top;
    if (l->dir < 0 || fstat(l->dir, &l->dir_st) < 0)
        return 0;
    if (!i)
        l->top_st = l->dir_st;
    return holds_as_many(l->dir, l->tree->dirs[i].children);
}

static int same_tree(struct look *l)
{
    const struct store_tree *t = l->tree;

    for (size_t i = 0; i < t->dir_count; i++) {
        if (!enter(l, i))
            return 0;
    }
    size_t in = t->dir_count - 1;
    for (size_t i = 0; i < t->count; i++) {
        if (t->items[i].dir != in && !enter(l, t->items[i].dir))
            return 0;
        in = t->items[i].dir;
        if (!same_item(l, &t->items[i]))
            return 0;
    }
    return 1;
}

int store_same(struct store *s, const struct store_tree *tree, int dir,
               const char *name, int index)
{
    const char *slash = strrchr(name, '/');
    REPX_AUTO_FREE char *parent =
        tree->single ? repx_strndup(name, slash ? (size_t)(slash - name) : 0)
                     : repx_strdup(name);
    struct look l = {.s = s,
                     .tree = tree,
                     .name = index ? name : NULL,
                     .leaf = slash ? slash + 1 : name};

    l.top = l.dir = store_walk(dir, parent, 0);
    if (l.top < 0)
        return 0;
    int same = tree->single ? same_item(&l, &tree->items[0]) : same_tree(&l);
    if (l.dir != l.top)
        repx_close_fd(&l.dir);
    repx_close_fd(&l.top);
    return same;
}

static void learn_item(struct look *l, const struct store_item *item)
{
    REPX_AUTO_FREE char *path = path_of(l, item);
    const struct index_entry *e = index_path(store_index(l->s), path);
    struct stat st;

    if ((!e || e->dropped) && store_lstat(l->dir, item->leaf, &st) == 0 &&
        S_ISREG(st.st_mode) && (uint64_t)st.st_size == item->length)
        store_learn(l->s, l->dir, item->leaf, path, &st);
}

void store_same_learn(struct store *s, const struct store_tree *tree)
{
    struct look l = {.s = s, .tree = tree, .name = tree->name};

    l.top = l.dir = tree->single ? -1 : store_walk(s->site->base_fd, tree->name, 0);
    if (l.top < 0)
        return;
    size_t in = 0;
    for (size_t i = 0; i < tree->count; i++) {
        const struct store_item *item = &tree->items[i];
        if (item->kind != REPX_ENTRY_FILE)
            continue;
        if (item->dir != in)
            (void)enter(&l, item->dir); /* also one that holds more or less */
        in = item->dir;
        if (l.dir >= 0)
            learn_item(&l, item);
    }
    if (l.dir != l.top)
        repx_close_fd(&l.dir);
    repx_close_fd(&l.top);
}
