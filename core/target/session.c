/* SPDX-License-Identifier: MIT */
/* session.c: the agent's calls, as functions that wait. How bytes move: session_link.c. */
#include "core/target/session.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kit/alloc.h>
#include <kit/printable.h>

#include "core/target/session_internal.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define CALLS_AHEAD 4096 /* calls started before older ones answered */
#define FAREWELL_MS 500
#define CANCEL_NAP_MS 5
#define SILENCE_MS 20000      /* before the agent is asked whether it lives */
#define SILENCE_END_MS 300000 /* and how long it may take to say so */

/* ---- events of the wire ---- */

static struct session_call *call_of(const struct session *s, uint32_t stream)
{
    return stream < s->cap ? s->calls[stream] : NULL;
}

static int on_hello(void *ctx, int64_t version, const void *msg, size_t n,
                    struct repx_err *err)
{
    struct session *s = ctx;

    (void)version, (void)err;
    repx_buf_add(&s->hello, msg, n);
    s->hello_seen = 1;
    return 0;
}

static void call_failed(struct session_call *c, const struct repx_err *err)
{
    c->done = c->failed = 1;
    c->err = *err;
}

static int on_data(void *ctx, uint32_t stream, const void *bytes, size_t n,
                   struct repx_err *err)
{
    struct session *s = ctx;
    struct session_call *c = call_of(s, stream);
    struct repx_err own = {0};

    (void)err;
    if (c && c->data && !c->done && c->data(c->ctx, bytes, n, &own) < 0) {
        call_failed(c, &own);
        mux_cancel(s->mux, stream);
    }
    mux_consumed(s->mux, stream, n);
    return 0;
}

static int on_result(void *ctx, uint32_t stream, const void *msg, size_t n,
                     struct repx_err *err)
{
    struct session_call *c = call_of(ctx, stream);

    (void)err;
    if (!c || c->done)
        return 0;
    int64_t code = msg_number(msg, n, F_CODE, REPX_E_FAILED);
    repx_buf_add(&c->result, msg, n);
    c->done = 1;
    if (code == REPX_E_NONE)
        return 0;
    REPX_AUTO_FREE char *text = msg_text(msg, n, F_TEXT);
    if (text)
        repx_printable(text, "");
    c->failed = 1;
    (void)repx_fail(&c->err, (int32_t)code, "%s",
                    text && *text ? text : "the agent refused without a reason");
    return 0;
}

static void on_log(void *ctx, uint32_t level, const char *text)
{
    const struct session *s = ctx;
    REPX_AUTO_FREE char *line = repx_printable_line(text);

    s->host->log(s->host->ctx, level, line);
}

static void on_noise(void *ctx, const char *line)
{
    on_log(ctx, REPX_LOG_DEBUG, line);
}

static const struct mux_events events = {.hello = on_hello,
                                         .data = on_data,
                                         .result = on_result,
                                         .log = on_log,
                                         .noise = on_noise};

static int user_canceled(const struct session *s)
{
    return s->host->canceled(s->host->ctx) != 0;
}

static void nap(void)
{
    const struct timespec t = {.tv_nsec = CANCEL_NAP_MS * 1000000L};

    (void)nanosleep(&t, NULL);
}

/* ---- create, destroy ---- */

static int hello_error(const struct session *s, struct repx_err *err)
{
    int64_t code = msg_number(s->hello.data, s->hello.len, F_CODE, REPX_E_NONE);

    if (code == REPX_E_NONE)
        return 0;
    REPX_AUTO_FREE char *text = msg_text(s->hello.data, s->hello.len, F_TEXT);
    if (text)
        repx_printable(text, "");
    return repx_fail(err, (int32_t)code, "%s", text ? text : "the agent cannot work");
}

static int await_hello(struct session *s, int64_t deadline_ms, struct repx_err *err)
{
    while (!s->hello_seen) {
        int moved = session_pump(s, deadline_ms);
        if (moved < 0 && !s->hello_seen)
            return session_link_error(s, err);
        if (moved == 0 && user_canceled(s))
            return repx_fail(err, REPX_E_CANCELED, "cancelled");
        if (moved == 0 && deadline_ms && session_now(s) >= deadline_ms) {
            REPX_AUTO_FREE char *line = session_last_line(mux_last_noise(s->mux));
            return repx_fail(err, REPX_E_TIMEOUT, "no agent answered in time%s%s",
                             *line ? "; the last line was: " : "", line);
        }
    }
    return hello_error(s, err);
}

