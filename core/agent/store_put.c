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

#include "store_pack.h"

struct store_put {
    struct store *s;
    struct pack pack;
    /* the object that is being written; fd is -1 when it is not wanted */
    size_t object;
    int fd;
    struct digest_ctx hash;
};

static struct object *current(struct store_put *p)
{
    return &p->s->objects[p->object];
}

static const char *name_of(const struct store *s, const struct object *o)
{
    return s->builds[o->wanted[0].build].tree.name;
}

/* Take back what a broken object left. */
static void give_up(struct store_put *p)
{
    struct repx_err ignored = {0};
    const char *leaf;

    if (p->fd < 0)
        return;
    repx_close_fd(&p->fd);
    p->fd = -1;
    struct object *o = current(p);
    int dir = store_item_dir(p->s, &o->wanted[0], &leaf, &ignored);
    if (dir >= 0)
        (void)store_unlinkat(dir, leaf);
    o->state = OBJECT_MISSING;
}

static int object_begin(void *ctx, const struct pack_head *head, struct repx_err *err)
{
    struct store_put *p = ctx;
    struct object *o = store_object_find(p->s, &head->digest, head->executable);
    const int flags = O_WRONLY | O_CREAT | O_EXCL;
    const char *leaf;

    p->fd = -1;
    if (!o || o->state != OBJECT_MISSING)
        return 0;
    if (o->length != head->length) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "%s: a file came with %llu bytes, %llu were declared",
                         name_of(p->s, o), (unsigned long long)head->length,
                         (unsigned long long)o->length);
    }
    int dir = store_item_dir(p->s, &o->wanted[0], &leaf, err);
    if (dir < 0)
        return -1;
    p->fd = store_openat(dir, leaf, flags, store_mode(o->executable));
    if (p->fd < 0 && errno == EEXIST &&
        store_unlinkat(dir, leaf) == 0) /* a broken try */
        p->fd = store_openat(dir, leaf, flags, store_mode(o->executable));
    if (p->fd < 0)
        return store_fail(err, name_of(p->s, o), leaf);
    p->object = (size_t)(o - p->s->objects);
    o->state = OBJECT_COMING;
    digest_begin(&p->hash);
    return 0;
}

static int object_bytes(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    struct store_put *p = ctx;

    if (p->fd < 0)
        return 0;
    digest_add(&p->hash, bytes, n);
    if (repx_write_all(p->fd, bytes, n) == 0)
        return 0;
    const struct object *o = current(p);
    const struct store_item *item =
        &p->s->builds[o->wanted[0].build].tree.items[o->wanted[0].item];
    return store_fail(err, name_of(p->s, o), item->path);
}

static int check_digest(struct store_put *p, struct repx_err *err)
{
    const struct object *o = current(p);
    struct digest got;
    char want_hex[DIGEST_HEX], got_hex[DIGEST_HEX];

    digest_end(&p->hash, &got);
    if (memcmp(&got, &o->digest, sizeof(got)) == 0)
        return 0;
    digest_hex(&got, got_hex);
    digest_hex(&o->digest, want_hex);
    const struct store_item *item =
        &p->s->builds[o->wanted[0].build].tree.items[o->wanted[0].item];
    return repx_fail(
        err, REPX_E_CORRUPT,
        "%s%s%s: digest %s arrived, %s was declared: the Lab changed while it "
        "was sent, or the link is faulty; run again",
        name_of(p->s, o), *item->path ? "/" : "", item->path, got_hex, want_hex);
}

static int object_end(void *ctx, struct repx_err *err)
{
    struct store_put *p = ctx;

    if (p->fd < 0)
        return 0;
    struct object *o = current(p);
    if (check_digest(p, err) < 0)
        return -1;
    if (close(p->fd) < 0) {
        /* the descriptor is gone, but the file is not what it should be */
        p->fd = -1;
        o->state = OBJECT_MISSING;
        return store_fail(err, name_of(p->s, o), "");
    }
    p->fd = -1;
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
