/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
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
#define BLOCK ((size_t)128 * 1024)

static int open_directory(struct source *s, const char *path, struct repx_err *err)
{
    if (!walk_has_manifest(s))
        return repx_fail(
            err, REPX_E_NOENT,
            "lab/*lab-metadata.json: is not there, so this is no Lab; name "
            "one with --lab");
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
        int rc = repx_fail_errno(err, "no Lab can be read there; name one with --lab");
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

static int open_file(struct source *s, size_t i, struct stat *st, struct repx_err *err)
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

/* What the last time knew about this file, if it still is that file. */
static int recall(struct source *s, size_t i)
{
    struct repx_entry *e = &s->index.entries[i];
    size_t was = index_find(&s->past, e->path, strlen(e->path));
    struct stamp now = {0};
    struct stat st;

    if (was == INDEX_NONE || !(s->past.stamps[was].flags & STAMP_DIGEST) ||
        fstatat(s->fd, e->path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return 0;
    stamp_of(&st, &now);
    if (!stamp_equal(&now, &s->past.stamps[was]) ||
        (uint64_t)st.st_size != s->past.entries[was].length)
        return 0;
    uint32_t same = s->index.stamps[i].same;
    s->index.stamps[i] = s->past.stamps[was];
    s->index.stamps[i].same = same;
    e->length = s->past.entries[was].length;
    e->executable = s->past.entries[was].executable;
    memcpy(e->digest, s->past.entries[was].digest, sizeof(e->digest));
    return 1;
}

static int digest_file(struct source *s, size_t i, struct repx_err *err)
{
    struct repx_entry *e = &s->index.entries[i];
    struct stat st;
    struct digest digest;
    uint64_t length = 0;

    if (s->past.count && recall(s, i))
        return 0;
    REPX_AUTO_CLOSE int fd = open_file(s, i, &st, err);
    if (fd < 0)
        return -1;
    if (digest_fd(fd, &digest, &length, err) < 0)
        return repx_wrap(err, "%s", e->path);
    if (length != (uint64_t)st.st_size)
        return repx_fail(err, REPX_E_CORRUPT,
                         "%s: changed while it was read; try again when the Lab is "
                         "finished",
                         e->path);
    memcpy(e->digest, digest.bytes, sizeof(e->digest));
    e->length = length;
    e->executable = (st.st_mode & 0100) != 0;
    stamp_of(&st, &s->index.stamps[i]);
    s->index.stamps[i].flags = STAMP_KNOWN | STAMP_DIGEST;
    return 0;
}

static int digest_member(struct source *s, size_t i, struct repx_err *err)
{
    struct repx_entry *e = &s->index.entries[i];
    REPX_AUTO_FREE char *block = repx_alloc(BLOCK);
    struct digest_ctx ctx;
    struct digest digest;

    digest_begin(&ctx);
    for (uint64_t at = 0; at < e->length;) {
        uint64_t left = e->length - at;
        ssize_t n = pread(s->fd, block, left < BLOCK ? (size_t)left : BLOCK,
                          (off_t)(s->index.stamps[i].offset + at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return repx_fail_errno(err, "%s: cannot be read", e->path);
        if (n == 0)
            return repx_fail(err, REPX_E_CORRUPT,
                             "%s: the archive is cut off in it; copy it again",
                             e->path);
        digest_add(&ctx, block, (size_t)n);
        at += (uint64_t)n;
    }
    digest_end(&ctx, &digest);
    memcpy(e->digest, digest.bytes, sizeof(e->digest));
    s->index.stamps[i].flags |= STAMP_DIGEST;
    return 0;
}

struct todo {
    struct source *s;
    size_t *which;
    size_t count;
};

static int digest_one(void *ctx, size_t i, unsigned worker, struct repx_err *err)
{
    struct todo *todo = ctx;

    (void)worker;
    return todo->s->is_tar ? digest_member(todo->s, todo->which[i], err)
                           : digest_file(todo->s, todo->which[i], err);
}

static void want(struct todo *todo, size_t i, unsigned char *wanted)
{
    struct source *s = todo->s;
    size_t same = s->index.stamps[i].same;

    if (s->index.entries[i].kind != REPX_ENTRY_FILE)
        return;
    if (!(s->index.stamps[same].flags & STAMP_DIGEST) && !wanted[same])
        todo->which[todo->count++] = same;
    wanted[same] = 1;
}

/* Hard links in an archive share what was worked out for the file they name. */
static void share(struct source *s)
{
    for (size_t i = 0; i < s->index.count; i++) {
        size_t same = s->index.stamps[i].same;
        if (same == i || !(s->index.stamps[same].flags & STAMP_DIGEST))
            continue;
        memcpy(s->index.entries[i].digest, s->index.entries[same].digest,
               REPX_DIGEST_LEN);
        s->index.stamps[i].flags |= STAMP_DIGEST;
    }
}

int source_digest(struct source *s, const size_t *which, size_t count,
                  struct repx_err *err)
{
    struct todo todo = {.s = s};
    unsigned char *wanted = repx_alloc(s->index.count + 1);

    todo.which = repx_array(s->index.count + 1, sizeof(*todo.which));
    for (size_t i = 0; i < (which ? count : s->index.count); i++)
        want(&todo, which ? which[i] : i, wanted);
    free(wanted);
    int rc = lab_parallel(todo.count, digest_one, &todo, err);
    if (todo.count)
        s->changed = 1;
    free(todo.which);
    if (s->is_tar)
        share(s);
    return rc;
}

/* The file, open for reading at any place. One is kept open: readers go on where they were. */
static int file_of(struct source *s, size_t i, struct repx_err *err)
{
    struct stat st;

    if (s->is_tar)
        return s->fd;
    if (s->open_fd >= 0 && s->open_at == i)
        return s->open_fd;
    if (s->open_fd >= 0)
        repx_close_fd(&s->open_fd);
    s->open_fd = open_file(s, i, &st, err);
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
        if (n == 0)
            return repx_fail(err, REPX_E_CORRUPT,
                             "%s: became shorter while it was read; try again when the "
                             "Lab is finished",
                             e->path);
        return n;
    }
}

int source_text(struct source *s, size_t i, size_t max, struct repx_buf *to,
                struct repx_err *err)
{
    if (file_of(s, i, err) < 0)
        return -1;
    uint64_t length = s->index.entries[i].length;
    if (length > max)
        return repx_fail(err, REPX_E_CORRUPT,
                         "%s: larger than %zu bytes; such a Lab is not supported",
                         s->index.entries[i].path, max);
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
