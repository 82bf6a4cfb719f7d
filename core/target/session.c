/* SPDX-License-Identifier: MIT */
/* session.c: the blocking client of the agent.
 *
 * Everything moves in pump(): write what the mux has ready, read what came, drain
 * standard error, and only when nothing moved sleep in the transport's wait. Since every
 * wait reads as well as writes, neither side can block the other. */
#include "core/target/session.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kit/alloc.h>

#include "core/wire/msg.h"
#include "core/wire/mux.h"
#include "core/wire/verbs.h"

#define READ_STEP (256 * 1024)
#define ERRORS_MAX 16384 /* of standard error kept for messages */
#define CALLS_AHEAD 4096 /* calls started before older ones answered */
#define FAREWELL_MS 500
#define CANCEL_NAP_MS 5

struct session_call {
    struct session *session;
    uint32_t stream; /* 0: never started */
    uint64_t activity;
    int (*data)(void *ctx, const void *bytes, size_t n, struct repx_err *err);
    void *ctx;
    int done, failed;
    struct repx_buf result;
    struct repx_err err;
};

struct session {
    const struct repx_transport_ops *ops;
    void *transport, *stream;
    const struct repx_host *host;
    struct mux *mux;
    struct repx_buf hello, errors;
    int hello_seen, errors_ended;
    int deaf; /* nothing can be written any more */
    int ignore_cancel;
    int broken; /* then link says why */
    struct repx_err link;
    struct session_call **calls; /* by stream number; NULL: not ours any more */
    size_t cap;
    uint64_t activity, waited; /* see count_trip */
    struct session_stats stats;
    char *buffer;
};

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
    c->failed = 1;
    (void)repx_fail(&c->err, (int32_t)code, "%s",
                    text && *text ? text : "the agent refused without a reason");
    return 0;
}

static void on_log(void *ctx, uint32_t level, const char *text)
{
    const struct session *s = ctx;

    s->host->log(s->host->ctx, level, text);
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

/* ---- what went wrong ---- */

/* The last line of text that is not blank, made printable. */
static char *last_line(const char *text, size_t n)
{
    while (n && (unsigned char)text[n - 1] <= ' ')
        n--;
    size_t from = n;
    while (from && text[from - 1] != '\n')
        from--;
    char *line = repx_strndup(text + from, n - from);
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127)
            *p = ' ';
    return line;
}

static int broke(struct session *s, const struct repx_err *why)
{
    if (!s->broken) {
        s->broken = 1;
        s->link = *why;
    }
    return -1;
}

static int link_ended(struct session *s)
{
    REPX_AUTO_FREE char *errors = last_line(repx_buf_text(&s->errors), s->errors.len);
    const char *noise = mux_last_noise(s->mux);
    REPX_AUTO_FREE char *spoken = last_line(noise, strlen(noise));
    const char *said = *errors ? errors : spoken;
    struct repx_err err = {0};

    (void)repx_fail(&err, REPX_E_LINK, "%s%s%s",
                    s->hello_seen ? "the connection to the agent ended"
                                  : "the command ended before an agent answered",
                    *said ? "; the last line was: " : "", said);
    return broke(s, &err);
}

static int give_link(const struct session *s, struct repx_err *err)
{
    if (err)
        *err = s->link;
    return -1;
}

/* ---- moving bytes ---- */

static void keep_errors(struct session *s, const char *bytes, size_t n)
{
    repx_buf_add(&s->errors, bytes, n);
    if (s->errors.len > ERRORS_MAX)
        repx_buf_drop(&s->errors, s->errors.len - ERRORS_MAX);
}

/* Each returns 1 when something moved, 0 when not, -1 when the link broke. */
static int drain_errors(struct session *s)
{
    int moved = 0;

    while (!s->errors_ended) {
        int64_t n =
            s->ops->read(s->stream, REPX_STREAM_ERR, s->buffer, READ_STEP, NULL);
        if (n == REPX_AGAIN)
            break;
        if (n <= 0)
            s->errors_ended = 1;
        else
            keep_errors(s, s->buffer, (size_t)n);
        moved = 1;
    }
    return moved;
}

static int read_output(struct session *s)
{
    struct repx_err err = {0};
    int64_t n = s->ops->read(s->stream, REPX_STREAM_OUT, s->buffer, READ_STEP, &err);

    if (n == REPX_AGAIN)
        return 0;
    if (n == 0) {
        (void)drain_errors(s);
        return link_ended(s);
    }
    if (n < 0)
        return broke(s, &err);
    s->stats.bytes_received += (uint64_t)n;
    return mux_input(s->mux, s->buffer, (size_t)n, &err) < 0 ? broke(s, &err) : 1;
}

static int write_output(struct session *s)
{
    struct repx_err err = {0};
    const void *bytes;
    size_t n;
    int moved = 0;

    while (!s->deaf && (n = mux_output(s->mux, &bytes)) > 0) {
        int64_t w = s->ops->write(s->stream, bytes, n, &err);
        if (w == REPX_AGAIN)
            break;
        if (w < 0) { /* what it said before it went is worth reading */
            s->deaf = 1;
            s->link = err;
            break;
        }
        mux_sent(s->mux, (size_t)w);
        s->stats.bytes_sent += (uint64_t)w;
        moved = 1;
    }
    return moved;
}

