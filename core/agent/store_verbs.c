/* SPDX-License-Identifier: MIT */
/* The store's verbs: one store for all calls of a session. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/buf.h>

#include "core/agent/agent.h"
#include "core/agent/store.h"
#include "core/agent/store_delta.h"
#include "core/agent/store_desk.h"
#include "core/wire/block.h"
#include "core/wire/endian.h"
#include "core/wire/msg.h"
#include "core/wire/pack.h"
#include "core/wire/verbs.h"

#define STORE_SLOT 0
#define TREE_LARGEST (256u << 20) /* bytes of a declared tree */
#define SEND_STEP 65536

static void own_free(struct call *c)
{
    free(call_own(c));
    call_set_own(c, NULL);
}

/* What the calls of a session share. Requests overtake data on the wire, so that lacking,
 * verify and remember may come while trees and packs that were sent before them are still
 * under way: they wait until the desk is clear. */
struct desk {
    struct store *store;
    size_t busy; /* places and puts that are under way */
    struct call **waiting;
    size_t count, cap;
};

static void release(void *shared)
{
    struct desk *desk = shared;

    store_close(desk->store);
    free(desk->waiting);
    free(desk);
}

static struct desk *desk_of(struct call *c)
{
    void **slot = call_shared(c, STORE_SLOT, release);

    if (!*slot)
        *slot = REPX_NEW(struct desk);
    return *slot;
}

static struct store *store_of(struct call *c, struct repx_err *err)
{
    struct desk *desk = desk_of(c);

    if (!desk->store)
        desk->store = store_open(call_site(c), err);
    return desk->store;
}

/* A call that waits: what it asks for, done when its turn comes. */
struct later {
    int (*now)(struct call *c, struct store *s, struct later *own,
               struct repx_err *err);
    uint8_t digest[REPX_DIGEST_LEN];
    uint32_t options;
};

static void serve(struct call *c)
{
    struct repx_err err = {0};
    struct later *own = call_own(c);
    struct store *s = store_of(c, &err);

    if (!s || own->now(c, s, own, &err) < 0)
        call_error(c, &err);
}

static int wait_or_serve(struct call *c, struct later *own)
{
    struct desk *desk = desk_of(c);

    call_set_own(c, own);
    if (desk->busy == 0) {
        serve(c);
        return 0;
    }
    if (desk->count == desk->cap) {
        desk->cap = desk->cap ? desk->cap * 2 : 4;
        desk->waiting = repx_grow(desk->waiting, desk->cap, sizeof(struct call *));
    }
    desk->waiting[desk->count++] = c;
    return 0;
}

static void later_drop(struct call *c)
{
    struct desk *desk = desk_of(c);
    size_t kept = 0;

    for (size_t i = 0; i < desk->count; i++) {
        if (desk->waiting[i] != c)
            desk->waiting[kept++] = desk->waiting[i];
    }
    desk->count = kept;
    own_free(c);
}

static void desk_leave(struct desk *desk)
{
    if (--desk->busy)
        return;
    for (size_t i = 0; i < desk->count; i++)
        serve(desk->waiting[i]);
    desk->count = 0;
}

struct store *store_desk_store(struct call *c, struct repx_err *err)
{
    return store_of(c, err);
}

void store_desk_enter(struct call *c)
{
    desk_of(c)->busy++;
}

void store_desk_leave(struct call *c)
{
    desk_leave(desk_of(c));
}

static int take_digest(const void *msg, size_t n, uint8_t digest[REPX_DIGEST_LEN],
                       struct repx_err *err)
{
    struct msg_field f;

    if (!msg_find(msg, n, F_DIGEST, &f) || f.length != REPX_DIGEST_LEN)
        return repx_fail(err, REPX_E_CORRUPT, "the request has no digest");
    memcpy(digest, f.bytes, REPX_DIGEST_LEN);
    return 0;
}

static void reply_count(struct call *c, int64_t count)
{
    REPX_AUTO_BUF struct repx_buf fields = {0};

    msg_put_number(&fields, F_COUNT, count);
    call_reply(c, fields.data, fields.len);
}

/* ---- known, room: answered at once ---- */

static int known_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf fields = {0};
    uint8_t digest[REPX_DIGEST_LEN];
    struct store *s = store_of(c, err);

    if (!s || take_digest(msg, n, digest, err) < 0)
        return -1;
    msg_put_number(&fields, F_COUNT, store_known(s, digest));
    msg_put_number(&fields, F_LIMIT, (int64_t)store_known_sets(s));
    call_reply(c, fields.data, fields.len);
    return 0;
}

