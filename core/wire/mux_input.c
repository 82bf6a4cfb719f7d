/* SPDX-License-Identifier: MIT */
/* mux_input.c: bytes that arrived become events. Everything here is hostile. */
#define _GNU_SOURCE /* memmem, memrchr */
#include <string.h>

#include <kit/alloc.h>

#include "core/wire/endian.h"
#include "core/wire/frame.h"
#include "core/wire/msg.h"
#include "core/wire/mux_internal.h"
#include "core/wire/verbs.h"

#define NOISE_MAX 1048576    /* of a login shell, before the magic */
#define STREAMS_MAX 65536    /* open at a time */
#define CONTROL_MAX 67108864 /* bytes of unsent answers to a peer that does not read */
#define PING_MAX 256

static int broken(struct repx_err *err, const struct frame *f, const char *why)
{
    return repx_fail(err, REPX_E_CORRUPT,
                     "the other end broke the protocol: %s (frame type %u, stream %u)",
                     why, f->type, f->stream);
}

/* ---- hello ---- */

static int on_hello(struct mux *m, const struct frame *f, struct repx_err *err)
{
    if (m->hello_seen)
        return broken(err, f, "a second hello");
    if (!msg_valid(f->payload, f->length))
        return broken(err, f, "malformed hello");
    int64_t min = msg_number(f->payload, f->length, F_WIRE_MIN, -1);
    int64_t max = msg_number(f->payload, f->length, F_WIRE_MAX, -1);
    if (min < 1 || max < min)
        return broken(err, f, "hello without versions");
    m->hello_seen = 1;
    m->sums = msg_number(f->payload, f->length, F_SUMS, 0) == 1;
    if (min > WIRE_VERSION_MAX || max < WIRE_VERSION_MIN) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "the %s speaks wire versions %lld to %lld, this %s %d to %d: "
                         "use programs of one release",
                         m->side == MUX_CLIENT ? "agent" : "client", (long long)min,
                         (long long)max, m->side == MUX_CLIENT ? "client" : "agent",
                         WIRE_VERSION_MIN, WIRE_VERSION_MAX);
    }
    int64_t version = max < WIRE_VERSION_MAX ? max : WIRE_VERSION_MAX;
    return m->events.hello
               ? m->events.hello(m->ctx, version, f->payload, f->length, err)
               : 0;
}

/* ---- streams ---- */

static int on_request(struct mux *m, const struct frame *f, struct repx_err *err)
{
    if (m->side != MUX_AGENT)
        return broken(err, f, "a request from the agent");
    if (f->stream <= m->last_stream)
        return broken(err, f, "a request with a used number");
    if (!msg_valid(f->payload, f->length))
        return broken(err, f, "malformed request");
    int64_t verb = msg_number(f->payload, f->length, F_VERB, 0);
    if (verb < 1 || verb > UINT16_MAX)
        return broken(err, f, "a request without a verb");
    (void)mux_add(m, f->stream, verb);
    if (m->count > STREAMS_MAX) {
        mux_result(m, f->stream, REPX_E_BUSY, "too many calls at a time", NULL, 0);
        return 0;
    }
    if (!m->events.request) {
        mux_result(m, f->stream, REPX_E_UNSUPPORTED, "no verbs", NULL, 0);
        return 0;
    }
    return m->events.request(m->ctx, f->stream, (uint16_t)verb, f->payload, f->length,
                             err);
}

/* The stream of a frame, or NULL with *rc set: frames for a stream that was closed a
 * moment ago are on their way and mean nothing. */
static struct mux_stream *stream_of(struct mux *m, const struct frame *f, int *rc,
                                    struct repx_err *err)
{
    struct mux_stream *s = mux_find(m, f->stream);

    *rc = 0;
    if (!s && (f->stream == 0 || f->stream > m->last_stream))
        *rc = broken(err, f, "unknown stream");
    return s;
}

