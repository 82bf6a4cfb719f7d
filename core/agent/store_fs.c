/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* CLOCK_MONOTONIC_COARSE, renameat2 */
#include "store_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#define COPY_CHUNK ((size_t)128 * 1024)
#define TELL_MS 200 /* of work, before somebody is told that it goes on */

static uint64_t calls;

/* Who wants to know that the work goes on; of this process, not of its children. */
static struct {
    void (*tell)(void *ctx);
    void *ctx;
    pid_t pid;
    int64_t due;
} work;

static int64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void store_rested(void)
{
    work.due = now_ms() + TELL_MS;
}

void store_at_work(void (*tell)(void *ctx), void *ctx)
{
    work.tell = tell;
    work.ctx = ctx;
    work.pid = getpid();
    store_rested();
}

void store_worked(void)
{
    if (!work.tell || now_ms() < work.due)
        return;
    store_rested();
    if (getpid() == work.pid)
        work.tell(work.ctx);
}

static void count_call(void)
{
    calls++;
    store_worked();
}

uint64_t store_calls(void)
{
    return calls;
}

int store_openat(int dir, const char *path, int flags, mode_t mode)
{
    int fd;

    count_call();
    do {
        fd = openat(dir, path, flags | O_CLOEXEC | O_NOFOLLOW, mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

int store_mkdirat(int dir, const char *path)
{
    count_call();
    return mkdirat(dir, path, 0755);
}

int store_lstat(int dir, const char *path, struct stat *st)
{
    count_call();
    return fstatat(dir, path, st, AT_SYMLINK_NOFOLLOW);
}

int store_rename(int from_dir, const char *from, int to_dir, const char *to)
{
    count_call();
    return renameat(from_dir, from, to_dir, to);
}

int store_open_up(int dir, const char *path)
{
    REPX_AUTO_CLOSE int fd = store_openat(dir, path, O_RDONLY | O_DIRECTORY, 0);
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
           (st.st_mode & 0700) != 0700 && fchmod(fd, (st.st_mode & 07777) | 0700) == 0;
}

/* Both parents; and a directory that gets another parent is written itself. */
static int opened_up(int from_dir, const char *from, int to_dir)
{
    return store_open_up(from_dir, ".") + store_open_up(to_dir, ".") +
           store_open_up(from_dir, from);
}

static int renamed(int from_dir, const char *from, int to_dir, const char *to,
                   unsigned flags)
{
    count_call();
    return renameat2(from_dir, from, to_dir, to, flags);
}

static int move(int from_dir, const char *from, int to_dir, const char *to,
                unsigned flags)
{
    if (renamed(from_dir, from, to_dir, to, flags) == 0)
        return 0;
    if (errno != EACCES)
        return -1;
    if (opened_up(from_dir, from, to_dir))
        return renamed(from_dir, from, to_dir, to, flags);
    errno = EACCES;
    return -1;
}

int store_move(int from_dir, const char *from, int to_dir, const char *to)
{
    return move(from_dir, from, to_dir, to, 0);
}

int store_exchange(int a_dir, const char *a, int b_dir, const char *b)
{
    return move(a_dir, a, b_dir, b, RENAME_EXCHANGE);
}

int store_in_the_way(int error)
{
    return error == EEXIST || error == ENOTEMPTY || error == ENOTDIR || error == EISDIR;
}

int store_linkat(int from_dir, const char *from, int to_dir, const char *to)
{
    count_call();
    return linkat(from_dir, from, to_dir, to, 0);
}

int store_symlinkat(const char *target, int dir, const char *path)
{
    count_call();
    return symlinkat(target, dir, path);
}

int store_unlinkat(int dir, const char *path)
{
    count_call();
    return unlinkat(dir, path, 0);
}

char *store_readlink(int dir, const char *path)
{
    char text[PATH_MAX];

    count_call();
    ssize_t n = readlinkat(dir, path, text, sizeof(text));
    if (n < 0)
        return NULL;
    if ((size_t)n == sizeof(text)) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    return repx_strndup(text, (size_t)n);
}

static int make_below(int at, const char *name)
{
    if (store_mkdirat(at, name) == 0 || errno == EEXIST)
        return 0;
    return errno == EACCES && store_open_up(at, ".") &&
                   (store_mkdirat(at, name) == 0 || errno == EEXIST)
               ? 0
               : -1;
}

int store_walk(int dir, const char *path, int make)
{
    REPX_AUTO_FREE char *part = NULL;
    int at = store_openat(dir, ".", O_RDONLY | O_DIRECTORY, 0);

    for (const char *p = path; at >= 0 && *p;) {
        size_t n = strcspn(p, "/");
        repx_free_ptr(&part);
        part = repx_strndup(p, n);
        int next = store_openat(at, part, O_RDONLY | O_DIRECTORY, 0);
        if (next < 0 && errno == ENOENT && make && make_below(at, part) == 0)
            next = store_openat(at, part, O_RDONLY | O_DIRECTORY, 0);
        repx_close_fd(&at);
        at = next;
        p += n + (p[n] == '/');
    }
    return at;
}

static const char *cure_of(int error)
{
    switch (error) {
    case ENOSPC:
        return "no room (bytes or inodes) is left on the target's file system: free "
               "some, or choose another base_path";
    case EDQUOT:
        return "the disk quota on the target is used up: free some, or choose another "
               "base_path";
    case EROFS:
        return "the target's file system is read-only there: choose another base_path";
    case EACCES:
    case EPERM:
        return "permission denied on the target: make it writable for this user, or "
               "choose another base_path";
    case ENOTDIR:
    case ELOOP:
        return "something that is no real directory lies on the way: remove it";
    default:
        return NULL;
    }
}

int store_fail(struct repx_err *err, const char *root, const char *path)
{
    int saved = errno;
    const char *cure = cure_of(saved);

    if (cure) {
        (void)repx_fail(err, REPX_E_FAILED, "%s/%s: %s", root, path, cure);
    } else {
        (void)repx_fail_errno(err, "%s/%s", root, path);
    }
    errno = saved;
    return -1;
}

/* The next piece of a file: its length, 0 at the end, -1. */
static ssize_t next_chunk(int fd, char chunk[COPY_CHUNK])
{
    ssize_t n;

    do {
        n = read(fd, chunk, COPY_CHUNK);
    } while (n < 0 && errno == EINTR);
    store_worked();
    return n;
}

int store_hash_fd(int fd, struct digest *out, uint64_t *length)
{
    REPX_AUTO_FREE char *chunk = repx_alloc(COPY_CHUNK);
    struct digest_ctx ctx;
    ssize_t n;

    *length = 0;
    digest_begin(&ctx);
    while ((n = next_chunk(fd, chunk)) > 0) {
        digest_add(&ctx, chunk, (size_t)n);
        *length += (uint64_t)n;
    }
    if (n < 0)
        return 0;
    digest_end(&ctx, out);
    return 1;
}

int store_hash(int dir, const char *path, struct digest *out, uint64_t *length)
{
    REPX_AUTO_CLOSE int fd = store_openat(dir, path, O_RDONLY | O_NONBLOCK, 0);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    return store_hash_fd(fd, out, length);
}

/* 1 at the end of a good copy, 0 bad source, -1 cannot write. */
static int copy_bytes(int from, int to, const struct store_copy *copy)
{
    REPX_AUTO_FREE char *chunk = repx_alloc(COPY_CHUNK);
    struct digest_ctx ctx;
    struct digest got;
    uint64_t total = 0;
    ssize_t n;

    digest_begin(&ctx);
    while ((n = next_chunk(from, chunk)) > 0) {
        total += (uint64_t)n;
        if (total > copy->length)
            return 0;
        digest_add(&ctx, chunk, (size_t)n);
        if (repx_write_all(to, chunk, (size_t)n) < 0)
            return -1;
    }
    if (n < 0)
        return 0;
    digest_end(&ctx, &got);
    return total == copy->length && memcmp(&got, copy->digest, sizeof(got)) == 0;
}

int store_copy(const struct store_copy *copy)
{
    REPX_AUTO_CLOSE int from =
        store_openat(copy->from_dir, copy->from, O_RDONLY | O_NONBLOCK, 0);
    struct stat st;

    if (from < 0 || fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    int to =
        store_openat(copy->to_dir, copy->to, O_WRONLY | O_CREAT | O_EXCL, copy->mode);
    if (to < 0)
        return -1;
    int rc = copy_bytes(from, to, copy);
    if (close(to) < 0 && rc == 1)
        rc = -1;
    if (rc != 1) {
        int saved = errno;
        (void)store_unlinkat(copy->to_dir, copy->to);
        errno = saved;
    }
    return rc;
}
