/* SPDX-License-Identifier: MIT */
/* A tree that is whole gets its name: one rename. What stood there before is moved into the
 * staging directory and removed with it. */
#include "store_own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/buf.h>
#include <kit/file.h>

#define HEX_ROOM DIGEST_HEX

/* ---- packages in S/pkg ---- */

/* Waiting packages lie on the file system of B, too: see store_stage.c. Borrowed. */
static int waiting_dir(struct store *s)
{
    struct stat base, state;

    if (s->waiting_fd >= 0 || fstat(s->site->base_fd, &base) < 0 ||
        fstat(s->site->state_fd, &state) < 0)
        return s->waiting_fd;
    s->waiting_fd = base.st_dev == state.st_dev
                        ? store_walk(s->site->state_fd, "pkg", 1)
                        : store_walk(s->site->base_fd, ".repx/pkg", 1);
    return s->waiting_fd;
}

static int state_is_private(const struct store *s)
{
    size_t n = strlen(s->site->base);

    return strncmp(s->site->state, s->site->base, n) == 0 &&
           strcmp(s->site->state + n, "/.repx") == 0;
}

static char *package_target(const struct store *s, const char *job)
{
    if (state_is_private(s))
        return repx_format("../../artifacts/jobs/%s", job);
    return repx_format("%s/artifacts/jobs/%s", s->site->base, job);
}

/* Make S/pkg/HEX a link with that text, whatever link is there. */
static int point(struct store *s, const char *hex, const char *text,
                 struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("pkg/%s", hex);
    REPX_AUTO_FREE char *tmp = repx_format("pkg/.%s.%ld", hex, (long)getpid());

    if (store_symlinkat(text, s->site->state_fd, path) == 0)
        return 0;
    if (errno == ENOENT) {
        (void)store_mkdirat(s->site->state_fd, "pkg");
        if (store_symlinkat(text, s->site->state_fd, path) == 0)
            return 0;
    }
    if (errno != EEXIST)
        return store_fail(err, s->site->state, path);
    REPX_AUTO_FREE char *now = store_readlink(s->site->state_fd, path);
    if (!now || strcmp(now, text) == 0)
        return 0; /* a directory holds the same tree as well as a link to it */
    (void)store_unlinkat(s->site->state_fd, tmp);
    if (store_symlinkat(text, s->site->state_fd, tmp) < 0 ||
        store_rename(s->site->state_fd, tmp, s->site->state_fd, path) < 0)
        return store_fail(err, s->site->state, path);
    return 0;
}

int store_package_link(struct store *s, const struct store_tree *tree,
                       struct repx_err *err)
{
    const char *job = store_name_job(tree->name);
    char hex[HEX_ROOM];

    if (!job)
        return 0;
    REPX_AUTO_FREE char *text = package_target(s, job);
    digest_hex(&tree->digest, hex);
    return point(s, hex, text, err);
}

struct old_package {
    struct store *s;
    const char *job, *name;
    const struct digest *now;
};

/* S/pkg of a tree that no longer stands at the job's name must not lead there; packages of
 * several jobs may be the same tree, then it leads to another of them. A set that relies on
 * one that has to go is not known any more (store_known.c looks). */
static void forget_old(void *ctx, const struct digest *digest)
{
    struct old_package *old = ctx;
    struct store *s = old->s;
    struct repx_err ignored = {0};
    char hex[HEX_ROOM];
    struct stat st;

    if (memcmp(digest, old->now, sizeof(*digest)) == 0)
        return;
    digest_hex(digest, hex);
    REPX_AUTO_FREE char *path = repx_format("pkg/%s", hex);
    REPX_AUTO_FREE char *text = package_target(s, old->job);
    REPX_AUTO_FREE char *now = store_readlink(s->site->state_fd, path);
    if (!now || strcmp(now, text) != 0)
        return;
    const char *other = index_tree_elsewhere(store_index(s), digest, old->name);
    const char *job = other ? store_name_job(other) : NULL;
    if (job && store_lstat(s->site->base_fd, other, &st) == 0) {
        REPX_AUTO_FREE char *there = package_target(s, job);
        (void)point(s, hex, there, &ignored);
        return;
    }
    (void)store_unlinkat(s->site->state_fd, path);
}

/* Or is about to: S/next becomes S/live when its turn has come, so it is looked at first. */
static int somebody_works(struct store *s, const char *job)
{
    REPX_AUTO_FREE char *next = repx_format("next/%s", job);
    REPX_AUTO_FREE char *live = repx_format("live/%s", job);
    struct stat st;

    return store_lstat(s->site->state_fd, next, &st) == 0 ||
           store_lstat(s->site->state_fd, live, &st) == 0;
}

/* ---- names ---- */

static int is_in_the_way(int error)
{
    return error == EEXIST || error == ENOTEMPTY || error == ENOTDIR || error == EISDIR;
}

