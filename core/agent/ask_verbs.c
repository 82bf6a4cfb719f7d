/* SPDX-License-Identifier: MIT */
/* Verbs that ask the store many questions at once; each is answered as it comes. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/buf.h>

#include "core/agent/agent.h"
#include "core/agent/store_desk.h"
#include "core/wire/verbs.h"

#define STAND_HEAD (REPX_DIGEST_LEN + 2)

static void own_free(struct call *c)
{
    free(call_own(c));
    call_set_own(c, NULL);
}

/* ---- have: digests as they come ---- */

struct have {
    struct store *s;
    uint8_t part[REPX_DIGEST_LEN];
    size_t len;
};

static int have_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    struct store *s = store_desk_store(c, err);

    (void)msg;
    (void)n;
    if (!s)
        return -1;
    struct have *h = REPX_NEW(struct have);
    h->s = s;
    call_set_own(c, h);
    return 0;
}

static int have_data(struct call *c, const void *bytes, size_t n, struct repx_err *err)
{
    struct have *h = call_own(c);
    REPX_AUTO_BUF struct repx_buf answers = {0};
    const uint8_t *p = bytes;

    (void)err;
    for (size_t i = 0; i < n; i++) {
        h->part[h->len++] = p[i];
        if (h->len < REPX_DIGEST_LEN)
            continue;
        repx_buf_char(&answers, store_have(h->s, h->part) ? '1' : '0');
        h->len = 0;
    }
    if (answers.len)
        call_send(c, answers.data, answers.len);
    return 0;
}

static int have_end(struct call *c, struct repx_err *err)
{
    const struct have *h = call_own(c);

    if (h->len)
        return repx_fail(err, REPX_E_CORRUPT, "the request ends within a digest");
    call_reply(c, NULL, 0);
    return 0;
}

/* ---- stands: names of trees as they come ---- */

struct stands {
    struct store *s;
    struct repx_buf part;
};

static int stands_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    struct store *s = store_desk_store(c, err);

    (void)msg, (void)n;
    if (!s)
        return -1;
    struct stands *own = REPX_NEW(struct stands);
    own->s = s;
    call_set_own(c, own);
    return 0;
}

/* One question from the front: its bytes, or 0 when it is not whole. */
static size_t answer(struct stands *own, const char *at, size_t n,
                     struct repx_buf *answers)
{
    const uint8_t *p = (const uint8_t *)at;
    struct digest d;

    if (n < STAND_HEAD)
        return 0;
    size_t length = p[REPX_DIGEST_LEN] | (size_t)p[REPX_DIGEST_LEN + 1] << 8;
    if (n < STAND_HEAD + length)
        return 0;
    memcpy(d.bytes, p, sizeof(d.bytes));
    REPX_AUTO_FREE char *name = repx_strndup(at + STAND_HEAD, length);
    repx_buf_char(answers, store_stands(own->s, name, &d) ? '1' : '0');
    return STAND_HEAD + length;
}

static int stands_data(struct call *c, const void *bytes, size_t n,
                       struct repx_err *err)
{
    struct stands *own = call_own(c);
    REPX_AUTO_BUF struct repx_buf answers = {0};
    size_t at = 0, took;

    (void)err;
    repx_buf_add(&own->part, bytes, n);
    while ((took = answer(own, own->part.data + at, own->part.len - at, &answers)) > 0)
        at += took;
    repx_buf_drop(&own->part, at);
    if (answers.len)
        call_send(c, answers.data, answers.len);
    return 0;
}

static int stands_end(struct call *c, struct repx_err *err)
{
    const struct stands *own = call_own(c);

    if (own->part.len)
        return repx_fail(err, REPX_E_CORRUPT, "the request ends within a name");
    call_reply(c, NULL, 0);
    return 0;
}

static void stands_drop(struct call *c)
{
    struct stands *own = call_own(c);

    if (own)
        repx_buf_free(&own->part);
    own_free(c);
}

const struct verb ask_verbs[] = {
    {V_HAVE, have_begin, have_data, have_end, own_free},
    {V_STANDS, stands_begin, stands_data, stands_end, stands_drop},
    {0, NULL, NULL, NULL, NULL},
};
