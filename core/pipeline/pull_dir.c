/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* syncfs */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/pipeline/pull.h"

#define RECORD ".repx-pull"
#define PARTS ".repx-part"
#define RECORD_MAX ((size_t)1 << 30)
#define LINK_LONGEST 4096
#define PART_DAYS 30 /* what was cut off so long ago is not wanted any more */

int pull_dir_open(struct pull_dir *d, const char *path, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf text = {0};
    struct repx_err why = {0};

    *d = (struct pull_dir){.fd = -1, .parts = -1};
    if (repx_make_dirs(path, 0777, err) < 0)
        return -1;
    d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0)
        return repx_fail_errno(err, "%s", path);
    /* where there are no locks, two pulls at once only disturb each other */
    if (flock(d->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
        return repx_fail(err, REPX_E_BUSY, "%s: another pull writes there; wait for it",
                         path);
    }
    if (mkdirat(d->fd, PARTS, 0700) < 0 && errno != EEXIST)
        return repx_fail_errno(err, "%s/" PARTS, path);
    d->parts = openat(d->fd, PARTS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (d->parts < 0)
        return repx_fail_errno(err, "%s/" PARTS, path);
    /* without the record every file that differs counts as changed here: safe */
    if (repx_read_file(d->fd, RECORD, RECORD_MAX, &text, &why) == 0 &&
        results_read(&d->then, repx_buf_text(&text), text.len, &why) < 0)
        results_free(&d->then);
    return 0;
}

static void drop_old_parts(const struct pull_dir *d)
{
    int fd = fcntl(d->parts, F_DUPFD_CLOEXEC, 0);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    time_t before = time(NULL) - (time_t)PART_DAYS * 24 * 3600;
    struct stat st;

    if (!list) {
        repx_close_fd(&fd);
        return;
    }
    for (struct dirent *e = readdir(list); e; e = readdir(list)) {
        if (fstatat(d->parts, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            !S_ISDIR(st.st_mode) && st.st_mtime < before)
            (void)unlinkat(d->parts, e->d_name, 0);
    }
    (void)closedir(list);
}

int pull_dir_save(struct pull_dir *d, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf text = {0};
    struct results all = {0};

    results_sort(&d->now);
    for (size_t i = 0; i < d->now.count; i++) {
        if (i && strcmp(d->now.items[i - 1].path, d->now.items[i].path) == 0)
            continue;
        *results_add(&all, NULL, 0) = d->now.items[i];
    }
    for (size_t i = 0; i < d->then.count; i++) {
        if (!results_find(&d->now, d->then.items[i].path))
            *results_add(&all, NULL, 0) = d->then.items[i];
    }
    results_sort(&all);
    results_write(&all, &text);
    free(all.items); /* what they point to belongs to the other lists */
    drop_old_parts(d);
    (void)unlinkat(d->fd, PARTS, AT_REMOVEDIR);
    if (!d->now.count && !d->then.count)
        return 0;
    (void)syncfs(d->fd);
    return repx_write_file(d->fd, RECORD, text.data, text.len, 0666, err);
}

void pull_dir_close(struct pull_dir *d)
{
    repx_close_fd(&d->fd);
    repx_close_fd(&d->parts);
    results_free(&d->then);
    results_free(&d->now);
}

int pull_dir_parent(const struct pull_dir *d, const char *path, int make,
                    const char **leaf)
{
    int dir = fcntl(d->fd, F_DUPFD_CLOEXEC, 0);

    for (const char *slash; dir >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
        REPX_AUTO_FREE char *name = repx_strndup(path, (size_t)(slash - path));
        if (make && mkdirat(dir, name, 0777) < 0 && errno != EEXIST) {
            repx_close_fd(&dir);
            return -1;
        }
        int next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        repx_close_fd(&dir);
        dir = next;
    }
    *leaf = path;
    return dir;
}

static char *witness(const struct stat *st)
{
    return repx_format("%lld.%ld.%lld.%ld.%llu", (long long)st->st_mtim.tv_sec,
                       st->st_mtim.tv_nsec, (long long)st->st_ctim.tv_sec,
                       st->st_ctim.tv_nsec, (unsigned long long)st->st_ino);
}

static int file_state(int dir, const char *leaf, const struct stat *st,
                      const struct result *then, const struct result *entry)
{
    REPX_AUTO_FREE char *now = witness(st);
    struct result here = {.length = (uint64_t)st->st_size};

    if (then && then->witness && strcmp(then->witness, now) == 0 &&
        then->length == here.length) {
        here.digest = then->digest;
    } else {
        REPX_AUTO_CLOSE int fd = openat(dir, leaf, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || digest_fd(fd, &here.digest, &here.length, NULL) < 0)
            return PULL_CHANGED;
    }
    int executable = (st->st_mode & S_IXUSR) != 0;
    if (entry->kind == REPX_ENTRY_FILE && executable == entry->executable &&
        memcmp(&here.digest, &entry->digest, sizeof(here.digest)) == 0)
        return PULL_SAME;
    return then && then->kind == REPX_ENTRY_FILE && then->executable == executable &&
                   memcmp(&here.digest, &then->digest, sizeof(here.digest)) == 0
               ? PULL_OURS
               : PULL_CHANGED;
}

static int link_state(int dir, const char *leaf, const struct result *then,
                      const struct result *entry)
{
    REPX_AUTO_FREE char *target = repx_alloc(LINK_LONGEST + 1);

    if (readlinkat(dir, leaf, target, LINK_LONGEST) < 0)
        return PULL_CHANGED;
    if (entry->kind == REPX_ENTRY_LINK && strcmp(target, entry->link) == 0)
        return PULL_SAME;
    return then && then->link && strcmp(target, then->link) == 0 ? PULL_OURS
                                                                 : PULL_CHANGED;
}

int pull_dir_state(struct pull_dir *d, const char *path, const struct result *entry)
{
    const struct result *then = results_find(&d->then, path);
    const char *leaf;
    struct stat st;
    REPX_AUTO_CLOSE int dir = pull_dir_parent(d, path, 0, &leaf);

    if (dir < 0)
        return errno == ENOENT ? PULL_ABSENT : PULL_BLOCKED;
    if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? PULL_ABSENT : PULL_BLOCKED;
    if (S_ISREG(st.st_mode))
        return file_state(dir, leaf, &st, then, entry);
    if (S_ISLNK(st.st_mode))
        return link_state(dir, leaf, then, entry);
    return S_ISDIR(st.st_mode) && entry->kind == REPX_ENTRY_DIR ? PULL_SAME
                                                                : PULL_BLOCKED;
}

void pull_dir_note(struct pull_dir *d, const char *path, const struct result *entry)
{
    struct result *r = results_add(&d->now, repx_strdup(path), entry->kind);
    const char *leaf;
    struct stat st;
    REPX_AUTO_CLOSE int dir = pull_dir_parent(d, path, 0, &leaf);

    r->length = entry->length;
    r->digest = entry->digest;
    r->executable = entry->executable;
    r->hashed = entry->hashed;
    r->link = repx_strdup(entry->link);
    if (dir >= 0 && fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(st.st_mode))
        r->witness = witness(&st);
}

int pull_link_is_inside(const char *path, const char *target)
{
    long deep = -1; /* directories between the link and the first component */

    for (const char *p = path; *p; p++)
        deep += *p == '/';
    if (!*target || *target == '/')
        return 0;
    while (strcmp(target, "..") == 0 || strncmp(target, "../", 3) == 0) {
        if (--deep < 0)
            return 0;
        if (!target[2])
            return 1;
        target += 3;
    }
    return strcmp(target, ".") == 0 || repx_path_is_inside(target);
}
