/* SPDX-License-Identifier: MIT */
/* Objects of a pack: written where they belong while they are hashed. Nothing is flushed
 * here: a layer's fsync would hold up the session for seconds, and until everything was
 * flushed (store_known.c) another boot trusts no witness and hashes again. */
#include "store_own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/wire/pack.h"
#include "store_part.h"

struct store_put {
    struct store *s;
    struct pack pack;
    int again;      /* wrong digests are counted, not fatal */
    uint64_t wrong; /* so many */
    /* the object that is being written; fd is -1 when it is not wanted */
    size_t object;
    int fd, part;
    uint64_t hashed; /* so many bytes of it, from the first on */
    struct digest_ctx hash;
};

static struct object *current(struct store_put *p)
{
    return &p->s->objects[p->object];
}

static const char *name_of(const struct store *s, const struct object *o)
{
    return s->builds[o->first.build].tree.name;
}

static const char *path_of(const struct store *s, const struct object *o)
{
    return s->builds[o->first.build].tree.items[o->first.item].path;
}

/* Take back what a broken object left. What arrived of a large one stays. */
static void give_up(struct store_put *p)
{
    struct repx_err ignored = {0};
    const char *leaf;

    if (p->fd < 0)
        return;
    repx_close_fd(&p->fd);
    p->fd = -1;
    struct object *o = current(p);
    o->state = OBJECT_MISSING;
    if (p->part)
        return;
    int dir = store_item_dir(p->s, &o->first, &leaf, &ignored);
    if (dir >= 0)
        (void)store_unlinkat(dir, leaf);
}

/* A small object is written where it belongs. */
static int open_in_place(struct store_put *p, const struct object *o,
                         struct repx_err *err)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL;
    const char *leaf;
    int dir = store_item_dir(p->s, &o->first, &leaf, err);

    if (dir < 0)
        return -1;
    int fd = store_openat(dir, leaf, flags, store_mode(o->executable));
    if (fd < 0 && errno == EEXIST && store_unlinkat(dir, leaf) == 0) /* a broken try */
        fd = store_openat(dir, leaf, flags, store_mode(o->executable));
    return fd < 0 ? store_fail(err, name_of(p->s, o), leaf) : fd;
}

static int object_begin(void *ctx, const struct pack_head *head, struct repx_err *err)
{
    struct store_put *p = ctx;
    struct object *o = store_object_find(p->s, &head->digest, head->executable);

    p->fd = -1;
    if (!o || o->state != OBJECT_MISSING)
        return 0;
    if (o->length != head->length) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "%s: a file came with %llu bytes, %llu were declared",
                         name_of(p->s, o), (unsigned long long)head->length,
                         (unsigned long long)o->length);
    }
    p->part = head->parts || store_part_is(o);
    p->fd = p->part ? store_part_open(p->s, o, !head->parts, err)
                    : open_in_place(p, o, err);
    if (p->fd < 0)
        return -1;
    p->object = (size_t)(o - p->s->objects);
    p->hashed = 0;
    o->state = OBJECT_COMING;
    digest_begin(&p->hash);
    return 0;
}

static int write_at(int fd, uint64_t at, const char *bytes, size_t n)
{
    while (n) {
        ssize_t w = pwrite(fd, bytes, n, (off_t)at);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return -1;
        bytes += w;
        at += (uint64_t)w;
        n -= (size_t)w;
    }
    return 0;
}

static int object_bytes(void *ctx, uint64_t at, const void *bytes, size_t n,
                        struct repx_err *err)
{
    struct store_put *p = ctx;

    if (p->fd < 0)
        return 0;
    if (at == p->hashed) {
        digest_add(&p->hash, bytes, n);
        p->hashed += n;
    }
    if (write_at(p->fd, at, bytes, n) == 0)
        return 0;
    return store_fail(err, name_of(p->s, current(p)), path_of(p->s, current(p)));
}

/* 1 the content is what it should be, 0 it is not. */
static int is_right(struct store_put *p, struct digest *got)
{
    const struct object *o = current(p);
    uint64_t length = p->hashed;

    if (p->hashed == o->length) {
        digest_end(&p->hash, got);
    } else if (lseek(p->fd, 0, SEEK_SET) != 0 || !store_hash_fd(p->fd, got, &length)) {
        return 0;
    }
    return length == o->length && memcmp(got, &o->digest, sizeof(*got)) == 0;
}

static int wrong_digest(struct store_put *p, const struct digest *got,
                        struct repx_err *err)
{
    const struct object *o = current(p);
    char want_hex[DIGEST_HEX], got_hex[DIGEST_HEX];

    digest_hex(got, got_hex);
    digest_hex(&o->digest, want_hex);
    return repx_fail(
        err, REPX_E_CORRUPT,
        "%s%s%s: digest %s arrived, %s was declared: the Lab changed while it "
        "was sent, or the link is faulty; run again",
        name_of(p->s, o), *path_of(p->s, o) ? "/" : "", path_of(p->s, o), got_hex,
        want_hex);
}

static int object_end(void *ctx, struct repx_err *err)
{
    struct store_put *p = ctx;
    struct digest got = {{0}};

    if (p->fd < 0)
        return 0;
    struct object *o = current(p);
    if (!is_right(p, &got)) {
        if (!p->again)
            return wrong_digest(p, &got, err);
        p->wrong++;
        give_up(p);
        return 0;
    }
    int rc = close(p->fd);
    p->fd = -1;
    if (rc < 0) { /* the file is not what it should be */
        o->state = OBJECT_MISSING;
        return store_fail(err, name_of(p->s, o), "");
    }
    if (p->part && store_part_finish(p->s, o, err) < 0) {
        o->state = OBJECT_MISSING;
        return -1;
    }
    p->s->arrived = 1;
    return store_spread(p->s, o, err);
}

struct store_put *store_put_begin(struct store *s)
{
    struct store_put *p = REPX_NEW(struct store_put);
    const struct pack_sink sink = {p, object_begin, object_bytes, object_end};

    p->s = s;
    p->fd = -1;
    pack_init(&p->pack, &sink);
    return p;
}

void store_put_again(struct store_put *p)
{
    p->again = 1;
}

uint64_t store_put_wrong(const struct store_put *p)
{
    return p->wrong;
}

int store_put_bytes(struct store_put *p, const void *bytes, size_t n,
                    struct repx_err *err)
{
    if (pack_input(&p->pack, bytes, n, err) == 0)
        return 0;
    give_up(p);
    return -1;
}

int store_put_end(struct store_put *p, struct repx_err *err)
{
    if (pack_end(&p->pack, err) == 0)
        return 0;
    give_up(p);
    return -1;
}

void store_put_free(struct store_put *p)
{
    if (!p)
        return;
    give_up(p);
    free(p);
}
