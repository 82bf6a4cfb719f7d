/* SPDX-License-Identifier: MIT */
#include "stream.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#define WINDOW (8u << 20)
#define PACKET 32768u
#define STEP_MS 60000
#define END_MS 2000

static size_t held(const struct ahead *a)
{
    return a->end - a->start;
}

static char *room(struct ahead *a)
{
    if (!a->bytes)
        a->bytes = repx_alloc(AHEAD_MAX);
    return a->bytes;
}

int stream_is_stuck(const struct ssh *s)
{
    if (!(libssh2_session_block_directions(s->session) &
          LIBSSH2_SESSION_BLOCK_OUTBOUND))
        return 0;
    for (const struct stream *st = s->streams; st; st = st->next) {
        if (held(&st->out) || st->half == HALF_WANTED)
            return 1;
    }
    return 0;
}

/* ---- writing ---- */

static int64_t flush_end(struct stream *st, struct repx_err *err)
{
    if (st->half != HALF_WANTED)
        return 0;
    int rc = libssh2_channel_send_eof(st->channel);
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return REPX_AGAIN;
    st->half = HALF_DONE;
    /* A command that has ended needs no end of file. */
    if (rc < 0 && rc != LIBSSH2_ERROR_CHANNEL_CLOSED &&
        !libssh2_channel_eof(st->channel))
        return ssh_fail(st->s, "closing input", err);
    return 0;
}

int64_t stream_flush(struct stream *st, struct repx_err *err)
{
    struct ahead *o = &st->out;

    while (held(o)) {
        ssize_t n = libssh2_channel_write(st->channel, o->bytes + o->start, held(o));
        if (n == LIBSSH2_ERROR_EAGAIN || n == 0)
            return REPX_AGAIN;
        if (n == LIBSSH2_ERROR_CHANNEL_CLOSED || n == LIBSSH2_ERROR_CHANNEL_EOF_SENT) {
            o->start = o->end = 0;
            return repx_fail(err, REPX_E_FAILED, "%s: the command ended", st->s->where);
        }
        if (n < 0)
            return ssh_fail(st->s, "sending", err);
        o->start += (size_t)n;
    }
    o->start = o->end = 0;
    return flush_end(st, err);
}

int64_t ssh_write(void *stream, const void *from, uint64_t len, struct repx_err *err)
{
    struct stream *st = stream;

    if (st->half != HALF_OPEN)
        return repx_fail(err, REPX_E_FAILED, "written after its end");
    if (!len)
        return 0;
    int64_t rc = stream_flush(st, err);
    if (rc != 0)
        return rc;
    size_t n = len < AHEAD_MAX ? (size_t)len : AHEAD_MAX;
    memcpy(room(&st->out), from, n);
    st->out.end = n;
    return stream_flush(st, err) == -1 ? -1 : (int64_t)n;
}

int32_t ssh_half_close(void *stream, struct repx_err *err)
{
    struct stream *st = stream;

    if (st->half == HALF_OPEN)
        st->half = HALF_WANTED;
    return stream_flush(st, err) == -1 ? -1 : 0; /* waiting sends the rest */
}

/* ---- reading ---- */

static int startup(const struct stream *st, const char *command)
{
    return libssh2_channel_process_startup(st->channel, "exec", 4, command,
                                           (unsigned int)strlen(command));
}

/* Did the server start the command? 0, REPX_AGAIN, -1. */
static int64_t started(struct stream *st, struct repx_err *err)
{
    if (!st->command)
        return 0;
    int rc = startup(st, st->command);
    if (rc == LIBSSH2_ERROR_EAGAIN)
        return REPX_AGAIN;
    free(st->command);
    st->command = NULL;
    return rc == 0 ? 0 : ssh_fail(st->s, "starting a command", err);
}

static ssize_t take(struct stream *st, uint32_t channel, char *to, size_t n,
                    struct repx_err *err)
{
    int id = channel == REPX_STREAM_ERR ? SSH_EXTENDED_DATA_STDERR : 0;

    if (stream_is_stuck(st->s) && stream_flush_all(st->s, err) < 0)
        return -1;
    if (stream_is_stuck(st->s))
        return REPX_AGAIN; /* reading may have to send, too */
    int64_t rc = started(st, err);
    if (rc != 0)
        return rc;
    ssize_t got = libssh2_channel_read_ex(st->channel, id, to, n);
    if (got == LIBSSH2_ERROR_EAGAIN)
        return REPX_AGAIN;
    if (got < 0)
        return ssh_fail(st->s, "receiving", err);
    return got;
}

int stream_fill(struct stream *st, uint32_t channel, struct repx_err *err)
{
    struct ahead *a = &st->in[channel];

    if (held(a) || a->at_end)
        return 0;
    ssize_t n = take(st, channel, room(a), AHEAD_MAX, err);
    if (n == -1)
        return -1;
    a->at_end = n == 0;
    a->start = 0;
    a->end = n > 0 ? (size_t)n : 0;
    return 0;
}

int64_t ssh_read(void *stream, uint32_t channel, void *to, uint64_t len,
                 struct repx_err *err)
{
    struct stream *st = stream;
    struct ahead *a = &st->in[channel == REPX_STREAM_ERR];

    if (!held(a) && !a->at_end) {
        ssize_t n = take(st, channel, to, (size_t)len, err);
        a->at_end = n == 0;
        return n;
    }
    size_t n = held(a) < len ? held(a) : (size_t)len;
    if (n)
        memcpy(to, a->bytes + a->start, n);
    a->start += n;
    return (int64_t)n;
}

/* ---- beginning and end ---- */