/* Move what is at the name aside, and the new there. */
static int displace(struct store *s, int from_dir, const char *from,
                    const struct store_tree *tree, struct repx_err *err)
{
    REPX_AUTO_FREE char *aside =
        repx_format("old%llu", (unsigned long long)s->staged_count++);
    const char *job = store_name_job(tree->name), *leaf;

    if (store_stage(s, err) < 0)
        return -1;
    int parent = store_parent(s, tree->name, &leaf, err);
    if (parent < 0)
        return -1;
    if (store_move(parent, leaf, s->stage_fd, aside) < 0)
        return store_fail(err, s->site->base, tree->name);
    if (store_move(from_dir, from, parent, leaf) < 0) {
        int saved = errno;
        (void)store_rename(s->stage_fd, aside, parent, leaf);
        errno = saved;
        return store_fail(err, s->site->base, tree->name);
    }
    if (job) {
        struct old_package old = {s, job, tree->name, &tree->digest};
        index_tree_each(store_index(s), tree->name, forget_old, &old);
    }
    return 0;
}

/* 0 it stands, 1 it has to wait, -1. */
static int move_in(struct store *s, int from_dir, const char *from,
                   const struct store_tree *tree, struct repx_err *err)
{
    const char *job = store_name_job(tree->name), *leaf;
    int parent = store_parent(s, tree->name, &leaf, err);

    if (parent < 0)
        return -1;
    if (tree->single)
        store_keep(s, tree->name);
    if (store_move(from_dir, from, parent, leaf) == 0)
        return 0;
    if (!is_in_the_way(errno))
        return store_fail(err, s->site->base, tree->name);
    /* another session may have brought the same in the meantime */
    if (store_same(s, tree, s->site->base_fd, tree->name, 1))
        return 0;
    if (job && somebody_works(s, job))
        return 1;
    return displace(s, from_dir, from, tree, err);
}

/* The package stays in S/pkg under its digest. */
static int park(struct store *s, struct build *b, struct repx_err *err)
{
    char hex[HEX_ROOM];
    int dir = waiting_dir(s);

    digest_hex(&b->tree.digest, hex);
    if (dir < 0)
        return store_fail(err, s->site->state, "pkg");
    (void)store_unlinkat(dir, hex); /* a link to where it stood at another time */
    if (store_rename(s->stage_fd, b->staged, dir, hex) < 0 && !is_in_the_way(errno))
        return store_fail(err, s->site->state, "pkg");
    b->parked = 1;
    s->parked = 1;
    REPX_AUTO_FREE char *path = repx_format("pkg/%s", hex);
    struct stat st;
    if (store_lstat(s->site->state_fd, path, &st) == 0)
        return 0;
    REPX_AUTO_FREE char *text = repx_format("%s/.repx/pkg/%s", s->site->base, hex);
    return point(s, hex, text, err);
}

int store_package_waits(struct store *s, const struct store_tree *tree, int *parked,
                        struct repx_err *err)
{
    const char *job = store_name_job(tree->name);
    int dir = job ? waiting_dir(s) : -1;
    char hex[HEX_ROOM];
    struct stat st;

    *parked = 0;
    digest_hex(&tree->digest, hex);
    if (dir < 0 || store_lstat(dir, hex, &st) < 0 || !S_ISDIR(st.st_mode) ||
        !store_same(s, tree, dir, hex, 0))
        return 0;
    int rc = move_in(s, dir, hex, tree, err);
    if (rc < 0)
        return -1;
    *parked = rc;
    if (rc == 1)
        return 1;
    index_tree_add(store_index(s), tree->name, &tree->digest);
    return store_package_link(s, tree, err) < 0 ? -1 : 1;
}

/* Content lies under its final path from now on. One stat bounds the times of all of it. */
static int note(struct store *s, const struct build *b, struct repx_err *err)
{
    struct object_index *ix = store_index(s);
    REPX_AUTO_BUF struct repx_buf path = {0};
    size_t n = strlen(b->tree.name);
    const char *leaf;
    struct stat st;
    int parent = store_parent(s, b->tree.name, &leaf, err);

    if (parent < 0)
        return -1;
    if (store_lstat(parent, leaf, &st) < 0)
        return store_fail(err, s->site->base, b->tree.name);
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
                                      .sec = st.st_ctim.tv_sec,
                                      .nsec = (uint32_t)st.st_ctim.tv_nsec,
                                      .path = path.data};
        index_add(ix, &e);
    }
    index_tree_add(ix, b->tree.name, &b->tree.digest);
    return 0;
}

int store_commit(struct store *s, struct build *b, struct repx_err *err)
{
    int rc = move_in(s, s->stage_fd, b->staged, &b->tree, err);

    if (rc < 0)
        return -1;
    b->standing = 1;
    store_note_tree(s, &b->tree);
    if (rc == 1)
        return park(s, b, err);
    if (note(s, b, err) < 0)
        return -1;
    return store_package_link(s, &b->tree, err);
}
