/* SPDX-License-Identifier: MIT */
/* runtime_layer.c: a layer that was unpacked alone, put over others.
 *
 * Its notes tell what a directory cannot: "w" path: a whiteout; "d" path: a directory that
 * the layer has itself, so that it takes the place of a link (others only lead to what
 * lies in them); "l" path, target: a hard link to another layer's file. Each text ends
 * with NUL. */
#define _DEFAULT_SOURCE /* d_type */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/runtime_tar.h"

#define DEEPEST 1000

struct merging {
    int root;
    const struct layer_options *o;
    const char **dirs; /* sorted */
    size_t dir_count;
    unsigned done;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void tick(struct merging *m)
{
    if (m->o->tick && m->done++ % 256 == 0)
        m->o->tick(m->o->ctx);
}

/* ---- notes ---- */

typedef int note_fn(struct merging *m, char type, const char *path, const char *target,
                    struct repx_err *err);

static int each_note(struct merging *m, const struct repx_buf *notes, note_fn *each,
                     struct repx_err *err)
{
    const char *at = notes->data, *end = at ? at + notes->len : at;

    while (at < end) {
        char type = *at++;
        const char *path = at, *stop = memchr(at, 0, (size_t)(end - at));
        const char *target = stop ? stop + 1 : end;
        if (stop && type == 'l')
            stop = target < end ? memchr(target, 0, (size_t)(end - target)) : NULL;
        if (!stop)
            return repx_fail(err, REPX_E_CORRUPT, "layer: notes that are cut off");
        if (each(m, type, path, target, err) < 0)
            return -1;
        at = stop + 1;
    }
    return 0;
}

static int first_look(struct merging *m, char type, const char *path,
                      const char *target, struct repx_err *err)
{
    (void)target;
    if (type == 'w')
        return root_whiteout(m->root, path, err);
    if (type != 'd')
        return 0;
    if (!(m->dir_count & (m->dir_count - 1)))
        m->dirs = repx_grow(m->dirs, m->dir_count * 2 + 1, sizeof(*m->dirs));
    m->dirs[m->dir_count++] = path;
    return 0;
}

static int last_look(struct merging *m, char type, const char *path, const char *target,
                     struct repx_err *err)
{
    struct repx_err why = {0};

    if (type != 'l')
        return 0;
    REPX_AUTO_FREE char *place = root_place_of(m->root, path, &why);
    if (!place)
        return repx_fail(err, REPX_E_CORRUPT, "layer: %s: %s", path, why.text);
    return root_hard_link(m->root, place, target, err);
}

/* ---- entries ---- */

static int copy_file(struct merging *m, int dir, const char *name, const char *place,
                     const struct stat *st, struct repx_err *err)
{
    const struct timespec times[2] = {st->st_mtim, st->st_mtim};
    char chunk[65536];
    REPX_AUTO_CLOSE int in = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    REPX_AUTO_CLOSE int out =
        openat(m->root, place, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
               st->st_mode & 0777);
    ssize_t n;

    if (in < 0 || out < 0)
        return repx_fail_errno(err, "%s", place);
    while ((n = read(in, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || repx_write_all(out, chunk, (size_t)n) < 0)
            return repx_fail_errno(err, "%s", place);
    }
    (void)futimens(out, times);
    return 0;
}

static int put_entry(struct merging *m, int dir, const char *name, const char *path,
                     const struct stat *st, struct repx_err *err)
{
    struct repx_err why = {0};
    REPX_AUTO_FREE char *place = root_place_of(m->root, path, &why);
    char target[4097];

    if (!place)
        return repx_fail(err, REPX_E_CORRUPT, "layer: %s: %s", path, why.text);
    if (repx_remove_tree(m->root, place, err) < 0)
        return -1;
    if (S_ISLNK(st->st_mode)) {
        ssize_t n = readlinkat(dir, name, target, sizeof target - 1);
        target[n > 0 ? n : 0] = 0;
        return n <= 0 || symlinkat(target, m->root, place) < 0
                   ? repx_fail_errno(err, "%s", place)
                   : 0;
    }
    if (linkat(dir, name, m->root, place, 0) == 0)
        return 0;
    if (errno != EXDEV && errno != EMLINK && errno != EPERM)
        return repx_fail_errno(err, "%s", place);
    return copy_file(m, dir, name, place, st, err);
}

static int put_directory(struct merging *m, const char *path, const struct stat *st,
                         struct repx_err *err)
{
    struct repx_err why = {0};

    if (!m->dir_count ||
        !bsearch(&path, m->dirs, m->dir_count, sizeof(*m->dirs), by_text))
        return root_place(m->root, path, 1, err);
    REPX_AUTO_FREE char *place = root_place_of(m->root, path, &why);
    if (!place)
        return repx_fail(err, REPX_E_CORRUPT, "layer: %s: %s", path, why.text);
    return root_put_dir(m->root, place, st->st_mode & 0777u, err);
}

static int merge_dir(struct merging *m, int dir, const char *prefix, int depth,
                     struct repx_err *err);

static int merge_entry(struct merging *m, int dir, const char *name, const char *prefix,
                       int depth, struct repx_err *err)
{
    REPX_AUTO_FREE char *path =
        *prefix ? repx_format("%s/%s", prefix, name) : repx_strdup(name);
    struct stat st;

    tick(m);
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return repx_fail_errno(err, "%s", path);
    if (!S_ISDIR(st.st_mode))
        return put_entry(m, dir, name, path, &st, err);
    if (put_directory(m, path, &st, err) < 0)
        return -1;
    int sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return sub < 0 ? repx_fail_errno(err, "%s", path)
                   : merge_dir(m, sub, path, depth + 1, err);
}

/* Takes dir over. */
static int merge_dir(struct merging *m, int dir, const char *prefix, int depth,
                     struct repx_err *err)
{
    DIR *d = depth > DEEPEST ? NULL : fdopendir(dir);
    int rc = 0;

    if (!d) {
        repx_close_fd(&dir);
        return repx_fail(err, REPX_E_CORRUPT, "layer: %.200s: too deep", prefix);
    }
    for (struct dirent *e = readdir(d); e && rc == 0; e = readdir(d)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = merge_entry(m, dirfd(d), e->d_name, prefix, depth, err);
    }
    (void)closedir(d);
    return rc;
}

int layer_merge(int from, const struct repx_buf *notes, int root,
                const struct layer_options *o, struct repx_err *err)
{
    struct merging m = {.root = root, .o = o};
    int dir = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc =
        dir < 0 ? repx_fail_errno(err, "layer") : each_note(&m, notes, first_look, err);

    if (rc == 0 && m.dir_count)
        qsort(m.dirs, m.dir_count, sizeof(*m.dirs), by_text);
    if (rc == 0) {
        rc = merge_dir(&m, dir, "", 0, err);
    } else {
        repx_close_fd(&dir);
    }
    if (rc == 0)
        rc = each_note(&m, notes, last_look, err);
    free(m.dirs);
    return rc;
}
