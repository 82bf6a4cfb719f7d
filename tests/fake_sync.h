/* SPDX-License-Identifier: MIT */
/* fake_sync.h: a target in memory for sync plugins: it writes down what it is asked, and
 * lacks what the test says it lacks. */
#ifndef REPX_FAKE_SYNC_H
#define REPX_FAKE_SYNC_H

#include <string.h>

#include <repx/sync.h>

#include <kit/alloc.h>
#include <kit/buf.h>
#include <kit/err.h>

#include "core/wire/digest.h"

struct fake_sync {
    struct repx_sync_host services;
    struct repx_host host;
    const struct repx_entry *entries;
    size_t count;
    struct repx_buf log;
    uint8_t lacks[8]; /* first bytes of digests, in the order to ask for them */
    size_t lack_count;
    uint64_t length; /* of what is lacking */
    uint64_t room, inodes;
    int known, canceled, fail_verify;
};

static uint64_t fake_count(void *ctx)
{
    return ((struct fake_sync *)ctx)->count;
}

static int32_t fake_entry(void *ctx, uint64_t i, struct repx_entry *e,
                          struct repx_err *err)
{
    (void)err;
    *e = ((struct fake_sync *)ctx)->entries[i];
    return 0;
}

static int32_t fake_known(void *ctx, const uint8_t digest[REPX_DIGEST_LEN],
                          struct repx_err *err)
{
    struct fake_sync *f = ctx;

    (void)digest, (void)err;
    repx_buf_str(&f->log, "known? ");
    return f->known;
}

static int32_t fake_remember(void *ctx, const uint8_t digest[REPX_DIGEST_LEN],
                             struct repx_err *err)
{
    (void)digest, (void)err;
    repx_buf_str(&((struct fake_sync *)ctx)->log, "remember ");
    return 0;
}

static int32_t fake_place(void *ctx, const struct repx_tree *tree, const char *name,
                          struct repx_err *err)
{
    struct fake_sync *f = ctx;

    (void)err;
    repx_buf_fmt(&f->log, "place %s(", name);
    for (uint64_t i = 0; i < tree->count; i++) {
        struct repx_entry e;
        memcpy(&e, (const char *)tree->entries + i * tree->stride, sizeof(e));
        repx_buf_fmt(&f->log, "%s%s%s%s", i ? " " : "", e.path,
                     e.kind == REPX_ENTRY_LINK ? "->" : "",
                     e.kind == REPX_ENTRY_LINK ? e.link : "");
    }
    repx_buf_str(&f->log, ") ");
    return 0;
}

static int32_t fake_lacking(void *ctx,
                            void (*want)(void *want_ctx, const uint8_t *digest,
                                         uint32_t executable, uint64_t length),
                            void *want_ctx, struct repx_err *err)
{
    struct fake_sync *f = ctx;

    (void)err;
    repx_buf_str(&f->log, "lacking ");
    for (size_t i = 0; i < f->lack_count; i++) {
        uint8_t digest[REPX_DIGEST_LEN] = {f->lacks[i]};
        want(want_ctx, digest, 0, f->length);
    }
    f->lack_count = 0;
    return 0;
}

static int32_t fake_put(void *ctx, uint64_t i, struct repx_err *err)
{
    struct fake_sync *f = ctx;

    (void)err;
    repx_buf_fmt(&f->log, "put %s ", f->entries[i].path);
    return 0;
}

static int32_t fake_verify(void *ctx, struct repx_err *err)
{
    struct fake_sync *f = ctx;

    repx_buf_str(&f->log, "verify ");
    return f->fail_verify ? repx_fail(err, REPX_E_FAILED, "something is missing") : 0;
}

static int32_t fake_tree_digest(void *ctx, const struct repx_tree *tree,
                                uint8_t digest[REPX_DIGEST_LEN], struct repx_err *err)
{
    struct digest d;

    (void)ctx, (void)err;
    digest_tree(tree->entries, (size_t)tree->count, &d);
    memcpy(digest, d.bytes, sizeof(d.bytes));
    return 0;
}

static int32_t fake_room(void *ctx, uint64_t *bytes, uint64_t *inodes,
                         struct repx_err *err)
{
    (void)err;
    *bytes = ((struct fake_sync *)ctx)->room;
    *inodes = ((struct fake_sync *)ctx)->inodes;
    return 0;
}

static int32_t fake_canceled(void *ctx)
{
    return ((struct fake_sync *)ctx)->canceled;
}

__attribute__((unused)) static void
fake_sync_init(struct fake_sync *f, const struct repx_entry *entries, size_t count)
{
    memset(f, 0, sizeof(*f));
    f->entries = entries;
    f->length = 3;
    f->room = f->inodes = UINT64_MAX;
    f->count = count;
    f->host = (struct repx_host){
        .size = sizeof(f->host), .ctx = f, .canceled = fake_canceled};
    f->services = (struct repx_sync_host){.size = sizeof(f->services),
                                          .host = &f->host,
                                          .ctx = f,
                                          .source_count = fake_count,
                                          .source_entry = fake_entry,
                                          .known = fake_known,
                                          .remember = fake_remember,
                                          .place = fake_place,
                                          .lacking = fake_lacking,
                                          .put = fake_put,
                                          .verify = fake_verify,
                                          .room = fake_room,
                                          .tree_digest = fake_tree_digest};
    repx_buf_str(&f->log, "");
}

#define FAKE_FILE(p, mark)                                                       \
    {                                                                            \
        .size = sizeof(struct repx_entry), .path = (p), .kind = REPX_ENTRY_FILE, \
        .length = 3, .digest = {                                                 \
            mark                                                                 \
        }                                                                        \
    }
#define FAKE_DIR(p)                                                            \
    {                                                                          \
        .size = sizeof(struct repx_entry), .path = (p), .kind = REPX_ENTRY_DIR \
    }
#define FAKE_LINK(p, t)                                                          \
    {                                                                            \
        .size = sizeof(struct repx_entry), .path = (p), .kind = REPX_ENTRY_LINK, \
        .link = (t)                                                              \
    }

#endif
