/* SPDX-License-Identifier: MIT */
#include "store_part.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/wire/pack.h"

#define PARTS ".parts"
#define READ_STEP 131072
#define NAME_SIZE (DIGEST_HEX + 2)

int store_part_is(const struct object *o)
{
    return o->length >= PART_LEAST;
}

static void name_of(const struct object *o, char name[NAME_SIZE])
{
    name[0] = o->executable ? 'x' : 'f';
    digest_hex(&o->digest, name + 1);
}

static int is_part_name(const char *name)
{
    struct digest ignored;

    return (name[0] == 'x' || name[0] == 'f') && digest_parse(name + 1, &ignored);
}

static uint64_t size_at(int dir, const char *name)
{
    struct stat st;

    return store_lstat(dir, name, &st) == 0 && S_ISREG(st.st_mode) &&
                   st.st_uid == geteuid()
               ? (uint64_t)st.st_size
               : 0;
}

/* Descriptor of STAGES/.parts, or -1. */
static int parts_dir(struct store *s, int make)
{
    if (s->stages_fd < 0 ||
        (make && store_mkdirat(s->stages_fd, PARTS) < 0 && errno != EEXIST))
        return -1;
    return store_openat(s->stages_fd, PARTS, O_RDONLY | O_DIRECTORY, 0);
}

/* Calls each part in a directory; the descriptor is consumed. */
static void each_part(int fd, void (*each)(void *ctx, int dir, const char *name),
                      void *ctx)
{
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) {
        repx_close_fd(&fd);
        return;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (is_part_name(e->d_name))
            each(ctx, dirfd(d), e->d_name);
    }
    (void)closedir(d);
}

/* The longer one of two parts stays. */
static void join(void *ctx, int dir, const char *name)
{
    const int *parts = ctx;
    uint64_t size = size_at(dir, name);

    if (!size || size < size_at(*parts, name) ||
        store_rename(dir, name, *parts, name) < 0)
        (void)store_unlinkat(dir, name);
}

static void join_all(struct store *s, int from)
{
    REPX_AUTO_CLOSE int parts = parts_dir(s, 1);

    if (parts < 0) {
        repx_close_fd(&from);
        return;
    }
    each_part(from, join, &parts);
}

void store_part_rescue(struct store *s, const char *dead)
{
    join_all(s, store_openat(s->stage_fd, dead, O_RDONLY | O_DIRECTORY, 0));
}

/* A plain copy; nothing in it is believed. */
static int duplicate(int from_dir, const char *from, int to_dir, const char *to)
{
    REPX_AUTO_FREE char *buffer = repx_alloc(READ_STEP);
    REPX_AUTO_CLOSE int in = store_openat(from_dir, from, O_RDONLY | O_NONBLOCK, 0);
    struct stat st;

    if (in < 0 || fstat(in, &st) < 0 || !S_ISREG(st.st_mode))
        return -1;
    REPX_AUTO_CLOSE int out =
        store_openat(to_dir, to, O_WRONLY | O_CREAT | O_TRUNC, st.st_mode & 0777);
    if (out < 0)
        return -1;
    for (;;) {
        ssize_t n = read(in, buffer, READ_STEP);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -1 : 0;
        if (repx_write_all(out, buffer, (size_t)n) < 0)
            return -1;
        store_worked();
    }
}

/* A session whose link is cut may not know it yet and sit on its part: that is copied, since
 * bytes may still come to it. */
static void copy_of_others(struct store *s, const char *name)
{
    int fd = store_openat(s->stages_fd, ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) {
        repx_close_fd(&fd);
        return;
    }
    int done = 0;
    for (struct dirent *e = readdir(d); e && !done; e = readdir(d)) {
        if (e->d_name[0] == '.' || strcmp(e->d_name, s->session) == 0)
            continue;
        REPX_AUTO_FREE char *path = repx_format("%s/%s", e->d_name, name);
        if (size_at(dirfd(d), path))
            done = duplicate(dirfd(d), path, s->stage_fd, name) == 0;
    }
    (void)closedir(d);
}

