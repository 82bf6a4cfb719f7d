/* SPDX-License-Identifier: MIT */
/* A tree that is whole gets its name: one rename. What stood there before is moved into the
 * staging directory and removed with it; job packages are kept (store_package.c). */
#include "store_own.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/buf.h>

char *store_aside(struct store *s, int dir, const char *name, struct repx_err *err)
{
    if (store_stage(s, err) < 0)
        return NULL;
    char *aside = repx_format("old%llu", (unsigned long long)s->staged_count++);
    if (store_move(dir, name, s->stage_fd, aside) == 0)
        return aside;
    (void)store_fail(err, s->site->base, name);
    free(aside);
    return NULL;
}

/* Move what is at the name aside, and the new there. */
static int displace(struct store *s, int from_dir, const char *from,
                    const struct store_tree *tree, struct repx_err *err)
{
    const char *leaf;
    int parent = store_parent(s, tree->name, &leaf, err);
    REPX_AUTO_FREE char *aside = parent < 0 ? NULL : store_aside(s, parent, leaf, err);

    if (!aside)
        return -1;
    if (store_move(from_dir, from, parent, leaf) == 0)
        return 0;
    int saved = errno;
    (void)store_rename(s->stage_fd, aside, parent, leaf);
    errno = saved;
    return store_fail(err, s->site->base, tree->name);
}

/* 0 it stands, 1 it has to wait, -1. */
static int move_in(struct store *s, const struct build *b, struct repx_err *err)
{
    const struct store_tree *tree = &b->tree;
    const char *from = b->staged, *leaf;
    int from_dir = s->stage_fd, parent = store_parent(s, tree->name, &leaf, err);

    if (parent < 0)
        return -1;
    if (tree->single) {
        store_keep_coming(s, b);
        store_keep(s, tree->name);
    }
    package_forget_gone(s, tree->name);
    if (store_move(from_dir, from, parent, leaf) == 0)
        return 0;
    if (!store_in_the_way(errno))
        return store_fail(err, s->site->base, tree->name);
    /* another session may have brought the same in the meantime */
    if (store_same(s, tree, s->site->base_fd, tree->name, 1))
        return 0;
    return store_name_job(tree->name) ? package_replace(s, from_dir, from, tree, err)
                                      : displace(s, from_dir, from, tree, err);
}

/* Content lies under its final path from now on. `top` is what has the name: one stat bounds
 * the times of all of it. */
static void note(struct store *s, const struct build *b, const struct stat *top)
{
    struct object_index *ix = store_index(s);
    REPX_AUTO_BUF struct repx_buf path = {0};
    size_t n = strlen(b->tree.name);

    repx_buf_add(&path, b->tree.name, n);
    for (size_t i = 0; i < b->tree.count; i++) {
        const struct store_item *item = &b->tree.items[i];
        if (item->kind != REPX_ENTRY_FILE)
            continue;
        path.len = n;
        repx_buf_str(&path, *item->path ? "/" : "");
        repx_buf_str(&path, item->path);
        const struct index_entry e = {.digest = item->digest,
                                      .executable = item->executable,
                                      .size = item->length,
                                      .sec = top->st_ctim.tv_sec,
                                      .nsec = (uint32_t)top->st_ctim.tv_nsec,
                                      .path = path.data};
        index_add(ix, &e);
    }
    index_tree_add(ix, b->tree.name, &b->tree.digest);
    store_note_tree(s, &b->tree, top->st_ino);
}

/* What has the name may be another session's by now. Of a package that gave it up the digest
 * tells, whose link could not be made any more; of a file (0: of none), its inode. */
static int settle(struct store *s, const struct build *b, ino_t ino,
                  struct repx_err *err)
{
    const char *leaf;
    struct stat top;
    int parent = store_parent(s, b->tree.name, &leaf, err);

    if (parent < 0)
        return -1;
    int there = store_lstat(parent, leaf, &top) == 0;
    if (!there && errno != ENOENT)
        return store_fail(err, s->site->base, b->tree.name);
    int rc = package_link(s, &b->tree, err);
    if (rc < 0)
        return -1;
    if (there && rc == 0 &&
        (!ino || ino == top.st_ino ||
         store_same(s, &b->tree, s->site->base_fd, b->tree.name, 0))) {
        note(s, b, &top);
    } else {
        s->not_to_remember = 1;
    }
    return 0;
}

/* One call more, of trees that are few. */
static ino_t inode_of_file(const struct store *s, const struct build *b)
{
    struct stat st;

    return b->tree.single && store_lstat(s->stage_fd, b->staged, &st) == 0 ? st.st_ino
                                                                           : 0;
}

int store_commit(struct store *s, struct build *b, struct repx_err *err)
{
    ino_t ino = inode_of_file(s, b);
    int rc = move_in(s, b, err);

    if (rc < 0)
        return -1;
    b->standing = 1;
    if (rc == 0)
        return settle(s, b, ino, err);
    b->parked = 1;
    return package_park(s, b, err);
}