static int move(struct session *s)
{
    int wrote = write_output(s);
    int came = read_output(s);
    int errors = s->broken ? 0 : drain_errors(s);

    return came < 0 ? -1 : wrote || came || errors;
}

static int user_canceled(const struct session *s)
{
    return s->host->canceled(s->host->ctx) != 0;
}

static void nap(void)
{
    const struct timespec t = {.tv_nsec = CANCEL_NAP_MS * 1000000L};

    (void)nanosleep(&t, NULL);
}

/* 1 when something moved, 0 when the deadline passed or the user canceled, -1. */
static int pump(struct session *s, int64_t deadline_ms)
{
    struct repx_err err = {0};

    if (s->broken)
        return -1;
    int moved = move(s);
    if (moved)
        return moved;
    struct repx_wait item = {.stream = s->stream, .want = REPX_READY_READ};
    const void *bytes;
    if (!s->errors_ended)
        item.want |= REPX_READY_ERRORS;
    if (!s->deaf && mux_output(s->mux, &bytes) > 0)
        item.want |= REPX_READY_WRITE;
    int64_t n = s->ops->wait(s->transport, &item, 1, sizeof(item), deadline_ms, &err);
    if (n < 0)
        return broke(s, &err);
    if (n == 0)
        return 0;
    moved = move(s);
    return moved < 0 ? -1 : 1;
}

static int64_t now(const struct session *s)
{
    return s->host->now_ms(s->host->ctx);
}

/* ---- create, destroy ---- */

static int hello_error(const struct session *s, struct repx_err *err)
{
    int64_t code = msg_number(s->hello.data, s->hello.len, F_CODE, REPX_E_NONE);

    if (code == REPX_E_NONE)
        return 0;
    REPX_AUTO_FREE char *text = msg_text(s->hello.data, s->hello.len, F_TEXT);
    return repx_fail(err, (int32_t)code, "%s", text ? text : "the agent cannot work");
}

static int await_hello(struct session *s, int64_t deadline_ms, struct repx_err *err)
{
    while (!s->hello_seen) {
        int moved = pump(s, deadline_ms);
        if (moved < 0 && !s->hello_seen)
            return give_link(s, err);
        if (moved == 0 && user_canceled(s))
            return repx_fail(err, REPX_E_CANCELED, "canceled");
        if (moved == 0 && deadline_ms && now(s) >= deadline_ms) {
            const char *noise = mux_last_noise(s->mux);
            REPX_AUTO_FREE char *line = last_line(noise, strlen(noise));
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
    s->buffer = repx_alloc(READ_STEP);
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
    int64_t deadline = now(s) + FAREWELL_MS;
    int moved = 1;

    while (!mux_idle(s->mux) && !s->deaf && moved > 0)
        moved = pump(s, deadline);
    if (s->broken || s->ops->half_close(s->stream, NULL) < 0)
        return;
    s->deaf = 1;
    do
        moved = pump(s, deadline);
    while (moved > 0 && now(s) < deadline);
}

void session_destroy(struct session *s)
{
    if (!s)
        return;
    if (!s->broken)
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

void session_ignore_cancel(struct session *s, int ignore)
{
    s->ignore_cancel = ignore;
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
        moved = pump(s, 0);
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

static int give_up(const struct session *s)
{
    return !s->ignore_cancel && user_canceled(s);
}

/* One step of waiting for something without a deadline. */
static int wait_step(struct session *s, struct repx_err *err)
{
    int moved = pump(s, 0);

    if (moved < 0)
        return give_link(s, err);
    if (moved == 0 && give_up(s))
        return repx_fail(err, REPX_E_CANCELED, "canceled");
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
            return give_link(s, err);
        size_t took = mux_send(s->mux, c->stream, p, n);
        p += took;
        n -= took;
        if (mux_room(s->mux, c->stream) < MUX_WINDOW / 2)
            (void)move(s);
        if (n && !took && !c->done && wait_step(s, err) < 0)
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

static void end_upload(struct session_call *c)
{
    if (c->stream && !c->done)
        mux_end(c->session->mux, c->stream);
}

int session_finish(struct session_call *c, struct repx_buf *fields,
                   struct repx_err *err)
{
    struct session *s = c->session;
    struct repx_err why = {0};
    int rc = 0;

    end_upload(c);
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

int session_poll(struct session_call *c, int64_t deadline_ms, struct repx_err *err)
{
    struct session *s = c->session;

    end_upload(c);
    do {
        if (c->done)
            return 1;
        int moved = deadline_ms ? pump(s, deadline_ms) : move(s);
        if (c->done)
            return 1;
        if (moved < 0)
            return give_link(s, err);
        if (moved == 0 && give_up(s))
            return repx_fail(err, REPX_E_CANCELED, "canceled");
        if (moved == 0 && deadline_ms && now(s) < deadline_ms)
            nap();
    } while (deadline_ms && now(s) < deadline_ms);
    return 0;
}

static int collect(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    (void)err;
    if (ctx)
        repx_buf_add(ctx, bytes, n);
    return 0;
}

int session_ask(struct session *s, uint16_t verb, const void *msg, size_t n,
                struct repx_buf *data, struct repx_buf *fields, struct repx_err *err)
{
    return session_finish(session_call(s, verb, msg, n, collect, data), fields, err);
}