void store_part_claim(struct store *s, const struct object *o)
{
    char name[NAME_SIZE];

    if (!store_part_is(o) || s->stage_fd < 0)
        return;
    name_of(o, name);
    if (size_at(s->stage_fd, name))
        return;
    REPX_AUTO_CLOSE int parts = parts_dir(s, 0);
    if (parts < 0 || store_rename(parts, name, s->stage_fd, name) < 0)
        copy_of_others(s, name);
    s->parts = 1;
}

/* Digests of pieces; returns the bytes they cover. */
static uint64_t tell(int fd, uint64_t length, struct repx_buf *digests)
{
    REPX_AUTO_FREE char *buffer = repx_alloc(READ_STEP);
    struct digest_ctx ctx;
    struct digest d;
    uint64_t at = 0;

    digest_begin(&ctx);
    while (at < length) {
        uint64_t left = PACK_CHUNK - at % PACK_CHUNK;
        ssize_t n = read(fd, buffer, left < READ_STEP ? (size_t)left : READ_STEP);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        digest_add(&ctx, buffer, (size_t)n);
        at += (uint64_t)n;
        store_worked();
        if (at % PACK_CHUNK == 0 || at >= length) {
            digest_end(&ctx, &d);
            repx_buf_add(digests, d.bytes, sizeof(d.bytes));
            digest_begin(&ctx);
        }
    }
    return at;
}

uint64_t store_part_tell(struct store *s, const struct object *o,
                         struct repx_buf *digests)
{
    char name[NAME_SIZE];

    if (!store_part_is(o) || s->stage_fd < 0)
        return 0;
    name_of(o, name);
    uint64_t size = size_at(s->stage_fd, name);
    if (!size)
        return 0;
    REPX_AUTO_CLOSE int fd = store_openat(s->stage_fd, name, O_RDWR, 0);
    if (fd < 0 || size > o->length) {
        (void)store_unlinkat(s->stage_fd, name);
        return 0;
    }
    size_t from = digests->len;
    if (tell(fd, size, digests) == size)
        return size;
    digests->len = from;
    (void)store_unlinkat(s->stage_fd, name);
    return 0;
}

int store_part_open(struct store *s, const struct object *o, int anew,
                    struct repx_err *err)
{
    char name[NAME_SIZE];

    if (store_stage(s, err) < 0)
        return -1;
    name_of(o, name);
    s->parts = 1;
    int fd = store_openat(s->stage_fd, name, O_RDWR | O_CREAT | (anew ? O_TRUNC : 0),
                          store_mode(o->executable));
    return fd < 0 ? store_fail(err, "the staging directory", name) : fd;
}

int store_part_finish(struct store *s, const struct object *o, struct repx_err *err)
{
    char name[NAME_SIZE];
    const char *leaf;
    int dir = store_item_dir(s, &o->first, &leaf, err);

    if (dir < 0)
        return -1;
    name_of(o, name);
    if (store_rename(s->stage_fd, name, dir, leaf) == 0)
        return 0;
    return store_fail(err, s->builds[o->first.build].tree.name, leaf);
}

static void sweep(void *ctx, int dir, const char *name)
{
    const time_t *before = ctx;
    struct stat st;

    if (store_lstat(dir, name, &st) == 0 && st.st_mtime < *before)
        (void)store_unlinkat(dir, name);
}

void store_part_leave(struct store *s)
{
    time_t before = time(NULL) - PART_STALE_S;

    if (s->stages_fd < 0)
        return;
    if (s->parts && s->stage_fd >= 0)
        join_all(s, store_openat(s->stage_fd, ".", O_RDONLY | O_DIRECTORY, 0));
    int fd = parts_dir(s, 0);
    if (fd < 0)
        return;
    each_part(fd, sweep, &before);
    (void)unlinkat(s->stages_fd, PARTS, AT_REMOVEDIR); /* when it is empty */
}
