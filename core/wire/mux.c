/* SPDX-License-Identifier: MIT */
/* mux.c: streams, the line in which they wait to send, and output. Input: mux_input.c. */
#include "core/wire/mux.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/wire/endian.h"
#include "core/wire/frame.h"
#include "core/wire/msg.h"
#include "core/wire/mux_internal.h"
#include "core/wire/verbs.h"

#define DATA_STEP 32768   /* DATA of one stream before the next has its turn */
#define READY_STEP 131072 /* bytes made ready at a time */
#define CREDIT_STEP (MUX_WINDOW / 8)  /* credit goes back in pieces of this size */
#define TEXT_MAX (FRAME_MAX / 2)      /* of an error's or a log line's text */
#define FIELDS_MAX (FRAME_MAX - 4096) /* of a request or result beside its own */

struct mux *mux_create(int side, const struct mux_events *events, void *ctx)
{
    struct mux *m = REPX_NEW(struct mux);

    m->side = side;
    m->events = *events;
    m->ctx = ctx;
    m->magic_seen = side == MUX_AGENT;
    return m;
}

static void stream_free(struct mux_stream *s)
{
    repx_buf_free(&s->out);
    repx_buf_free(&s->result);
    free(s);
}

void mux_destroy(struct mux *m)
{
    if (!m)
        return;
    while (m->count)
        mux_remove(m, m->streams[m->count - 1]);
    for (struct mux_stream *s = m->first, *next; s; s = next) {
        next = s->next;
        stream_free(s);
    }
    free(m->streams);
    repx_buf_free(&m->control);
    repx_buf_free(&m->ready);
    repx_buf_free(&m->in);
    repx_buf_free(&m->noise_line);
    free(m);
}

/* ---- the table of streams: numbers only grow, so adding keeps it sorted ---- */

static size_t place_of(const struct mux *m, uint32_t id)
{
    size_t low = 0, high = m->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->streams[middle]->id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct mux_stream *mux_find(const struct mux *m, uint32_t id)
{
    size_t i = place_of(m, id);

    return i < m->count && m->streams[i]->id == id ? m->streams[i] : NULL;
}

struct mux_stream *mux_add(struct mux *m, uint32_t id, int64_t verb)
{
    struct mux_stream *s = REPX_NEW(struct mux_stream);

    s->id = id;
    s->bare = verb == V_PUT;
    s->credit = s->window = s->span = s->most = MUX_WINDOW;
    if (m->count == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 16;
        m->streams = repx_grow(m->streams, m->cap, sizeof(struct mux_stream *));
    }
    m->streams[m->count++] = s;
    m->last_stream = id;
    return s;
}

void mux_remove(struct mux *m, struct mux_stream *s)
{
    size_t i = place_of(m, s->id);

    m->count--;
    memmove(&m->streams[i], &m->streams[i + 1],
            (m->count - i) * sizeof(struct mux_stream *));
    s->closed = 1;
    if (!s->turn)
        stream_free(s);
}

/* ---- the line ---- */

static size_t waiting(const struct mux_stream *s)
{
    return s->out.len - s->out_at;
}

static int can_send(const struct mux_stream *s)
{
    if (waiting(s))
        return s->credit > 0;
    return (s->end_queued && !s->end_sent) || s->result_queued;
}

void mux_queue(struct mux *m, struct mux_stream *s)
{
    if (s->turn || !can_send(s))
        return;
    s->turn = 1;
    s->next = NULL;
    if (m->last) {
        m->last->next = s;
    } else {
        m->first = s;
    }
    m->last = s;
}

static struct mux_stream *take_turn(struct mux *m)
{
    struct mux_stream *s = m->first;

    m->first = s->next;
    if (!m->first)
        m->last = NULL;
    s->turn = 0;
    return s;
}

void mux_drop_output(struct mux_stream *s)
{
    repx_buf_free(&s->out);
    s->out_at = 0;
}

/* ---- output ---- */

static uint8_t sum_flag(const struct mux *m)
{
    return m->sums ? FRAME_SUM : 0;
}

void mux_control(struct mux *m, uint8_t type, uint32_t stream, const void *payload,
                 size_t n)
{
    frame_put(&m->control, type, FRAME_CONTROL | sum_flag(m), stream, payload,
              (uint32_t)n);
}

void mux_hello(struct mux *m, const void *fields, size_t n)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};

    if (m->side == MUX_AGENT)
        repx_buf_str(&m->control, FRAME_MAGIC);
    msg_put_number(&msg, F_WIRE_MIN, WIRE_VERSION_MIN);
    msg_put_number(&msg, F_WIRE_MAX, WIRE_VERSION_MAX);
    msg_put_number(&msg, F_SUMS, 1);
    repx_buf_add(&msg, fields, n < FIELDS_MAX ? n : 0);
    mux_control(m, FRAME_HELLO, 0, msg.data, msg.len);
}