struct session *session_create(const struct repx_transport_ops *ops, void *transport,
                               void *stream, const struct repx_host *host,
                               int64_t deadline_ms, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf fields = {0};
    struct session *s = REPX_NEW(struct session);

    s->ops = ops;
    s->transport = transport;
    s->stream = stream;
    s->host = host;
    s->buffer = repx_alloc(SESSION_STEP);
    s->heard = session_now(s);
    session_patience(s, SILENCE_MS, SILENCE_END_MS);
    s->mux = mux_create(MUX_CLIENT, &events, s);
    msg_put_text(&fields, F_VERSION, REPX_VERSION);
    mux_hello(s->mux, fields.data, fields.len);
    s->stats.round_trips = 1;
    if (await_hello(s, deadline_ms, err) == 0)
        return s;
    session_destroy(s);
    return NULL;
}

static void farewell(struct session *s)
{
    int64_t deadline = session_now(s) + FAREWELL_MS;
    int moved = 1;

    while (!mux_idle(s->mux) && !s->deaf && moved > 0)
        moved = session_pump(s, deadline);
    if (s->broken || s->ops->half_close(s->stream, NULL) < 0)
        return;
    s->deaf = 1;
    do {
        moved = session_pump(s, deadline);
    } while (moved > 0 && session_now(s) < deadline);
}

void session_leave_at_once(struct session *s)
{
    s->leave_at_once = 1;
}

void session_destroy(struct session *s)
{
    if (!s)
        return;
    if (!s->broken && !s->leave_at_once)
        farewell(s);
    for (size_t i = 0; i < s->cap; i++) {
        if (s->calls[i])
            repx_buf_free(&s->calls[i]->result);
        free(s->calls[i]);
    }
    free(s->calls);
    mux_destroy(s->mux);
    repx_buf_free(&s->hello);
    repx_buf_free(&s->errors);
    free(s->buffer);
    free(s);
}

const void *session_hello(const struct session *s, size_t *n)
{
    *n = s->hello.len;
    return s->hello.data;
}

void session_patience(struct session *s, int64_t ask_after_ms, int64_t end_after_ms)
{
    s->ask_after = ask_after_ms;
    s->end_after = end_after_ms;
}

void session_stats(const struct session *s, struct session_stats *stats)
{
    *stats = s->stats;
}

/* ---- calls ---- */

static void enlist(struct session *s, struct session_call *c)
{
    if (c->stream >= s->cap) {
        size_t cap = s->cap ? s->cap : 64;
        while (cap <= c->stream)
            cap *= 2;
        s->calls = repx_grow(s->calls, cap, sizeof(struct session_call *));
        memset(s->calls + s->cap, 0, (cap - s->cap) * sizeof(struct session_call *));
        s->cap = cap;
    }
    s->calls[c->stream] = c;
}

struct session_call *
session_call(struct session *s, uint16_t verb, const void *msg, size_t n,
             int (*data)(void *ctx, const void *bytes, size_t n, struct repx_err *err),
             void *ctx)
{
    struct session_call *c = REPX_NEW(struct session_call);
    int moved = 1;

    c->session = s;
    c->data = data;
    c->ctx = ctx;
    while (mux_open_streams(s->mux) >= CALLS_AHEAD && moved > 0)
        moved = session_pump(s, 0);
    c->stream = mux_request(s->mux, verb, msg, n);
    c->activity = ++s->activity;
    if (c->stream) {
        enlist(s, c);
        return c;
    }
    c->done = c->failed = 1;
    (void)repx_fail(&c->err, REPX_E_USAGE, "a request of %zu bytes is too large", n);
    return c;
}

static void call_free(struct session_call *c)
{
    if (c->stream)
        c->session->calls[c->stream] = NULL;
    repx_buf_free(&c->result);
    free(c);
}

