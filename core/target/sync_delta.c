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
#define AHEAD 3  /* signatures, likewise */
#define SIGNATURE_MAX ((size_t)8 << 20)

/* A signature that was asked for. */
struct asked {
    uint8_t name[NAME_LEN];
    struct session_call *call;
    struct repx_buf bytes;
    uint8_t head[4];
    size_t head_len;
    uint32_t left; /* of a chunk */
    int whole;
};

struct sync_delta {
    struct session *session;
    struct repx_buf near; /* names: digest and mode */
    struct asked *asked[AHEAD];
    size_t asked_count;
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

static int find_near(const struct sync_delta *d, const uint8_t name[NAME_LEN],
                     size_t *at)
{
    for (*at = 0; *at < d->near.len; *at += NAME_LEN) {
        if (memcmp(d->near.data + *at, name, NAME_LEN) == 0)
            return 1;
    }
    return 0;
}

/* ---- errors ---- */

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

/* ---- signatures ---- */

static struct asked *find_asked(struct sync_delta *d, const uint8_t name[NAME_LEN])
{
    for (size_t i = 0; i < d->asked_count; i++) {
        if (memcmp(d->asked[i]->name, name, NAME_LEN) == 0)
            return d->asked[i];
    }
    return NULL;
}

/* Chunks: length and bytes; nothing ends it. */
static int signature_data(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    struct asked *a = ctx;
    const uint8_t *p = bytes;

    while (n) {
        if (a->whole || a->bytes.len > SIGNATURE_MAX)
            return repx_fail(err, REPX_E_CORRUPT, "a signature is too long");
        if (a->left) {
            size_t take = n < a->left ? n : a->left;
            repx_buf_add(&a->bytes, p, take);
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
        a->whole = a->left == 0;
    }
    return 0;
}

static void asked_free(struct asked *a)
{
    session_cancel(a->call);
    repx_buf_free(&a->bytes);
    free(a);
}

/* Ask for it; its answer comes while others are worked with. */
static int ask(struct sync_delta *d, const uint8_t name[NAME_LEN], struct repx_err *err)
{
    struct asked *a = REPX_NEW(struct asked);

    memcpy(a->name, name, NAME_LEN);
    a->call = session_call(d->session, V_SIGNATURE, NULL, 0, signature_data, a);
    if (session_send(a->call, name, NAME_LEN, err) < 0) {
        asked_free(a);
        return -1;
    }
    session_end(a->call);
    d->asked[d->asked_count++] = a;
    return 0;
}

/* This one and those that follow it, a few at a time. */
static int ask_ahead(struct sync_delta *d, size_t at, struct repx_err *err)
{
    for (; at < d->near.len && d->asked_count < AHEAD; at += NAME_LEN) {
        const uint8_t *name = (const uint8_t *)d->near.data + at;
        if (!find_asked(d, name) && ask(d, name, err) < 0)
            return -1;
    }
    return 0;
}

static struct asked *take_asked(struct sync_delta *d, const uint8_t name[NAME_LEN])
{
    struct asked *a = find_asked(d, name);

    for (size_t i = 0; a && i < d->asked_count; i++) {
        if (d->asked[i] == a) {
            d->asked[i] = d->asked[--d->asked_count];
            break;
        }
    }
    return a;
}

/* What was asked for ahead and is not wanted next. */
static void forget_others(struct sync_delta *d)
{
    while (d->asked_count)
        asked_free(d->asked[--d->asked_count]);
}

int sync_delta_signature(struct sync_delta *d, const struct repx_entry *object,
                         void (*part)(void *ctx, const void *bytes, uint64_t n),
                         void *ctx, struct repx_err *err)
{
    uint8_t name[NAME_LEN];
    size_t at;

    name_of(name, object->digest, object->executable);
    if (!find_near(d, name, &at))
        return 0;
    if (!find_asked(d, name) && d->asked_count == AHEAD)
        forget_others(d);
    if (ask_ahead(d, at, err) < 0)
        return -1;
    struct asked *a = take_asked(d, name);
    struct session_call *call = a->call;
    struct repx_err why = {0};
    a->call = NULL;
    int rc = session_finish(call, NULL, &why);
    if (rc == 0 && a->whole && a->bytes.len)
        part(ctx, a->bytes.data, a->bytes.len);
    asked_free(a);
    return settle(rc, &why, err);
}

/* ---- patches ---- */

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

void sync_delta_destroy(struct sync_delta *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->count; i++)
        session_cancel(d->patches[i]);
    forget_others(d);
    repx_buf_free(&d->near);
    free(d);
}
