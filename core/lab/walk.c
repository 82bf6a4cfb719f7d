/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* getdents64: a third of the system calls of readdir */
/* A directory becomes an index. Level by level, so that two threads always have
 * directories to read; no link is followed on the way. Regular files are not even looked
 * at: whoever needs a digest opens them anyway. */
#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "source.h"

#define LEVELS_MAX 64
#define LINK_LONGEST 4096
#define READ_STEP 32768
#define ENTRIES_MAX 8000000u

void stamp_of(const struct stat *st, struct stamp *stamp)
{
    stamp->dev = (uint64_t)st->st_dev;
    stamp->ino = (uint64_t)st->st_ino;
    stamp->mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    stamp->ctime_ns = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

int stamp_equal(const struct stamp *a, const struct stamp *b)
{
    return a->ino == b->ino && a->dev == b->dev && a->mtime_ns == b->mtime_ns &&
           a->ctime_ns == b->ctime_ns;
}

/* One level of directories, being read. */
struct level {
    struct source *s;
    size_t *dirs; /* where they stand in the index; INDEX_NONE: the Lab itself */
    size_t count;
    struct index found[LAB_WORKERS];
};

static const char *join(struct arena *a, const char *dir, const char *name)
{
    size_t n = strlen(dir), m = strlen(name);

    if (n == 0)
        return arena_text(a, name, m);
    char *path = arena_bytes(a, n + m + 2), *end = stpcpy(path, dir);
    *end = '/';
    (void)stpcpy(end + 1, name);
    return path;
}

static int add_link(struct level *l, unsigned worker, int dir, const char *name,
                    const char *path)
{
    char target[LINK_LONGEST];
    struct stat st;
    ssize_t n = readlinkat(dir, name, target, sizeof(target));

    if (n <= 0 || (size_t)n >= sizeof(target) ||
        fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    const char *link = arena_text(&l->s->arenas[worker], target, (size_t)n);
    struct stamp *stamp = index_add(&l->found[worker], REPX_ENTRY_LINK, path, link);
    stamp_of(&st, stamp);
    stamp->flags = STAMP_KNOWN;
    return 0;
}

static unsigned char kind_of(int dir, const struct dirent64 *e)
{
    struct stat st;

    if (e->d_type != DT_UNKNOWN)
        return e->d_type;
    if (fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return DT_UNKNOWN;
    if (S_ISLNK(st.st_mode))
        return DT_LNK;
    if (S_ISDIR(st.st_mode))
        return DT_DIR;
    return S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
}

static int add_child(struct level *l, unsigned worker, const char *dir_path, int dir,
                     const struct dirent64 *e)
{
    struct index *found = &l->found[worker];
    const char *path;

    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
        return 0;
    unsigned char kind = kind_of(dir, e);
    if (kind != DT_LNK && kind != DT_DIR && kind != DT_REG)
        return 0; /* sockets and the like are not part of a Lab */
    path = join(&l->s->arenas[worker], dir_path, e->d_name);
    if (kind == DT_LNK)
        return add_link(l, worker, dir, e->d_name, path);
    (void)index_add(found, kind == DT_DIR ? REPX_ENTRY_DIR : REPX_ENTRY_FILE, path,
                    NULL);
    return 0;
}

static int read_children(struct level *l, unsigned worker, const char *path, int fd)
{
    _Alignas(struct dirent64) char block[READ_STEP];
    ssize_t n;

    while ((n = getdents64(fd, block, sizeof(block))) > 0) {
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *e = (const void *)(block + at);
            if (add_child(l, worker, path, fd, e) < 0)
                return -1;
            at += e->d_reclen;
        }
    }
    return n < 0 ? -1 : 0;
}

static int read_directory(void *ctx, size_t i, unsigned worker, struct repx_err *err)
{
    struct level *l = ctx;
    size_t at = l->dirs[i];
    const char *path = at == INDEX_NONE ? "." : l->s->index.entries[at].path;
    REPX_AUTO_CLOSE int fd =
        openat(l->s->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 ||
        read_children(l, worker, at == INDEX_NONE ? "" : path, fd) < 0)
        return repx_fail_errno(err, "%s: cannot be read", path);
    if (at != INDEX_NONE) {
        stamp_of(&st, &l->s->index.stamps[at]);
        l->s->index.stamps[at].flags = STAMP_KNOWN;
    }
    return 0;
}

/* Append what the workers found; its directories are the next level. */
static void gather(struct level *l)
{
    struct index *to = &l->s->index;
    size_t n = 0;

    for (size_t w = 0; w < LAB_WORKERS; w++)
        n += l->found[w].count;
    free(l->dirs);
    l->dirs = repx_array(n + 1, sizeof(*l->dirs));
    l->count = 0;
    for (size_t w = 0; w < LAB_WORKERS; w++) {
        for (size_t i = 0; i < l->found[w].count; i++) {
            const struct repx_entry *e = &l->found[w].entries[i];
            if (e->kind == REPX_ENTRY_DIR)
                l->dirs[l->count++] = to->count;
            struct stamp *stamp = index_add(to, e->kind, e->path, e->link);
            *stamp = l->found[w].stamps[i];
        }
        index_free(&l->found[w]);
    }
}

/* The Lab's own directory is not an entry, but a change in it must be noticed too. */
static int stamp_root(struct source *s, struct repx_err *err)
{
    struct stat st;

    if (fstat(s->fd, &st) < 0)
        return repx_fail_errno(err, "the Lab's directory");
    stamp_of(&st, &s->whole);
    return 0;
}

int walk_has_manifest(const struct source *s)
{
    static const char end[] = "lab-metadata.json";
    int fd = openat(s->fd, "lab", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    int found = 0;

    if (!d) {
        if (fd >= 0)
            repx_close_fd(&fd);
        return 0;
    }
    for (struct dirent *e = readdir(d); e && !found; e = readdir(d)) {
        size_t n = strlen(e->d_name), tail = sizeof(end) - 1;
        found = n >= tail && strcmp(e->d_name + n - tail, end) == 0;
    }
    (void)closedir(d);
    return found;
}

int walk_directory(struct source *s, struct repx_err *err)
{
    struct level l = {.s = s, .count = 1};
    int rc = stamp_root(s, err);

    l.dirs = repx_array(1, sizeof(*l.dirs));
    l.dirs[0] = INDEX_NONE;
    for (int depth = 0; rc == 0 && l.count; depth++) {
        if (depth == LEVELS_MAX || s->index.count > ENTRIES_MAX) {
            rc = repx_fail(err, REPX_E_CORRUPT,
                           "more than %d levels of directories, or %u entries; name a "
                           "Lab",
                           LEVELS_MAX, ENTRIES_MAX);
        } else {
            rc = lab_parallel(l.count, read_directory, &l, err);
        }
        gather(&l);
    }
    free(l.dirs);
    if (rc == 0)
        index_settle(&s->index);
    return rc;
}

/* An entry of the remembered index against the disk. -1: not as remembered. */
static int look_again(void *ctx, size_t i, unsigned worker, struct repx_err *err)
{
    struct source *s = ctx;
    struct repx_entry *e = &s->index.entries[i];
    struct stamp *was = &s->index.stamps[i], now = {0};
    struct stat st;

    (void)worker;
    (void)err;
    if (fstatat(s->fd, e->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    stamp_of(&st, &now);
    int same = stamp_equal(was, &now);
    if (e->kind != REPX_ENTRY_FILE)
        return same ? 0 : -1;
    if (!S_ISREG(st.st_mode))
        return -1;
    if (same && (uint64_t)st.st_size == e->length)
        return 0;
    was->flags = 0; /* another file now: read it again */
    return 0;
}

int walk_again(struct source *s)
{
    struct stamp was = s->whole;

    if (stamp_root(s, NULL) < 0 || !stamp_equal(&was, &s->whole))
        return 0;
    return lab_parallel(s->index.count, look_again, s, NULL) == 0;
}