static void send_data(struct mux *m, struct mux_stream *s)
{
    size_t n = waiting(s);

    if (n > s->credit)
        n = s->credit;
    if (n > DATA_STEP)
        n = DATA_STEP;
    frame_put(&m->ready, FRAME_DATA, s->bare ? 0 : sum_flag(m), s->id,
              s->out.data + s->out_at, (uint32_t)n);
    s->credit -= (uint32_t)n;
    s->out_at += n;
    if (s->out_at == s->out.len || s->out_at >= MUX_WINDOW / 2) {
        repx_buf_drop(&s->out, s->out_at);
        s->out_at = 0;
    }
}

static void serve_turn(struct mux *m)
{
    struct mux_stream *s = take_turn(m);

    if (s->closed) {
        stream_free(s);
        return;
    }
    if (waiting(s) && s->credit)
        send_data(m, s);
    if (!waiting(s) && s->end_queued && !s->end_sent) {
        frame_put(&m->ready, FRAME_END, FRAME_CONTROL | sum_flag(m), s->id, NULL, 0);
        s->end_sent = 1;
    }
    if (!waiting(s) && s->result_queued) {
        frame_put(&m->ready, FRAME_RESULT, FRAME_CONTROL | sum_flag(m), s->id,
                  s->result.data, (uint32_t)s->result.len);
        mux_remove(m, s);
        return;
    }
    mux_queue(m, s);
}

size_t mux_output(struct mux *m, const void **bytes)
{
    if (m->ready_at == m->ready.len) {
        m->ready.len = m->ready_at = 0;
        if (m->control.len) { /* the buffers change roles instead of being copied */
            struct repx_buf empty = m->ready;
            m->ready = m->control;
            m->control = empty;
        }
        while (m->first && m->ready.len < READY_STEP)
            serve_turn(m);
    }
    *bytes = repx_buf_text(&m->ready) + m->ready_at;
    return m->ready.len - m->ready_at;
}

void mux_sent(struct mux *m, size_t n)
{
    size_t left = m->ready.len - m->ready_at;

    m->ready_at += n < left ? n : left;
}

/* ---- what the owner asks for ---- */

uint32_t mux_request(struct mux *m, uint16_t verb, const void *msg, size_t n)
{
    REPX_AUTO_BUF struct repx_buf b = {0};

    if (m->side != MUX_CLIENT || n > FIELDS_MAX || m->last_stream == UINT32_MAX)
        return 0;
    struct mux_stream *s = mux_add(m, m->last_stream + 1, verb);
    msg_put_number(&b, F_VERB, verb);
    repx_buf_add(&b, msg, n);
    mux_control(m, FRAME_REQUEST, s->id, b.data, b.len);
    return s->id;
}

