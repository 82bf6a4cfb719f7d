/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* O_PATH */
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc.h"

int repx_read_file(int dir, const char *path, size_t max, struct repx_buf *to,
                   struct repx_err *err)
{
    REPX_AUTO_CLOSE int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return repx_fail_errno(err, "%s", path);
    if (!S_ISREG(st.st_mode))
        return repx_fail(err, REPX_E_CORRUPT, "%s: not a regular file", path);
    for (;;) {
        char *room = repx_buf_room(to, 65536);
        ssize_t n = read(fd, room, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return repx_fail_errno(err, "%s", path);
        to->len += (size_t)n;
        to->data[to->len] = 0;
        if (to->len > max) {
            return repx_fail(err, REPX_E_CORRUPT, "%s: larger than %zu bytes", path,
                             max);
        }
        if (n == 0)
            return 0;
    }
}

struct dirent *repx_readdir(DIR *d)
{
    errno = 0;
    return readdir(d);
}

int repx_write_all(int fd, const void *bytes, size_t n)
{
    const char *p = bytes;

    while (n) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return -1;
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

int repx_write_file(int dir, const char *path, const void *bytes, size_t n, mode_t mode,
                    struct repx_err *err)
{
    REPX_AUTO_FREE char *tmp = repx_format("%s.%ld.tmp", path, (long)getpid());
    int durable = (mode & REPX_DURABLE) != 0;
    int fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    mode & 07777);

    if (fd < 0)
        return repx_fail_errno(err, "%s", tmp);
    int bad = repx_write_all(fd, bytes, n) < 0 || (durable && fsync(fd) < 0);
    if (bad)
        (void)repx_fail_errno(err, "%s", tmp);
    if (close(fd) < 0 && !bad) {
        bad = 1;
        (void)repx_fail_errno(err, "%s", tmp);
    }
    if (!bad && renameat(dir, tmp, dir, path) < 0) {
        bad = 1;
        (void)repx_fail_errno(err, "%s", path);
    }
    if (bad)
        (void)unlinkat(dir, tmp, 0);
    return bad ? -1 : 0;
}

int repx_make_dirs(const char *path, mode_t mode, struct repx_err *err)
{
    REPX_AUTO_FREE char *part = repx_strdup(path);

    if (mkdir(path, mode) == 0 || errno == EEXIST)
        return 0;
    if (errno != ENOENT)
        return repx_fail_errno(err, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(part, mode) < 0 && errno != EEXIST)
            return repx_fail_errno(err, "%s", part);
        *slash = '/';
    }
    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return repx_fail_errno(err, "%s", path);
    return 0;
}

/* A directory that not even its owner may read is given that right: by a descriptor that
 * needs none, so that no link is followed. */
static int open_for_removal(int dir, const char *path)
{
    const int how = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dir, path, O_RDONLY | how);

    if (fd < 0 && errno == EACCES) {
        int closed = openat(dir, path, O_PATH | how);
        char name[40];
        (void)snprintf(name, sizeof name, "/proc/self/fd/%d", closed);
        int rc = closed < 0 ? -1 : chmod(name, 0700);
        if (closed >= 0)
            (void)close(closed);
        fd = rc < 0 ? -1 : openat(dir, path, O_RDONLY | how);
    }
    if (fd >= 0)
        (void)fchmod(fd, 0700);
    return fd;
}

static int remove_children(int dir, const char *path, struct repx_err *err)
{
    int fd = open_for_removal(dir, path);

    if (fd < 0)
        return repx_fail_errno(err, "%s", path);
    DIR *d = fdopendir(fd);
    if (!d) {
        (void)close(fd);
        return repx_fail_errno(err, "%s", path);
    }
    int rc = 0;
    struct dirent *e;
    while (rc == 0 && (e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = repx_remove_tree(dirfd(d), e->d_name, err);
    }
    (void)closedir(d);
    return rc;
}

int repx_remove_tree(int dir, const char *path, struct repx_err *err)
{
    if (unlinkat(dir, path, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return repx_fail_errno(err, "%s", path);
    if (remove_children(dir, path, err) < 0)
        return repx_wrap(err, "%s", path);
    if (unlinkat(dir, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return repx_fail_errno(err, "%s", path);
    return 0;
}

int repx_path_is_inside(const char *path)
{
    if (!*path || *path == '/')
        return 0;
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return 0;
        p += n;
        if (*p == '/' && !*++p)
            return 0;
    }
    return 1;
}

char *repx_cache_path(const char *name)
{
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

    if (base && *base == '/')
        return repx_format("%s/repx/%s", base, name);
    return home && *home == '/' ? repx_format("%s/.cache/repx/%s", home, name) : NULL;
}