static void put_room(struct repx_buf *fields, uint64_t bytes, uint64_t inodes)
{
    const uint64_t most = INT64_MAX;

    msg_put_number(fields, F_BYTES, (int64_t)(bytes < most ? bytes : most));
    msg_put_number(fields, F_INODES, (int64_t)(inodes < most ? inodes : most));
}

static int room_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf fields = {0};
    struct store *s = store_of(c, err);
    uint64_t bytes, inodes;

    (void)msg;
    (void)n;
    if (!s || store_room(s, &bytes, &inodes, err) < 0)
        return -1;
    put_room(&fields, bytes, inodes);
    call_reply(c, fields.data, fields.len);
    return 0;
}

/* What is lacking, as a pack's heads; with what lies here of it when that is asked for. */
struct lacking {
    struct call *c;
    struct store *store;
    int parts;
    struct repx_buf some;
};

static void send_some(struct lacking *l)
{
    call_send(l->c, l->some.data, l->some.len);
    l->some.len = 0;
}

static void want(void *ctx, const uint8_t *digest, uint32_t executable, uint64_t length)
{
    struct lacking *l = ctx;
    REPX_AUTO_BUF struct repx_buf pieces = {0};
    struct pack_head head = {.executable = executable != 0, .length = length};
    uint8_t raw[PACK_HEAD], number[8];

    memcpy(head.digest.bytes, digest, REPX_DIGEST_LEN);
    uint64_t here = l->parts ? store_partial(l->store, digest, executable, &pieces) : 0;
    head.parts = here != 0;
    pack_head_put(raw, &head);
    if (!here && store_near(l->store, &head.digest, head.executable))
        raw[REPX_DIGEST_LEN] |= LACKING_NEAR;
    repx_buf_add(&l->some, raw, sizeof(raw));
    le_put(number, sizeof(number), here);
    repx_buf_add(&l->some, number, here ? sizeof(number) : 0);
    repx_buf_add(&l->some, pieces.data, pieces.len);
    if (l->some.len >= SEND_STEP)
        send_some(l);
}

static int lacking_now(struct call *c, struct store *s, struct later *own,
                       struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf fields = {0};
    struct lacking l = {
        .c = c, .store = s, .parts = (own->options & LACKING_PARTS) != 0};
    uint64_t bytes, inodes;

    int rc = store_lacking(s, want, &l, err);
    if (rc == 0 && l.some.len)
        send_some(&l);
    repx_buf_free(&l.some);
    if (rc < 0 || store_room(s, &bytes, &inodes, err) < 0)
        return -1;
    put_room(&fields, bytes, inodes);
    call_reply(c, fields.data, fields.len);
    return 0;
}

static int lacking_begin(struct call *c, const void *msg, size_t n,
                         struct repx_err *err)
{
    struct later *own = REPX_NEW(struct later);

    (void)err;
    own->now = lacking_now;
    own->options = (uint32_t)msg_number(msg, n, F_OPTIONS, 0);
    return wait_or_serve(c, own);
}

static int verify_now(struct call *c, struct store *s, struct later *own,
                      struct repx_err *err)
{
    (void)own;
    if (store_verify(s, err) < 0)
        return -1;
    call_reply(c, NULL, 0);
    return 0;
}

static int verify_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    struct later *own = REPX_NEW(struct later);

    (void)msg, (void)n, (void)err;
    own->now = verify_now;
    return wait_or_serve(c, own);
}

static int remember_now(struct call *c, struct store *s, struct later *own,
                        struct repx_err *err)
{
    if (store_remember(s, own->digest, err) < 0)
        return -1;
    call_reply(c, NULL, 0);
    return 0;
}

static int remember_begin(struct call *c, const void *msg, size_t n,
                          struct repx_err *err)
{
    struct later *own = REPX_NEW(struct later);

    own->now = remember_now;
    if (take_digest(msg, n, own->digest, err) < 0) {
        free(own);
        return -1;
    }
    return wait_or_serve(c, own);
}

/* ---- place ---- */

struct placing {
    char *name;
    struct repx_buf entries;
    int left; /* the desk is not kept busy any more */
};

static void placing_leave(struct call *c, struct placing *p)
{
    if (!p->left)
        desk_leave(desk_of(c));
    p->left = 1;
}

