/* SPDX-License-Identifier: MIT */
/* What the target lacks, and what it has of that. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/target/sync_delta.h"
#include "core/target/sync_own.h"
#include "core/wire/endian.h"
#include "core/wire/msg.h"
#include "core/wire/pack.h"
#include "core/wire/verbs.h"

#define HERES_MOST 4096 /* of more the whole is sent */
#define HERE_HEAD (PACK_HEAD + 8)

struct missing {
    struct sync_host *h;
    struct repx_buf part;
    void (*want)(void *want_ctx, const uint8_t *digest, uint32_t executable,
                 uint64_t length);
    void *ctx;
    uint64_t held; /* bytes of what lacks that are there */
};

static int here_order(const void *a, const void *b)
{
    const struct here *x = a, *y = b;
    int order = memcmp(x->digest, y->digest, REPX_DIGEST_LEN);

    return order ? order
                 : (x->executable > y->executable) - (x->executable < y->executable);
}

const struct here *sync_here(const struct sync_host *h, const uint8_t *digest,
                             uint32_t executable)
{
    struct here key = {.executable = executable != 0};

    memcpy(key.digest, digest, REPX_DIGEST_LEN);
    return h->here_count
               ? bsearch(&key, h->heres, h->here_count, sizeof(key), here_order)
               : NULL;
}

void sync_here_forget(struct sync_host *h)
{
    for (size_t i = 0; i < h->here_count; i++)
        free(h->heres[i].pieces);
    free(h->heres);
    h->heres = NULL;
    h->here_count = 0;
}

static void keep_here(struct sync_host *h, const uint8_t *head, uint64_t bytes,
                      size_t pieces)
{
    if (h->here_count == HERES_MOST)
        return;
    if (!h->heres)
        h->heres = repx_array(HERES_MOST, sizeof(struct here));
    struct here *here = &h->heres[h->here_count++];
    memcpy(here->digest, head, REPX_DIGEST_LEN);
    here->executable = head[REPX_DIGEST_LEN] & PACK_EXEC;
    here->bytes = bytes;
    here->pieces = repx_alloc(pieces);
    memcpy(here->pieces, head + HERE_HEAD, pieces);
}

/* One object from the front: its bytes, 0 more are needed, -1. */
static int64_t take(struct missing *m, const uint8_t *p, size_t n, struct repx_err *err)
{
    uint8_t mode = n < PACK_HEAD ? 0 : p[REPX_DIGEST_LEN];
    uint64_t bytes = 0, pieces = 0;

    if (n < PACK_HEAD || (mode & PACK_PARTS && n < HERE_HEAD))
        return 0;
    uint64_t length = le_get(p + REPX_DIGEST_LEN + 1, 8);
    if (mode & PACK_PARTS) {
        bytes = le_get(p + PACK_HEAD, 8);
        if (bytes > length || length > PACK_OBJECT_MAX) {
            return repx_fail(err, REPX_E_CORRUPT,
                             "the agent has more of a file than there is");
        }
        pieces = (bytes + PACK_CHUNK - 1) / PACK_CHUNK * REPX_DIGEST_LEN;
        if (n < HERE_HEAD + pieces)
            return 0;
        keep_here(m->h, p, bytes, (size_t)pieces);
        m->held += bytes;
    }
    if (mode & LACKING_NEAR)
        sync_delta_near(m->h->delta, p, mode & PACK_EXEC);
    m->h->wanted += length;
    m->want(m->ctx, p, mode & PACK_EXEC, length);
    return (int64_t)(mode & PACK_PARTS ? HERE_HEAD + pieces : PACK_HEAD);
}

static int missing_data(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    struct missing *m = ctx;
    size_t at = 0;
    int64_t took;

    repx_buf_add(&m->part, bytes, n);
    do {
        took = take(m, (const uint8_t *)m->part.data + at, m->part.len - at, err);
        at += took > 0 ? (size_t)took : 0;
    } while (took > 0);
    repx_buf_drop(&m->part, at);
    return took < 0 ? -1 : 0;
}

/* What is there of objects grows where it is, so it takes no room again. */
static void keep_room(struct sync_host *h, const struct repx_buf *fields, uint64_t held)
{
    int64_t bytes = msg_number(fields->data, fields->len, F_BYTES, -1);
    int64_t inodes = msg_number(fields->data, fields->len, F_INODES, -1);

    h->room_known = bytes >= 0 && inodes >= 0;
    h->room_bytes = (uint64_t)bytes + held;
    h->room_inodes = (uint64_t)inodes;
}

int32_t sync_lacking(void *ctx,
                     void (*want)(void *want_ctx, const uint8_t *digest,
                                  uint32_t executable, uint64_t length),
                     void *want_ctx, struct repx_err *err)
{
    struct sync_host *h = ctx;
    struct missing m = {.h = h, .want = want, .ctx = want_ctx};
    REPX_AUTO_BUF struct repx_buf msg = {0};
    REPX_AUTO_BUF struct repx_buf fields = {0};

    h->wanted = h->sent.bytes;
    sync_here_forget(h);
    if (sync_send_places(h, err) < 0)
        return -1;
    msg_put_number(&msg, F_OPTIONS, LACKING_PARTS);
    struct session_call *c =
        session_call(h->session, V_LACKING, msg.data, msg.len, missing_data, &m);
    int rc = sync_collect_places(h, err);

    if (rc == 0)
        rc = sync_delta_collect(h->delta, err);
    if (rc < 0) {
        session_cancel(c);
    } else {
        rc = session_finish(c, &fields, err);
    }
    if (rc == 0 && m.part.len)
        rc = repx_fail(err, REPX_E_CORRUPT, "the agent's list of objects is cut off");
    repx_buf_free(&m.part);
    if (h->here_count)
        qsort(h->heres, h->here_count, sizeof(struct here), here_order);
    keep_room(h, &fields, m.held);
    return rc;
}