static int on_data(struct mux *m, const struct frame *f, struct repx_err *err)
{
    int rc;
    struct mux_stream *s = stream_of(m, f, &rc, err);

    if (!s)
        return rc;
    if (s->end_seen)
        return broken(err, f, "data after its end");
    if (f->length > s->window)
        return broken(err, f, "more data than its credit");
    s->window -= f->length;
    if (s->canceled || s->result_queued || f->length == 0)
        return 0;
    return m->events.data
               ? m->events.data(m->ctx, f->stream, f->payload, f->length, err)
               : 0;
}

static int on_end(struct mux *m, const struct frame *f, struct repx_err *err)
{
    int rc;
    struct mux_stream *s = stream_of(m, f, &rc, err);

    if (!s)
        return rc;
    if (s->end_seen)
        return broken(err, f, "a second end");
    s->end_seen = 1;
    if (s->canceled || s->result_queued)
        return 0;
    return m->events.end ? m->events.end(m->ctx, f->stream, err) : 0;
}

static int on_credit(struct mux *m, const struct frame *f, struct repx_err *err)
{
    int rc;
    struct mux_stream *s = stream_of(m, f, &rc, err);

    if (f->length != 4)
        return broken(err, f, "malformed credit");
    if (!s)
        return rc;
    uint32_t more = le32_get(f->payload);
    if (more > s->most - s->credit)
        return broken(err, f, "more credit than was used");
    s->credit += more;
    mux_queue(m, s);
    if (m->events.room && !s->canceled)
        m->events.room(m->ctx, f->stream);
    return 0;
}

static int on_result(struct mux *m, const struct frame *f, struct repx_err *err)
{
    int rc;

    if (m->side != MUX_CLIENT)
        return broken(err, f, "a result from the client");
    struct mux_stream *s = stream_of(m, f, &rc, err);
    if (!s)
        return rc < 0 ? rc : broken(err, f, "a second result");
    if (!msg_valid(f->payload, f->length))
        return broken(err, f, "malformed result");
    int canceled = s->canceled;
    mux_remove(m, s);
    if (canceled || !m->events.result)
        return 0;
    return m->events.result(m->ctx, f->stream, f->payload, f->length, err);
}

static int on_cancel(struct mux *m, const struct frame *f, struct repx_err *err)
{
    int rc;

    if (m->side != MUX_AGENT)
        return broken(err, f, "a cancel from the agent");
    struct mux_stream *s = stream_of(m, f, &rc, err);
    if (!s)
        return rc;
    mux_drop_output(s);
    if (m->events.cancel)
        m->events.cancel(m->ctx, f->stream);
    mux_result(m, f->stream, REPX_E_CANCELED, "cancelled", NULL, 0);
    s = mux_find(m, f->stream);
    if (s) { /* a result may have been waiting behind the data that is gone now */
        mux_drop_output(s);
        mux_queue(m, s);
    }
    return 0;
}

/* ---- the connection ---- */

static int on_log(struct mux *m, const struct frame *f, struct repx_err *err)
{
    if (m->side != MUX_CLIENT)
        return broken(err, f, "a log line from the client");
    if (!msg_valid(f->payload, f->length))
        return broken(err, f, "malformed log line");
    REPX_AUTO_FREE char *text = msg_text(f->payload, f->length, F_TEXT);
    int64_t level = msg_number(f->payload, f->length, F_LEVEL, REPX_LOG_INFO);
    if (text && m->events.log)
        m->events.log(m->ctx, (uint32_t)(level & 3), text);
    return 0;
}

static int on_ping(struct mux *m, const struct frame *f, struct repx_err *err)
{
    if (f->length > PING_MAX)
        return broken(err, f, "an oversized ping");
    if (f->type == FRAME_PING)
        mux_control(m, FRAME_PONG, 0, f->payload, f->length);
    return 0;
}

/* Who began with checksums goes on with them, but for DATA whose objects have digests. */
static int check_summed(struct mux *m, const struct frame *f)
{
    const struct mux_stream *s = f->type == FRAME_DATA ? mux_find(m, f->stream) : NULL;

    m->summed |= (f->flags & FRAME_SUM) != 0;
    return !m->summed || f->flags & FRAME_SUM ||
           (f->type == FRAME_DATA && (!s || s->bare));
}

