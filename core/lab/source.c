/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "lab.h"
#include "tar.h"

/* A file changed this shortly before it was read may change again within the same tick of
 * the file system's clock. */
#define YOUNG_NS (INT64_C(2) * 1000000000)

static int open_directory(struct source *s, const char *path, struct repx_err *err)
{
    if (!walk_has_manifest(s)) {
        return repx_fail(
            err, REPX_E_NOENT,
            "lab/*lab-metadata.json: is not there, so this is no Lab; name "
            "one with --lab");
    }
    if (s->use_cache && cache_load(s, path, &s->index)) {
        if (walk_again(s))
            return 0;
        s->past = s->index; /* still good for the digests of what did not change */
        s->index = (struct index){0};
    }
    s->changed = 1;
    return walk_directory(s, err);
}

static int open_archive(struct source *s, const char *path, const struct stat *st,
                        struct repx_err *err)
{
    s->is_tar = 1;
    stamp_of(st, &s->whole);
    s->whole_size = (uint64_t)st->st_size;
    if (s->use_cache && cache_load(s, path, &s->index))
        return 0;
    s->changed = 1;
    return tar_index(s->fd, s->whole_size, &s->index, &s->arenas[0], err);
}

int source_open(struct source *s, const char *path, unsigned flags,
                struct repx_err *err)
{
    struct timespec now;
    struct stat st;

    *s = (struct source){.open_fd = -1, .use_cache = !(flags & LAB_NO_CACHE)};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    s->since_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - YOUNG_NS;
    s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (s->fd < 0 || fstat(s->fd, &st) < 0) {
        int32_t code = errno == ENOENT ? REPX_E_NOENT : REPX_E_FAILED;
        int rc =
            repx_fail(err, code, "no Lab can be read there (%s); name one with --lab",
                      strerror(errno));
        repx_close_fd(&s->fd);
        s->fd = -1;
        return rc;
    }
    if (S_ISDIR(st.st_mode))
        return open_directory(s, path, err);
    if (S_ISREG(st.st_mode))
        return open_archive(s, path, &st, err);
    return repx_fail(err, REPX_E_CORRUPT,
                     "neither a directory nor a tar archive; name a Lab with --lab");
}

void source_remember(struct source *s, const char *path)
{
    if (s->use_cache && s->changed)
        cache_save(s, path);
    s->changed = 0;
}

void source_close(struct source *s)
{
    if (s->fd >= 0)
        repx_close_fd(&s->fd);
    if (s->open_fd >= 0)
        repx_close_fd(&s->open_fd);
    index_free(&s->index);
    index_free(&s->past);
    for (size_t i = 0; i < LAB_WORKERS; i++)
        arena_free(&s->arenas[i]);
    *s = (struct source){.fd = -1, .open_fd = -1};
}

int source_open_file(struct source *s, size_t i, struct stat *st, struct repx_err *err)
{
    const char *path = s->index.entries[i].path;
    int fd = openat(s->fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, st) < 0) {
        int rc = repx_fail_errno(err, "%s: cannot be read", path);
        repx_close_fd(&fd);
        return rc;
    }
    if (!S_ISREG(st->st_mode)) {
        repx_close_fd(&fd);
        return repx_fail(err, REPX_E_CORRUPT,
                         "%s: changed while it was read; try again when the Lab is "
                         "finished",
                         path);
    }
    return fd;
}

/* The file, open for reading at any place. One is kept open: readers go on where they were. */
static int file_of(struct source *s, size_t i, struct repx_err *err)
{
    struct stat st = {0};

    if (s->is_tar)
        return s->fd;
    if (s->open_fd >= 0 && s->open_at == i)
        return s->open_fd;
    if (s->open_fd >= 0)
        repx_close_fd(&s->open_fd);
    s->open_fd = source_open_file(s, i, &st, err);
    s->open_at = i;
    if (s->open_fd >= 0 && !(s->index.stamps[i].flags & STAMP_KNOWN)) {
        s->index.entries[i].length = (uint64_t)st.st_size;
        s->index.entries[i].executable = (st.st_mode & 0100) != 0;
        stamp_of(&st, &s->index.stamps[i]);
        s->index.stamps[i].flags = STAMP_KNOWN;
    }
    return s->open_fd;
}

int64_t source_read(struct source *s, size_t i, uint64_t offset, void *to, size_t len,
                    struct repx_err *err)
{
    int fd = file_of(s, i, err);
    const struct repx_entry *e = &s->index.entries[i];

    if (fd < 0)
        return -1;
    if (offset >= e->length || len == 0)
        return 0;
    if (len > e->length - offset)
        len = (size_t)(e->length - offset);
    for (;;) {
        ssize_t n = pread(fd, to, len, (off_t)(s->index.stamps[i].offset + offset));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return repx_fail_errno(err, "%s: cannot be read", e->path);
        if (n == 0) {
            return repx_fail(err, REPX_E_CORRUPT,
                             "%s: became shorter while it was read; try again when the "
                             "Lab is finished",
                             e->path);
        }
        return n;
    }
}

int source_text(struct source *s, size_t i, size_t max, struct repx_buf *to,
                struct repx_err *err)
{
    if (file_of(s, i, err) < 0)
        return -1;
    uint64_t length = s->index.entries[i].length;
    if (length > max) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "%s: larger than %zu bytes; such a Lab is not supported",
                         s->index.entries[i].path, max);
    }
    (void)repx_buf_room(to, (size_t)length);
    while (to->len < length) {
        int64_t n = source_read(s, i, to->len, repx_buf_room(to, length - to->len),
                                (size_t)length - to->len, err);
        if (n < 0)
            return -1;
        to->len += (size_t)n;
    }
    repx_buf_add(to, "", 0);
    return 0;
}