void session_cancel(struct session_call *c)
{
    if (!c)
        return;
    if (!c->done)
        mux_cancel(c->session->mux, c->stream);
    call_free(c);
}

/* One step of waiting for something without a deadline. */
static int wait_step(struct session *s, struct repx_err *err)
{
    int moved = session_pump(s, 0);

    if (moved < 0)
        return session_link_error(s, err);
    if (moved == 0 && user_canceled(s))
        return repx_fail(err, REPX_E_CANCELED, "cancelled");
    if (moved == 0)
        nap(); /* the cancel descriptor stays readable */
    return 0;
}

int session_send(struct session_call *c, const void *bytes, size_t n,
                 struct repx_err *err)
{
    struct session *s = c->session;
    const char *p = bytes;

    while (n) {
        if (c->done) {
            if (c->failed)
                *err = c->err;
            return c->failed ? -1
                             : repx_fail(err, REPX_E_FAILED,
                                         "the agent answered before the upload ended");
        }
        if (s->broken)
            return session_link_error(s, err);
        size_t took = mux_send(s->mux, c->stream, p, n);
        p += took;
        n -= took;
        if (mux_room(s->mux, c->stream) < MUX_WINDOW / 2)
            (void)session_move(s);
        /* that move may have made the room: nothing would come to end a wait for it */
        if (n && !took && !c->done && mux_room(s->mux, c->stream) == 0 &&
            wait_step(s, err) < 0)
            return -1;
    }
    c->activity = ++s->activity;
    return 0;
}

/* Answers to what was on its way when an earlier wait began come in that same trip. */
static void count_trip(struct session_call *c)
{
    struct session *s = c->session;

    if (c->activity <= s->waited)
        return;
    s->waited = s->activity;
    s->stats.round_trips++;
}

void session_end(struct session_call *c)
{
    struct session *s = c->session;

    if (c->ended || c->done)
        return;
    c->ended = 1;
    c->activity = ++s->activity;
    mux_end(s->mux, c->stream);
}

int session_finish(struct session_call *c, struct repx_buf *fields,
                   struct repx_err *err)
{
    struct session *s = c->session;
    struct repx_err why = {0};
    int rc = 0;

    session_end(c);
    if (!c->done)
        count_trip(c);
    while (rc == 0 && !c->done)
        rc = wait_step(s, &why);
    if (c->done && c->failed) {
        rc = -1;
        why = c->err;
    } else if (c->done) {
        rc = 0;
    }
    if (fields)
        repx_buf_add(fields, c->result.data, c->result.len);
    session_cancel(c);
    if (rc < 0 && err)
        *err = why;
    return rc;
}

int session_finish_all(struct session_call **calls, size_t *count, struct repx_err *err)
{
    int rc = 0;

    for (size_t i = 0; i < *count; i++) {
        if (rc < 0) {
            session_cancel(calls[i]);
        } else {
            rc = session_finish(calls[i], NULL, err);
        }
    }
    *count = 0;
    return rc;
}

int session_poll(struct session_call *c, int64_t deadline_ms, struct repx_err *err)
{
    struct session *s = c->session;

    session_end(c);
    do {
        if (c->done)
            return 1;
        int moved = deadline_ms ? session_pump(s, deadline_ms) : session_move(s);
        if (c->done)
            return 1;
        if (moved < 0)
            return session_link_error(s, err);
        if (moved == 0 && user_canceled(s))
            return repx_fail(err, REPX_E_CANCELED, "cancelled");
        if (moved == 0 && deadline_ms && session_now(s) < deadline_ms)
            nap();
    } while (deadline_ms && session_now(s) < deadline_ms);
    return 0;
}

int session_collect(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    (void)err;
    if (ctx)
        repx_buf_add(ctx, bytes, n);
    return 0;
}

/* Three outputs and a request: all calls that are not streams look like this. */
/* NOLINTNEXTLINE(readability-function-size) */
int session_ask(struct session *s, uint16_t verb, const void *msg, size_t n,
                struct repx_buf *data, struct repx_buf *fields, struct repx_err *err)
{
    return session_finish(session_call(s, verb, msg, n, session_collect, data), fields,
                          err);
}
