/* SPDX-License-Identifier: MIT */
/* session_link.c: the bytes of a session.
 *
 * Everything moves in session_pump: write what the mux has ready, read what came, drain
 * standard error, and only when nothing moved sleep in the transport's wait. Since every
 * wait reads as well as writes, neither side can block the other. */
#include <string.h>

#include <kit/alloc.h>
#include <kit/printable.h>

#include "core/target/session_internal.h"

#define ERRORS_MAX 16384 /* of standard error kept for messages */
#define ERRORS_AT_ONCE 4 /* pieces read before other things have their turn */

/* ---- what went wrong ---- */

char *session_last_line(const char *text)
{
    size_t n = strlen(text);

    while (n && (unsigned char)text[n - 1] <= ' ')
        n--;
    size_t from = n;
    while (from && text[from - 1] != '\n')
        from--;
    char *line = repx_strndup(text + from, n - from);
    repx_printable(line, "");
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

/* The transport's own words say what happened, and not what to do. */
static int link_lost(struct session *s, struct repx_err *why)
{
    if (s->hello_seen) {
        (void)repx_wrap(why,
                        "the connection to the agent was lost: run the same again, "
                        "it goes on where this stopped");
    }
    return broke(s, why);
}

static int link_ended(struct session *s)
{
    REPX_AUTO_FREE char *errors = session_last_line(repx_buf_text(&s->errors));
    REPX_AUTO_FREE char *spoken = session_last_line(mux_last_noise(s->mux));
    const char *said = *errors ? errors : spoken;
    struct repx_err err = {0};

    (void)repx_fail(&err, REPX_E_LINK, "%s%s%s",
                    s->hello_seen
                        ? "the connection to the agent ended: run the same again, "
                          "it goes on where this stopped"
                        : "the command ended before an agent answered",
                    *said ? "; the last line was: " : "", said);
    return broke(s, &err);
}

int session_link_error(const struct session *s, struct repx_err *err)
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

    for (int i = 0; i < ERRORS_AT_ONCE && !s->errors_ended; i++) {
        int64_t n =
            s->ops->read(s->stream, REPX_STREAM_ERR, s->buffer, SESSION_STEP, NULL);
        if (n == REPX_AGAIN)
            break;
        if (n <= 0) {
            s->errors_ended = 1;
        } else {
            keep_errors(s, s->buffer, (size_t)n);
        }
        moved = 1;
    }
    return moved;
}

static int read_output(struct session *s)
{
    struct repx_err err = {0};
    int64_t n = s->ops->read(s->stream, REPX_STREAM_OUT, s->buffer, SESSION_STEP, &err);

    if (n == REPX_AGAIN)
        return 0;
    if (n == 0) {
        (void)drain_errors(s);
        return link_ended(s);
    }
    if (n < 0)
        return link_lost(s, &err);
    s->stats.bytes_received += (uint64_t)n;
    s->asked = 0;
    s->heard = session_now(s);
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

int session_move(struct session *s)
{
    int wrote = write_output(s);
    int came = read_output(s);
    int errors = s->broken ? 0 : drain_errors(s);

    return came < 0 ? -1 : wrote || came || errors;
}

/* ---- silence ---- */

/* A stopped agent, or a wire without an end, says nothing for ever. After a while of
 * silence the agent is asked for a sign of life, which it gives between any two pieces of
 * work; so a long answer is no silence, and a slow disk is given minutes. */
static int silence(struct session *s)
{
    int64_t now = session_now(s);

    if (!s->hello_seen || s->deaf)
        return 0;
    if (!s->asked) {
        if (now - s->heard < s->ask_after)
            return 0;
        mux_ping(s->mux);
        s->asked = now;
        return 0;
    }
    if (now - s->asked >= s->end_after) {
        struct repx_err err = {0};
        (void)repx_fail(&err, REPX_E_LINK,
                        "the agent has been silent for %lld s (stopped, or its disk "
                        "hangs): run the same again, it goes on where this stopped",
                        (long long)(now - s->heard) / 1000);
        return broke(s, &err);
    }
    if (now - s->asked >= s->ask_after && !s->warned) {
        s->warned = 1;
        s->host->log(s->host->ctx, REPX_LOG_WARN,
                     "the agent does not answer; waiting (Ctrl-C leaves)");
    }
    return 0;
}

static int64_t next_look(const struct session *s, int64_t deadline_ms)
{
    int64_t look = session_now(s) + s->ask_after;

    if (!s->hello_seen || (deadline_ms && deadline_ms < look))
        return deadline_ms;
    return look;
}

/* 1 when something moved, 0 when the deadline passed or the user canceled, -1. */
int session_pump(struct session *s, int64_t deadline_ms)
{
    struct repx_err err = {0};

    if (s->broken)
        return -1;
    int moved = session_move(s);
    if (moved)
        return moved;
    struct repx_wait item = {.stream = s->stream, .want = REPX_READY_READ};
    const void *bytes;
    if (!s->errors_ended)
        item.want |= REPX_READY_ERRORS;
    if (!s->deaf && mux_output(s->mux, &bytes) > 0)
        item.want |= REPX_READY_WRITE;
    int64_t n = s->ops->wait(s->transport, &item, 1, sizeof(item),
                             next_look(s, deadline_ms), &err);
    if (n < 0)
        return link_lost(s, &err);
    if (n == 0)
        return silence(s);
    moved = session_move(s);
    return moved < 0 ? -1 : 1;
}

int64_t session_now(const struct session *s)
{
    return s->host->now_ms(s->host->ctx);
}