void mux_cancel(struct mux *m, uint32_t stream)
{
    struct mux_stream *s = mux_find(m, stream);

    if (!s || s->canceled || m->side != MUX_CLIENT)
        return;
    s->canceled = 1;
    s->end_queued = s->end_sent = 1;
    mux_drop_output(s);
    mux_control(m, FRAME_CANCEL, stream, NULL, 0);
}

size_t mux_room(const struct mux *m, uint32_t stream)
{
    const struct mux_stream *s = mux_find(m, stream);

    if (!s || s->end_queued || s->result_queued || waiting(s) >= MUX_WINDOW)
        return 0;
    return MUX_WINDOW - waiting(s);
}

size_t mux_send(struct mux *m, uint32_t stream, const void *bytes, size_t n)
{
    size_t room = mux_room(m, stream);

    if (n > room)
        n = room;
    if (n == 0)
        return 0;
    struct mux_stream *s = mux_find(m, stream);
    repx_buf_add(&s->out, bytes, n);
    mux_queue(m, s);
    return n;
}

void mux_end(struct mux *m, uint32_t stream)
{
    struct mux_stream *s = mux_find(m, stream);

    if (!s || s->end_queued)
        return;
    s->end_queued = 1;
    mux_queue(m, s);
}

static void give_credit(struct mux *m, struct mux_stream *s, uint32_t more)
{
    uint8_t number[4];

    le32_put(number, more);
    mux_control(m, FRAME_CREDIT, s->id, number, sizeof(number));
    s->window += more;
}

void mux_widen(struct mux *m, uint32_t stream, uint32_t more)
{
    struct mux_stream *s = mux_find(m, stream);

    if (!s || s->end_seen)
        return;
    if (more > MUX_WINDOW_MOST - s->span)
        more = MUX_WINDOW_MOST - s->span;
    s->span += more;
    if (more)
        give_credit(m, s, more);
}

void mux_accept(struct mux *m, uint32_t stream, uint32_t most)
{
    struct mux_stream *s = mux_find(m, stream);

    if (s && most > s->most)
        s->most = most < MUX_WINDOW_MOST ? most : MUX_WINDOW_MOST;
}

void mux_consumed(struct mux *m, uint32_t stream, size_t n)
{
    struct mux_stream *s = mux_find(m, stream);

    if (!s)
        return;
    size_t taken = s->span - s->window - s->owed;
    s->owed += (uint32_t)(n < taken ? n : taken);
    if (s->owed < CREDIT_STEP || s->end_seen)
        return;
    give_credit(m, s, s->owed);
    s->owed = 0;
}

static uint32_t text_length(const char *text)
{
    return (uint32_t)strnlen(text, TEXT_MAX);
}

void mux_result(struct mux *m, uint32_t stream, int32_t code, const char *text,
                const void *fields, size_t n)
{
    struct mux_stream *s = mux_find(m, stream);

    if (!s || s->result_queued || m->side != MUX_AGENT)
        return;
    if (n > FRAME_MAX / 4) {
        n = 0;
        code = REPX_E_FAILED;
        text = "the result does not fit into one frame";
    }
    msg_put_number(&s->result, F_CODE, code);
    if (text)
        msg_put(&s->result, F_TEXT, text, text_length(text));
    repx_buf_add(&s->result, fields, n);
    s->result_queued = 1;
    mux_queue(m, s);
}

void mux_log(struct mux *m, uint32_t level, const char *text)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};

    msg_put_number(&msg, F_LEVEL, level);
    msg_put(&msg, F_TEXT, text, text_length(text));
    mux_control(m, FRAME_LOG, 0, msg.data, msg.len);
}

size_t mux_open_streams(const struct mux *m)
{
    return m->count;
}

void mux_ping(struct mux *m)
{
    mux_control(m, FRAME_PING, 0, NULL, 0);
}

void mux_alive(struct mux *m)
{
    mux_control(m, FRAME_PONG, 0, NULL, 0);
}

int mux_idle(const struct mux *m)
{
    return m->ready_at == m->ready.len && m->control.len == 0 && !m->first;
}
