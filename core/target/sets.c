/* SPDX-License-Identifier: MIT */
#include "core/target/sets.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/buf.h>

#include "core/wire/msg.h"
#include "core/wire/verbs.h"

struct expected {
    struct digest digest;
    struct session_call *call; /* NULL: somebody took the answer */
};

struct sets {
    struct session *session;
    const struct repx_host *clock;
    struct expected *expected;
    size_t expected_count;
    int64_t asked_ms, trip_ms; /* trip_ms -1: no answer came yet */
    int settles;               /* sets_settle will be called */
    struct session_call **owed;
    size_t owed_count;
    struct digest *known;
    size_t known_count;
};

struct sets *sets_create(struct session *session, const struct repx_host *clock)
{
    struct sets *s = REPX_NEW(struct sets);

    s->session = session;
    s->clock = clock;
    s->trip_ms = -1;
    return s;
}

void sets_destroy(struct sets *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->expected_count; i++)
        session_cancel(s->expected[i].call);
    for (size_t i = 0; i < s->owed_count; i++)
        session_cancel(s->owed[i]);
    free(s->expected);
    free(s->owed);
    free(s->known);
    free(s);
}

static int64_t now(const struct sets *s)
{
    return s->clock->now_ms(s->clock->ctx);
}

static struct session_call *begin(struct sets *s, uint16_t verb, const uint8_t *digest)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};

    msg_put(&msg, F_DIGEST, digest, REPX_DIGEST_LEN);
    struct session_call *c =
        session_call(s->session, verb, msg.data, msg.len, NULL, NULL);
    session_end(c);
    return c;
}

void sets_expect(struct sets *s, const struct digest *digests, size_t count)
{
    s->settles = 1;
    s->asked_ms = now(s);
    s->expected =
        repx_grow(s->expected, s->expected_count + count, sizeof(*s->expected));
    for (size_t i = 0; i < count; i++) {
        s->expected[s->expected_count++] =
            (struct expected){digests[i], begin(s, V_KNOWN, digests[i].bytes)};
    }
}

static struct session_call *take_expected(struct sets *s, const uint8_t *digest)
{
    for (size_t i = 0; i < s->expected_count; i++) {
        struct expected *e = &s->expected[i];
        struct session_call *call = e->call;
        if (!call || memcmp(e->digest.bytes, digest, REPX_DIGEST_LEN) != 0)
            continue;
        e->call = NULL;
        return call;
    }
    return NULL;
}

static void note(struct sets *s, const uint8_t *digest)
{
    s->known = repx_grow(s->known, s->known_count + 1, sizeof(*s->known));
    memcpy(s->known[s->known_count++].bytes, digest, REPX_DIGEST_LEN);
}

int sets_ask(struct sets *s, const uint8_t digest[REPX_DIGEST_LEN], int *any,
             int64_t *trip_ms, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf fields = {0};
    struct session_call *call = take_expected(s, digest);

    if (!call) {
        s->asked_ms = now(s);
        s->trip_ms = -1;
        call = begin(s, V_KNOWN, digest);
    }
    if (session_finish(call, &fields, err) < 0)
        return -1;
    if (s->trip_ms < 0) /* of several that were asked at once the first tells */
        s->trip_ms = now(s) - s->asked_ms;
    *trip_ms = s->trip_ms;
    *any = msg_number(fields.data, fields.len, F_LIMIT, 0) > 0;
    if (msg_number(fields.data, fields.len, F_COUNT, 0) != 1)
        return 0;
    note(s, digest);
    return 1;
}

int sets_remember(struct sets *s, const uint8_t digest[REPX_DIGEST_LEN],
                  struct repx_err *err)
{
    struct session_call *call = begin(s, V_REMEMBER, digest);

    if (!s->settles) {
        if (session_finish(call, NULL, err) < 0)
            return -1;
    } else {
        s->owed = repx_grow(s->owed, s->owed_count + 1, sizeof(struct session_call *));
        s->owed[s->owed_count++] = call;
    }
    note(s, digest);
    return 0;
}

int sets_settle(struct sets *s, struct repx_err *err)
{
    return session_finish_all(s->owed, &s->owed_count, err);
}

const struct digest *sets_known(const struct sets *s, size_t *count)
{
    *count = s->known_count;
    return s->known;
}
