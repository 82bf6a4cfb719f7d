/* SPDX-License-Identifier: MIT */
/* Digests of a source's files, by two threads, of what is not known yet. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "source.h"

#define BLOCK ((size_t)128 * 1024)

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

/* What is being digested, and room to read into for each worker. */
struct todo {
    struct source *s;
    size_t *which;
    size_t count;
    char *blocks[LAB_WORKERS];
};

static int changed(const struct repx_entry *e, struct repx_err *err)
{
    return repx_fail(err, REPX_E_CORRUPT,
                     "%s: became shorter while it was read; copy the Lab again, or try "
                     "again when it is finished",
                     e->path);
}

static int digest_range(int fd, uint64_t offset, struct repx_entry *e, char *block,
                        struct repx_err *err)
{
    struct digest_ctx ctx;
    struct digest digest;

    digest_begin(&ctx);
    for (uint64_t at = 0; at < e->length;) {
        uint64_t left = e->length - at;
        ssize_t n =
            pread(fd, block, left < BLOCK ? (size_t)left : BLOCK, (off_t)(offset + at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return repx_fail_errno(err, "%s: cannot be read", e->path);
        if (n == 0)
            return changed(e, err);
        digest_add(&ctx, block, (size_t)n);
        at += (uint64_t)n;
    }
    digest_end(&ctx, &digest);
    memcpy(e->digest, digest.bytes, sizeof(e->digest));
    return 0;
}

static int digest_file(struct source *s, size_t i, char *block, struct repx_err *err)
{
    struct repx_entry *e = &s->index.entries[i];
    struct stat st;

    if (s->past.count && recall(s, i))
        return 0;
    REPX_AUTO_CLOSE int fd = source_open_file(s, i, &st, err);
    if (fd < 0)
        return -1;
    e->length = (uint64_t)st.st_size;
    e->executable = (st.st_mode & 0100) != 0;
    if (digest_range(fd, 0, e, block, err) < 0)
        return -1;
    stamp_of(&st, &s->index.stamps[i]);
    s->index.stamps[i].flags = STAMP_KNOWN | STAMP_DIGEST;
    return 0;
}

static int digest_member(struct source *s, size_t i, char *block, struct repx_err *err)
{
    struct stamp *stamp = &s->index.stamps[i];

    if (digest_range(s->fd, stamp->offset, &s->index.entries[i], block, err) < 0)
        return -1;
    stamp->flags |= STAMP_DIGEST;
    return 0;
}

static int digest_one(void *ctx, size_t i, unsigned worker, struct repx_err *err)
{
    struct todo *todo = ctx;

    if (!todo->blocks[worker])
        todo->blocks[worker] = repx_alloc(BLOCK);
    return (todo->s->is_tar ? digest_member : digest_file)(todo->s, todo->which[i],
                                                           todo->blocks[worker], err);
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
    for (size_t i = 0; i < LAB_WORKERS; i++)
        free(todo.blocks[i]);
    if (s->is_tar)
        share(s);
    return rc;
}
