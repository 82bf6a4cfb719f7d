/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* d_type */
#include "core/agent/runtime_node.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/runtime_whole.h"
#include "core/agent/state.h"
#include "core/agent/store_digest.h"
#include "core/agent/trust.h"

#define DEEPEST 64
#define CHUNK ((size_t)256 * 1024)
#define WAIT_MS 600000
#define TOUCH_MS 15000

struct copying {
    struct site *site;
    const char *lease;
    int64_t touched;
    char *chunk;
    int depth;
};

int node_dir_ours(const char *dir, struct repx_err *err)
{
    struct repx_err why = {0};

    if (path_is_ours(dir, &why) == 1)
        return 0;
    return repx_fail(err, REPX_E_FAILED, "node_local_path: %s", why.text);
}

void node_use(const char *copy)
{
    REPX_AUTO_FREE char *path = repx_format("%s.use", copy);
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd >= 0) /* stays open: the end of this process lets it go */
        (void)fcntl(fd, F_SETLKW, &lock);
}

int node_lock(int dir, const char *use, int create)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = openat(dir, use, O_RDWR | create | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0 || fcntl(fd, F_SETLK, &lock) == 0)
        return fd;
    (void)close(fd);
    errno = EBUSY;
    return -1;
}

char *node_path(const char *text, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf b = {0};

    if (text[0] == '~' && (text[1] == '/' || !text[1])) {
        repx_buf_str(&b, getenv("HOME") ? getenv("HOME") : "");
        text++;
    }
    for (; *text; text++) {
        size_t n = *text == '$'
                       ? strspn(text + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")
                       : 0;
        if (!n) {
            repx_buf_char(&b, *text);
            continue;
        }
        REPX_AUTO_FREE char *name = repx_strndup(text + 1, n);
        if (!getenv(name)) {
            (void)repx_fail(err, REPX_E_FAILED, "node_local_path: $%s is not set here",
                            name);
            return NULL;
        }
        repx_buf_str(&b, getenv(name));
        text += n;
    }
    if (repx_buf_text(&b)[0] == '/')
        return repx_buf_detach(&b);
    (void)repx_fail(err, REPX_E_FAILED, "node_local_path: %s is not absolute",
                    repx_buf_text(&b));
    return NULL;
}

static void hold(struct copying *c)
{
    int64_t now = state_now_ms();

    if (now - c->touched < TOUCH_MS)
        return;
    c->touched = now;
    (void)lease_touch(c->site, c->lease, NULL);
}

static int copy_bytes(struct copying *c, int from, int to, const char *path,
                      struct repx_err *err)
{
    ssize_t n;

    while ((n = read(from, c->chunk, CHUNK)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return repx_fail_errno(err, "%s", path);
        if (repx_write_all(to, c->chunk, (size_t)n) < 0)
            return repx_fail_errno(err, "%s, on this node's disk", path);
        hold(c);
    }
    return 0;
}

static int copy_file(struct copying *c, int from, int to, const char *name,
                     const char *path, struct repx_err *err)
{
    struct stat st;
    REPX_AUTO_CLOSE int in =
        openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (in < 0 || fstat(in, &st) < 0)
        return repx_fail_errno(err, "%s", path);
    if (!S_ISREG(st.st_mode)) {
        return repx_fail(err, REPX_E_CORRUPT, "%s: neither file, link nor directory",
                         path);
    }
    REPX_AUTO_CLOSE int out =
        openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
               st.st_mode & S_IXUSR ? 0755 : 0644);
    if (out < 0)
        return repx_fail_errno(err, "%s, on this node's disk", path);
    return copy_bytes(c, in, out, path, err);
}

static int copy_link(int from, int to, const char *name, const char *path,
                     struct repx_err *err)
{
    char target[4097];
    ssize_t n = readlinkat(from, name, target, sizeof target - 1);

    if (n < 0)
        return repx_fail_errno(err, "%s", path);
    target[n] = 0;
    return symlinkat(target, to, name) < 0
               ? repx_fail_errno(err, "%s, on this node's disk", path)
               : 0;
}

static int copy_dir(struct copying *c, int from, int to, const char *prefix,
                    struct repx_err *err);

static int copy_sub(struct copying *c, int from, int to, const char *name,
                    const char *path, struct repx_err *err)
{
    int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int rc = in < 0 ? repx_fail_errno(err, "%s", path) : 0;

    if (rc == 0 && mkdirat(to, name, 0755) < 0)
        rc = repx_fail_errno(err, "%s, on this node's disk", path);
    REPX_AUTO_CLOSE int out =
        rc < 0 ? -1 : openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (rc < 0) {
        repx_close_fd(&in);
        return -1;
    }
    c->depth++;
    rc = copy_dir(c, in, out, path, err);
    c->depth--;
    return rc;
}

/* Takes `from` over. */
static int copy_dir(struct copying *c, int from, int to, const char *prefix,
                    struct repx_err *err)
{
    DIR *d = c->depth > DEEPEST ? NULL : fdopendir(from);
    int rc = 0;

    if (!d) {
        repx_close_fd(&from);
        return repx_fail(err, REPX_E_CORRUPT, "%s: too deep", prefix);
    }
    for (struct dirent *e = readdir(d); e && rc == 0; e = readdir(d)) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        REPX_AUTO_FREE char *path =
            *prefix ? repx_format("%s/%s", prefix, e->d_name) : repx_strdup(e->d_name);
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
            rc = repx_fail_errno(err, "%s", path);
        } else if (S_ISDIR(st.st_mode)) {
            rc = copy_sub(c, dirfd(d), to, e->d_name, path, err);
        } else if (S_ISLNK(st.st_mode)) {
            rc = copy_link(dirfd(d), to, e->d_name, path, err);
        } else {
            rc = copy_file(c, dirfd(d), to, e->d_name, path, err);
        }
    }
    (void)closedir(d);
    return rc;
}

