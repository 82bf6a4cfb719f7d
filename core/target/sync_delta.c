/* SPDX-License-Identifier: MIT */
#include "core/target/sync_delta.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/buf.h>

#include "core/wire/endian.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define NAME_LEN (REPX_DIGEST_LEN + 1)
#define WINDOW 4 /* patches under way: each is a process on the target */

struct sync_delta {
    struct session *session;
    struct repx_buf near; /* names: digest and mode */
    struct session_call *patches[WINDOW];
    size_t count;
    int inside; /* the last of them is being sent */
    int lost;   /* it failed: nobody waits for the rest */
};

struct sync_delta *sync_delta_create(struct session *session)
{
    struct sync_delta *d = REPX_NEW(struct sync_delta);

    d->session = session;
    return d;
}

void sync_delta_destroy(struct sync_delta *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->count; i++)
        session_cancel(d->patches[i]);
    repx_buf_free(&d->near);
    free(d);
}

/* ---- names ---- */

static void name_of(uint8_t name[NAME_LEN], const uint8_t *digest, uint32_t executable)
{
    memcpy(name, digest, REPX_DIGEST_LEN);
    name[REPX_DIGEST_LEN] = executable != 0;
}

void sync_delta_near(struct sync_delta *d, const uint8_t *digest, uint32_t executable)
{
    uint8_t name[NAME_LEN];

    name_of(name, digest, executable);
    repx_buf_add(&d->near, name, sizeof(name));
}

static int is_near(const struct sync_delta *d, const uint8_t name[NAME_LEN])
{
    for (size_t at = 0; at < d->near.len; at += NAME_LEN) {
        if (memcmp(d->near.data + at, name, NAME_LEN) == 0)
            return 1;
    }
    return 0;
}

/* ---- signatures ---- */

struct asked {
    uint64_t *which; /* the caller's numbers of what was asked for */
    size_t count, at;
    uint8_t head[4];
    size_t head_len;
    uint32_t left; /* of a chunk */
    void (*part)(void *ctx, uint64_t i, const void *bytes, uint64_t n);
    void *ctx;
};

static int signature_data(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    struct asked *a = ctx;
    const uint8_t *p = bytes;

    while (n) {
        if (a->at == a->count)
            return repx_fail(err, REPX_E_CORRUPT, "the agent sent too many signatures");
        if (a->left) {
            size_t take = n < a->left ? n : a->left;
            a->part(a->ctx, a->which[a->at], p, take);
            a->left -= (uint32_t)take;
            p += take;
            n -= take;
            continue;
        }
        a->head[a->head_len++] = *p++;
        n--;
        if (a->head_len < sizeof(a->head))
            continue;
        a->head_len = 0;
        a->left = le32_get(a->head);
        a->at += a->left == 0;
    }
    return 0;
}

int sync_delta_signature(struct sync_delta *d, const struct repx_entry *objects,
                         uint64_t count,
                         void (*part)(void *ctx, uint64_t i, const void *bytes,
                                      uint64_t n),
                         void *ctx, struct repx_err *err)
{
    REPX_AUTO_FREE uint64_t *which = repx_array((size_t)count + 1, sizeof(uint64_t));
    REPX_AUTO_BUF struct repx_buf names = {0};
    struct asked a = {.which = which, .part = part, .ctx = ctx};

    for (uint64_t i = 0; i < count; i++) {
        uint8_t name[NAME_LEN];
        name_of(name, objects[i].digest, objects[i].executable);
        if (!is_near(d, name))
            continue;
        repx_buf_add(&names, name, sizeof(name));
        which[a.count++] = i;
    }
    if (!a.count)
        return 0;
    struct session_call *c =
        session_call(d->session, V_SIGNATURE, NULL, 0, signature_data, &a);
    if (session_send(c, names.data, names.len, err) < 0) {
        session_cancel(c);
        return -1;
    }
    if (session_finish(c, NULL, err) < 0)
        return -1;
    if (a.at < a.count)
        return repx_fail(err, REPX_E_CORRUPT, "the agent's signatures are cut off");
    return 0;
}

/* ---- patches ---- */

/* Whether going on makes no sense at all. */
static int is_end(const struct repx_err *why)
{
    return why->code == REPX_E_LINK || why->code == REPX_E_CANCELED ||
           why->code == REPX_E_TIMEOUT;
}

static int settle(int rc, const struct repx_err *why, struct repx_err *err)
{
    if (rc == 0 || !is_end(why))
        return 0;
    return repx_fail(err, why->code, "%s", why->text);
}

/* The answer to the oldest. */
static int finish_first(struct sync_delta *d, struct repx_err *err)
{
    struct session_call *c = d->patches[0];
    struct repx_err why = {0};

    d->count--;
    memmove(d->patches, d->patches + 1, d->count * sizeof(struct session_call *));
    return settle(session_finish(c, NULL, &why), &why, err);
}

static int begin(struct sync_delta *d, const struct repx_entry *object,
                 struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};

    if (d->count == WINDOW && finish_first(d, err) < 0)
        return -1;
    msg_put(&msg, F_DIGEST, object->digest, REPX_DIGEST_LEN);
    msg_put_number(&msg, F_EXEC, object->executable != 0);
    d->patches[d->count++] =
        session_call(d->session, V_PATCH, msg.data, msg.len, NULL, NULL);
    d->inside = 1;
    d->lost = 0;
    return 0;
}

int sync_delta_patch(struct sync_delta *d, const struct repx_entry *object,
                     const void *bytes, uint64_t n, uint32_t last, struct repx_err *err)
{
    struct repx_err why = {0};

    if (!d->inside && begin(d, object, err) < 0)
        return -1;
    struct session_call *c = d->patches[d->count - 1];
    if (n && !d->lost && session_send(c, bytes, (size_t)n, &why) < 0) {
        d->lost = 1;
        if (settle(-1, &why, err) < 0)
            return -1;
    }
    if (!last)
        return 0;
    session_end(c);
    d->inside = 0;
    return 0;
}

int sync_delta_collect(struct sync_delta *d, struct repx_err *err)
{
    while (d->count) {
        if (finish_first(d, err) < 0)
            return -1;
    }
    return 0;
}
