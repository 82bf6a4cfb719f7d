/* SPDX-License-Identifier: MIT */
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#define TEMPORARY ".incomplete"
#define COPY_CHUNK 65536

static struct tree_file *remember(struct tree *t, const char *path,
                                  const struct digest *digest, uint64_t bytes)
{
    t->files = pool_grow(&t->pool, t->files, t->count, sizeof(*t->files));
    struct tree_file *f = &t->files[t->count++];
    *f = (struct tree_file){pool_str(&t->pool, path), *digest};
    t->bytes += bytes;
    return f;
}

int tree_dir(struct tree *t, const char *path, struct repx_err *err)
{
    REPX_AUTO_FREE char *part = repx_strdup(path);

    if (mkdirat(t->dir, path, 0755) == 0 || errno == EEXIST)
        return 0;
    for (char *slash = strchr(part, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdirat(t->dir, part, 0755) < 0 && errno != EEXIST)
            return repx_fail_errno(err, "%s", part);
        *slash = '/';
    }
    if (mkdirat(t->dir, path, 0755) < 0 && errno != EEXIST)
        return repx_fail_errno(err, "%s", path);
    return 0;
}

static int parent(struct tree *t, const char *path, struct repx_err *err)
{
    const char *slash = strrchr(path, '/');
    REPX_AUTO_FREE char *dir =
        slash ? repx_strndup(path, (size_t)(slash - path)) : NULL;

    return dir ? tree_dir(t, dir, err) : 0;
}

static int create(struct tree *t, const char *path, mode_t mode, struct repx_err *err)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;

    if (parent(t, path, err) < 0)
        return -1;
    int fd = openat(t->dir, path, flags, mode);
    if (fd < 0)
        return repx_fail_errno(err, "%s", path);
    if (fchmod(fd, mode) < 0) { /* whatever the umask */
        (void)repx_fail_errno(err, "%s", path);
        (void)close(fd);
        return -1;
    }
    return fd;
}

static int finish(int fd, int bad, const char *path, struct repx_err *err)
{
    if (close(fd) < 0 && !bad)
        return repx_fail_errno(err, "%s", path);
    return bad ? -1 : 0;
}

int tree_write(struct tree *t, const char *path, const void *bytes, size_t n,
               struct repx_err *err)
{
    struct digest d;
    int fd = create(t, path, 0644, err);

    if (fd < 0)
        return -1;
    int bad = repx_write_all(fd, bytes, n) < 0;
    if (bad)
        (void)repx_fail_errno(err, "%s", path);
    if (finish(fd, bad, path, err) < 0)
        return -1;
    digest_of(bytes, n, &d);
    (void)remember(t, path, &d, n);
    return 0;
}

static int copy_bytes(int from, int to, struct digest *digest, uint64_t *length,
                      struct repx_err *err)
{
    REPX_AUTO_FREE char *chunk = repx_alloc(COPY_CHUNK);
    struct digest_ctx ctx;

    digest_begin(&ctx);
    for (;;) {
        ssize_t n = read(from, chunk, COPY_CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || (n > 0 && repx_write_all(to, chunk, (size_t)n) < 0))
            return repx_fail_errno(err, "copying");
        if (n == 0)
            break;
        digest_add(&ctx, chunk, (size_t)n);
        *length += (uint64_t)n;
    }
    digest_end(&ctx, digest);
    return 0;
}

int tree_copy(struct tree *t, int from, const char *path, mode_t mode,
              struct digest *digest, struct repx_err *err)
{
    uint64_t length = 0;
    int fd = create(t, path, mode, err);

    if (fd < 0)
        return -1;
    int bad = copy_bytes(from, fd, digest, &length, err) < 0;
    if (finish(fd, bad, path, err) < 0)
        return repx_wrap(err, "%s", path);
    (void)remember(t, path, digest, length);
    return 0;
}

static int copy_file(struct tree *t, const struct tree_file *file, const char *path,
                     struct repx_err *err)
{
    struct digest d;
    struct stat st;
    REPX_AUTO_CLOSE int fd =
        openat(t->dir, file->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 || fstat(fd, &st) < 0)
        return repx_fail_errno(err, "%s", file->path);
    return tree_copy(t, fd, path, st.st_mode & 0777, &d, err);
}

int tree_link(struct tree *t, const struct tree_file *file, const char *path,
              struct repx_err *err)
{
    const struct tree_file known = *file; /* t->files may move */

    if (parent(t, path, err) < 0)
        return -1;
    if (linkat(t->dir, known.path, t->dir, path, 0) == 0) {
        (void)remember(t, path, &known.digest, 0);
        return 0;
    }
    /* No links here, or a file has as many as it can have. */
    if (errno != EMLINK && errno != EPERM && errno != ENOSYS && errno != EOPNOTSUPP)
        return repx_fail_errno(err, "%s", path);
    return copy_file(t, &known, path, err);
}

int tree_symlink(struct tree *t, const char *target, const char *path,
                 struct repx_err *err)
{
    if (parent(t, path, err) < 0)
        return -1;
    if (symlinkat(target, t->dir, path) < 0)
        return repx_fail_errno(err, "%s", path);
    return 0;
}

int tree_temporary(struct tree *t, struct repx_err *err)
{
    return create(t, TEMPORARY, 0644, err);
}

int tree_adopt(struct tree *t, int fd, const char *path, const struct digest *digest,
               struct repx_err *err)
{
    struct stat st;
    int bad = fstat(fd, &st) < 0;

    if (bad)
        (void)repx_fail_errno(err, "%s", path);
    if (finish(fd, bad, path, err) < 0 || parent(t, path, err) < 0)
        return -1;
    if (renameat(t->dir, TEMPORARY, t->dir, path) < 0)
        return repx_fail_errno(err, "%s", path);
    (void)remember(t, path, digest, (uint64_t)st.st_size);
    return 0;
}

void tree_discard(struct tree *t, int fd)
{
    (void)close(fd);
    (void)unlinkat(t->dir, TEMPORARY, 0);
}

const struct tree_file *tree_find(const struct tree *t, const char *path)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->files[i].path, path) == 0)
            return &t->files[i];
    }
    return NULL;
}

static int by_path(const void *a, const void *b)
{
    const struct tree_file *x = a, *y = b;

    return strcmp(x->path, y->path);
}

void tree_sort(struct tree *t)
{
    if (t->count)
        qsort(t->files, t->count, sizeof(*t->files), by_path);
}

void tree_free(struct tree *t)
{
    repx_close_fd(&t->dir);
    pool_free(&t->pool);
    *t = (struct tree){.dir = -1};
}