static void release(struct stream *st)
{
    free(st->in[0].bytes);
    free(st->in[1].bytes);
    free(st->out.bytes);
    free(st->command);
    free(st);
}

static LIBSSH2_CHANNEL *open_channel(struct ssh *s, int64_t deadline_ms,
                                     struct repx_err *err)
{
    for (;;) {
        LIBSSH2_CHANNEL *c =
            libssh2_channel_open_ex(s->session, "session", 7, WINDOW, PACKET, NULL, 0);
        if (c)
            return c;
        if (libssh2_session_last_errno(s->session) != LIBSSH2_ERROR_EAGAIN) {
            (void)ssh_fail(s, "opening a channel", err);
            return NULL;
        }
        if (ssh_wait(s, deadline_ms, err) < 0)
            return NULL;
    }
}

/* Ask for it. The answer is taken by who reads: what is written meanwhile follows the request,
 * and waiting would cost a round trip. */
static int start_command(struct stream *st, const char *command, int64_t deadline_ms,
                         struct repx_err *err)
{
    int rc;

    while ((rc = startup(st, command)) == LIBSSH2_ERROR_EAGAIN) {
        if (!(libssh2_session_block_directions(st->s->session) &
              LIBSSH2_SESSION_BLOCK_OUTBOUND)) {
            st->command = repx_strdup(command);
            return 0;
        }
        if (ssh_wait(st->s, deadline_ms, err) < 0)
            return -1;
    }
    return rc == 0 ? 0 : ssh_fail(st->s, "starting a command", err);
}

/* Nothing else may be half sent when a new conversation begins. */
static int settle(struct ssh *s, int64_t deadline_ms, struct repx_err *err)
{
    while (stream_is_stuck(s)) {
        if (stream_flush_all(s, err) < 0)
            return -1;
        if (stream_is_stuck(s) && ssh_wait(s, deadline_ms, err) < 0)
            return -1;
    }
    return 0;
}

int32_t ssh_start(void *self, const char *command, int64_t deadline_ms, void **stream,
                  struct repx_err *err)
{
    struct ssh *s = self;
    int64_t until = deadline_ms ? deadline_ms : ssh_now(s) + STEP_MS;

    if (settle(s, until, err) < 0)
        return -1;
    struct stream *st = REPX_NEW(struct stream);
    st->s = s;
    st->channel = open_channel(s, until, err);
    if (!st->channel) {
        release(st);
        return -1;
    }
    st->next = s->streams;
    s->streams = st;
    if (start_command(st, command, until, err) < 0) {
        ssh_end(st);
        return -1;
    }
    *stream = st;
    return 0;
}

void ssh_end(void *stream)
{
    struct stream *st = stream;

    if (!st)
        return;
    struct ssh *s = st->s;
    int64_t until = ssh_now(s) + END_MS;
    st->out.start = st->out.end; /* nobody waits for it now */
    st->half = HALF_DONE;
    /* A channel that the far end has not closed yet goes with the session; only what is to
     * be sent is waited for. */
    while (libssh2_channel_free(st->channel) == LIBSSH2_ERROR_EAGAIN) {
        if (!(libssh2_session_block_directions(s->session) &
              LIBSSH2_SESSION_BLOCK_OUTBOUND) ||
            ssh_wait(s, until, NULL) < 0)
            break;
    }
    for (struct stream **at = &s->streams; *at; at = &(*at)->next) {
        if (*at == st) {
            *at = st->next;
            break;
        }
    }
    release(st);
}

void ssh_drop_streams(struct ssh *s)
{
    while (s->streams) {
        struct stream *st = s->streams;
        s->streams = st->next;
        release(st);
    }
}

/* ---- the end of a command ---- */

static int signal_number(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } signals[] = {{"HUP", 1},   {"INT", 2},   {"QUIT", 3},  {"ILL", 4},
                   {"TRAP", 5},  {"ABRT", 6},  {"BUS", 7},   {"FPE", 8},
                   {"KILL", 9},  {"USR1", 10}, {"SEGV", 11}, {"USR2", 12},
                   {"PIPE", 13}, {"ALRM", 14}, {"TERM", 15}};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        if (strcmp(signals[i].name, name) == 0)
            return signals[i].number;
    }
    return 0;
}

/* What nobody read is in the way of the end. */
static int skip_output(struct stream *st, int64_t deadline_ms, struct repx_err *err)
{
    while (!st->in[0].at_end || !st->in[1].at_end) {
        for (uint32_t c = 0; c < 2; c++) {
            if (stream_fill(st, c, err) < 0)
                return -1;
            st->in[c].start = st->in[c].end;
        }
        if (st->in[0].at_end && st->in[1].at_end)
            break;
        if (ssh_wait(st->s, deadline_ms, err) < 0)
            return -1;
    }
    return 0;
}

int32_t ssh_exit_status(void *stream, int64_t deadline_ms, int32_t *status,
                        struct repx_err *err)
{
    struct stream *st = stream;
    char *name = NULL;
    size_t n = 0;
    int rc;

    if (skip_output(st, deadline_ms, err) < 0)
        return -1;
    while ((rc = libssh2_channel_wait_closed(st->channel)) == LIBSSH2_ERROR_EAGAIN) {
        if (ssh_wait(st->s, deadline_ms, err) < 0)
            return -1;
    }
    if (rc < 0)
        return ssh_fail(st->s, "waiting for the end of the command", err);
    (void)libssh2_channel_get_exit_signal(st->channel, &name, &n, NULL, NULL, NULL,
                                          NULL);
    *status =
        name ? 128 + signal_number(name) : libssh2_channel_get_exit_status(st->channel);
    if (name)
        libssh2_free(st->s->session, name);
    return 0;
}