static int dispatch(struct mux *m, const struct frame *f, struct repx_err *err)
{
    static const struct {
        uint8_t type;
        int (*take)(struct mux *m, const struct frame *f, struct repx_err *err);
    } types[] = {
        {FRAME_HELLO, on_hello},   {FRAME_REQUEST, on_request},
        {FRAME_DATA, on_data},     {FRAME_END, on_end},
        {FRAME_CREDIT, on_credit}, {FRAME_RESULT, on_result},
        {FRAME_CANCEL, on_cancel}, {FRAME_LOG, on_log},
        {FRAME_PING, on_ping},     {FRAME_PONG, on_ping},
    };

    if (!check_summed(m, f))
        return broken(err, f, "a frame without its checksum");
    if (m->control.len > CONTROL_MAX)
        return broken(err, f, "it asks and does not read the answers");
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i].type != f->type)
            continue;
        if (!m->hello_seen && f->type != FRAME_HELLO)
            return broken(err, f, "no hello before it");
        return types[i].take(m, f, err);
    }
    return 0; /* of a newer version: not for us */
}

/* ---- noise before the magic ---- */

static void printable(struct repx_buf *line)
{
    for (size_t i = 0; i < line->len; i++) {
        if ((unsigned char)line->data[i] < 32 || line->data[i] == 127)
            line->data[i] = ' ';
    }
}

static void noise_line(struct mux *m, const char *from, size_t n)
{
    m->noise_line.len = 0;
    repx_buf_add(&m->noise_line, from, n < 1024 ? n : 1024);
    printable(&m->noise_line);
    if (n && m->events.noise)
        m->events.noise(m->ctx, repx_buf_text(&m->noise_line));
}

/* Hand out whole lines of the noise. The magic ends its line, so what has no end yet may
 * be its beginning and stays. */
static void noise_lines(struct mux *m, size_t n, int all)
{
    size_t at = 0;

    while (at < n) {
        const char *from = m->in.data + at;
        const char *end = memchr(from, '\n', n - at);
        if (!end && !all)
            break;
        size_t length = end ? (size_t)(end - from) : n - at;
        noise_line(m, from, length);
        at += length + (end ? 1 : 0);
    }
    m->noise += at;
    repx_buf_drop(&m->in, at);
}

static int skip_noise(struct mux *m, struct repx_err *err)
{
    static const char magic[] = FRAME_MAGIC;
    const size_t length = sizeof(magic) - 1;
    const char *found = m->in.len ? memmem(m->in.data, m->in.len, magic, length) : NULL;

    if (found && m->noise + (size_t)(found - m->in.data) <= NOISE_MAX) {
        noise_lines(m, (size_t)(found - m->in.data), 1);
        repx_buf_drop(&m->in, length);
        m->magic_seen = 1;
        return 0;
    }
    noise_lines(m, m->in.len, 0);
    if (m->noise + m->in.len <= NOISE_MAX)
        return 0;
    noise_lines(m, m->in.len, 1);
    return repx_fail(
        err, REPX_E_CORRUPT,
        "no agent answered within %d bytes of output; the last line was: %s", NOISE_MAX,
        repx_buf_text(&m->noise_line));
}

const char *mux_last_noise(const struct mux *m)
{
    if (m->magic_seen)
        return "";
    return repx_buf_text(m->in.len ? &m->in : &m->noise_line);
}

int mux_input(struct mux *m, const void *bytes, size_t n, struct repx_err *err)
{
    size_t at = 0;
    int64_t took = 1;

    repx_buf_add(&m->in, bytes, n);
    if (!m->magic_seen && skip_noise(m, err) < 0)
        return -1;
    while (m->magic_seen && took > 0) {
        struct frame f;
        took = frame_take(m->in.data + at, m->in.len - at, &f, err);
        if (took > 0 && dispatch(m, &f, err) < 0)
            took = -1;
        at += took > 0 ? (size_t)took : 0;
    }
    repx_buf_drop(&m->in, at);
    return took < 0 ? -1 : 0;
}