static int place_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    REPX_AUTO_FREE char *name = msg_text(msg, n, F_NAME);

    if (!name)
        return repx_fail(err, REPX_E_CORRUPT, "the request names no place");
    if (!store_of(c, err) || store_name_check(name, err) < 0)
        return -1;
    if (msg_number(msg, n, F_OPTIONS, 0) & PLACE_READ_ALL)
        store_read_all(store_of(c, err));
    struct placing *p = REPX_NEW(struct placing);
    p->name = repx_strdup(name);
    call_set_own(c, p);
    desk_of(c)->busy++;
    return 0;
}

static int place_data(struct call *c, const void *bytes, size_t n, struct repx_err *err)
{
    struct placing *p = call_own(c);

    if (n > TREE_LARGEST || p->entries.len > TREE_LARGEST - n) {
        return repx_fail(err, REPX_E_CORRUPT, "%s: its list of files is too long",
                         p->name);
    }
    repx_buf_add(&p->entries, bytes, n);
    return 0;
}

static int place_end(struct call *c, struct repx_err *err)
{
    struct placing *p = call_own(c);
    struct store *s = store_of(c, err);
    struct store_tree tree;
    uint64_t lacks;

    if (!s)
        return -1;
    int rc = store_tree_parse(&tree, repx_buf_text(&p->entries), p->entries.len,
                              p->name, err);
    repx_buf_free(&p->entries); /* the tree says the same in less room */
    if (rc < 0 || store_place(s, &tree, &lacks, err) < 0)
        return -1;
    reply_count(c, (int64_t)lacks);
    placing_leave(c, p);
    return 0;
}

static void place_drop(struct call *c)
{
    struct placing *p = call_own(c);

    if (p) {
        placing_leave(c, p);
        repx_buf_free(&p->entries);
        free(p->name);
    }
    own_free(c);
}

/* ---- put ---- */

struct putting {
    struct store_put *put;
    struct blocks *blocks; /* NULL: the pack comes as it is */
    int left;
};

static void putting_leave(struct call *c, struct putting *p)
{
    if (!p->left)
        desk_leave(desk_of(c));
    p->left = 1;
}

static int put_bytes(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    return store_put_bytes(ctx, bytes, n, err);
}

static int put_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    struct store *s = store_of(c, err);

    if (!s)
        return -1;
    struct putting *p = REPX_NEW(struct putting);
    p->put = store_put_begin(s);
    int64_t options = msg_number(msg, n, F_OPTIONS, 0);
    if (options & PUT_AGAIN)
        store_put_again(p->put);
    int64_t window = msg_number(msg, n, F_LIMIT, 0);
    if (window > 0 && window <= UINT32_MAX)
        call_widen(c, (uint32_t)window);
    if (options & PUT_BLOCKS)
        p->blocks = blocks_create(put_bytes, p->put);
    call_set_own(c, p);
    desk_of(c)->busy++;
    return 0;
}

static int put_data(struct call *c, const void *bytes, size_t n, struct repx_err *err)
{
    const struct putting *p = call_own(c);

    return p->blocks ? blocks_input(p->blocks, bytes, n, err)
                     : store_put_bytes(p->put, bytes, n, err);
}

static int put_end(struct call *c, struct repx_err *err)
{
    struct putting *p = call_own(c);

    if ((p->blocks && blocks_end(p->blocks, err) < 0) || store_put_end(p->put, err) < 0)
        return -1;
    reply_count(c, (int64_t)store_put_wrong(p->put));
    putting_leave(c, p);
    return 0;
}

static void put_drop(struct call *c)
{
    struct putting *p = call_own(c);

    if (p) {
        store_put_free(p->put);
        blocks_destroy(p->blocks);
        putting_leave(c, p);
    }
    own_free(c);
}

const struct verb store_verbs[] = {
    {V_KNOWN, known_begin, NULL, NULL, NULL},
    {V_REMEMBER, remember_begin, NULL, NULL, later_drop},
    {V_PLACE, place_begin, place_data, place_end, place_drop},
    {V_LACKING, lacking_begin, NULL, NULL, later_drop},
    {V_PUT, put_begin, put_data, put_end, put_drop},
    {V_VERIFY, verify_begin, NULL, NULL, later_drop},
    {V_ROOM, room_begin, NULL, NULL, NULL},
    {0, NULL, NULL, NULL, NULL},
};