/* The copy, which is what is run. */
static int check(int copy, const char *from, const char *digest, struct repx_err *err)
{
    struct digest is;
    char hex[DIGEST_HEX] = "";

    if (!digest)
        return 0;
    if (store_digest(copy, ".", &is))
        digest_hex(&is, hex);
    if (strcmp(hex, digest) == 0)
        return 0;
    return repx_fail(err, REPX_E_CORRUPT,
                     "%s is no longer what was sent; `repx run --verify` mends it",
                     from);
}

static int fill(struct copying *c, const char *from, const char *to, const char *digest,
                struct repx_err *err)
{
    int in = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (in < 0)
        return repx_fail_errno(err, "%s", from);
    if (repx_make_dirs(to, 0755, err) < 0) {
        repx_close_fd(&in);
        return -1;
    }
    REPX_AUTO_CLOSE int out = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    c->chunk = repx_alloc(CHUNK);
    int rc = copy_dir(c, in, out, "", err);
    if (rc < 0)
        (void)repx_wrap(err, "%s", from);
    if (rc == 0)
        rc = check(out, from, digest, err);
    free(c->chunk);
    return rc;
}

static int is_dir(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int is_good(const char *copy)
{
    REPX_AUTO_FREE char *record = repx_format("%s.dirs", copy);

    return is_dir(copy) && tree_whole(copy, record);
}

static int make(struct copying *c, const char *from, const char *copy,
                const char *digest, struct repx_err *err)
{
    REPX_AUTO_FREE char *staging = repx_format("%s.staging.%ld", copy, (long)getpid());
    REPX_AUTO_FREE char *record = repx_format("%s.dirs", copy);

    if (is_good(copy)) /* while we waited */
        return 0;
    int rc = repx_remove_tree(AT_FDCWD, staging, err);
    if (rc == 0)
        rc = fill(c, from, staging, digest, err);
    if (rc == 0)
        rc = tree_note(staging, record, err);
    if (rc == 0)
        rc = tree_retire(copy, copy, err);
    if (rc == 0 && rename(staging, copy) < 0 && !is_dir(copy))
        rc = repx_fail_errno(err, "%s", copy);
    (void)repx_remove_tree(AT_FDCWD, staging, NULL);
    return rc;
}

char *node_copy(struct site *site, const char *node, const struct node_source *from,
                struct repx_err *err)
{
    REPX_AUTO_FREE char *dir = repx_format("%s/repx/%s", node, from->kind);
    REPX_AUTO_FREE char *lease =
        repx_format("node-%s-%s-%s", site->host, from->kind, from->name);
    char *copy = repx_format("%s/%s", dir, from->name);
    struct copying c = {.site = site, .lease = lease, .touched = state_now_ms()};
    uint64_t epoch;
    int rc = repx_make_dirs(dir, 0755, err);

    if (rc < 0)
        (void)repx_wrap(err, "node_local_path");
    if (rc == 0)
        rc = node_dir_ours(dir, err);
    if (rc == 0)
        node_use(copy);
    if (rc == 0 && !is_good(copy)) {
        rc = lease_take(site, lease, WAIT_MS, &epoch, err);
        if (rc == 0) {
            rc = make(&c, from->path, copy, from->digest, err);
            lease_drop(site, lease);
        }
    }
    if (rc == 0)
        return copy;
    free(copy);
    return NULL;
}
