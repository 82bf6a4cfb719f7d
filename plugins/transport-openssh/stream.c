/* SPDX-License-Identifier: MIT */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kit/alloc.h>

#define SAID_MAX 4096u
#define AFTER_END_MS \
    200 /* ssh ends right after its output, if the connection is gone */
#define STEP_MS 60000

static void shut(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static int unblock(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* ---- beginning ---- */

/* Behind a kept login nothing but that login is used: were it to end right now, ssh would
 * connect by itself, and is made to fail at that. */
static void add_master(struct words *w, const struct openssh *o)
{
    if (!o->uses_master)
        return;
    words_add(w, "-o");
    words_add(w, "ControlMaster=no");
    words_add(w, "-o");
    words_fmt(w, "ControlPath=%s", o->master);
    if (o->mode == REPX_OPEN_REUSE) {
        words_add(w, "-o");
        words_add(w, "ProxyCommand=false");
    }
}

int32_t openssh_start(void *self, const char *command, int64_t deadline_ms,
                      void **stream, struct repx_err *err)
{
    struct openssh *o = self;
    struct words w = {0};
    struct stream *st = REPX_NEW(struct stream);
    int rc;

    (void)deadline_ms; /* nothing is waited for */
    st->o = o;
    st->child = (struct repx_child){0, -1, -1, -1};
    rc = words_begin(&w, o, err);
    add_master(&w, o);
    if (rc == 0)
        rc = words_host(&w, o, err);
    words_add(&w, command);
    if (rc == 0) {
        rc = repx_child_start(&st->child, words_argv(&w),
                              REPX_CHILD_IN | REPX_CHILD_OUT | REPX_CHILD_ERR, err);
    }
    words_free(&w);
    if (rc < 0 || unblock(st->child.in) < 0 || unblock(st->child.out) < 0 ||
        unblock(st->child.err) < 0) {
        if (rc == 0)
            (void)repx_fail_errno(err, "pipes to ssh");
        openssh_end(st);
        return -1;
    }
    st->next = o->streams;
    o->streams = st;
    *stream = st;
    return 0;
}

void openssh_end(void *stream)
{
    struct stream *st = stream;

    if (!st)
        return;
    repx_child_end(&st->child);
    for (struct stream **at = &st->o->streams; *at; at = &(*at)->next) {
        if (*at == st) {
            *at = st->next;
            break;
        }
    }
    repx_buf_free(&st->said);
    free(st);
}

/* ---- the end of ssh ---- */

/* Has ssh ended? Remembers how. 1 yes, 0 not within timeout_ms, -1. */
static int ended(struct stream *st, int timeout_ms, struct repx_err *err)
{
    if (st->ended)
        return 1;
    int rc = repx_child_wait(&st->child, timeout_ms, &st->status, err);
    st->ended = rc > 0;
    return rc;
}

static void hear(struct stream *st, const char *bytes, size_t n)
{
    repx_buf_add(&st->said, bytes, n);
    if (st->said.len > SAID_MAX)
        repx_buf_drop(&st->said, st->said.len - SAID_MAX);
}

/* What nobody has read of its last words. */
static void hear_rest(struct stream *st)
{
    char bytes[1024];
    ssize_t n;

    while (st->child.err >= 0 && (n = read(st->child.err, bytes, sizeof(bytes))) > 0)
        hear(st, bytes, (size_t)n);
}

static int is_link_lost(const struct stream *st)
{
    return st->ended && st->status == SSH_FAILED;
}

static int link_lost(struct stream *st, struct repx_err *err)
{
    hear_rest(st);
    return openssh_verdict(st->o, repx_buf_text(&st->said), err);
}

/* The command spoke, or ended by itself: so we were let in. */
static void count_login(struct stream *st)
{
    st->o->stats.logins += !st->o->uses_master && !st->logged_in;
    st->logged_in = 1;
}

/* ---- bytes ---- */

/* At the end of output: was it the command's, or the connection's? */
static int64_t at_end(struct stream *st, uint32_t channel, struct repx_err *err)
{
    if (channel == REPX_STREAM_ERR)
        return 0;
    if (ended(st, AFTER_END_MS, NULL) > 0 && is_link_lost(st))
        return link_lost(st, err);
    return 0;
}

int64_t openssh_read(void *stream, uint32_t channel, void *to, uint64_t len,
                     struct repx_err *err)
{
    struct stream *st = stream;
    int *fd = channel == REPX_STREAM_ERR ? &st->child.err : &st->child.out;

    if (*fd < 0)
        return at_end(st, channel, err);
    ssize_t n = read(*fd, to, (size_t)len);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return REPX_AGAIN;
    if (n < 0)
        return repx_fail_errno(err, "reading from ssh");
    if (n == 0) {
        shut(fd);
        return at_end(st, channel, err);
    }
    st->o->stats.bytes_received += (uint64_t)n;
    if (channel == REPX_STREAM_ERR) {
        hear(st, to, (size_t)n);
    } else {
        count_login(st);
    }
    return n;
}

int64_t openssh_write(void *stream, const void *from, uint64_t len,
                      struct repx_err *err)
{
    struct stream *st = stream;

    if (st->child.in < 0)
        return repx_fail(err, REPX_E_FAILED, "written after its end");
    if (!len)
        return 0;
    ssize_t n = send(st->child.in, from, (size_t)len, MSG_NOSIGNAL);
    if (n >= 0) {
        st->o->stats.bytes_sent += (uint64_t)n;
        return n;
    }
    if (errno == EAGAIN || errno == EINTR)
        return REPX_AGAIN;
    if (ended(st, AFTER_END_MS, NULL) > 0 && is_link_lost(st))
        return link_lost(st, err);
    return repx_fail(err, REPX_E_FAILED, "%s: the command ended", st->o->address);
}

int32_t openssh_half_close(void *stream, struct repx_err *err)
{
    struct stream *st = stream;

    (void)err;
    shut(&st->child.in);
    return 0;
}

int32_t openssh_exit_status(void *stream, int64_t deadline_ms, int32_t *status,
                            struct repx_err *err)
{
    struct stream *st = stream;
    struct repx_host *h = &st->o->host;
    int64_t left = deadline_ms ? deadline_ms - h->now_ms(h->ctx) : STEP_MS;
    int rc;

    /* A command whose output nobody takes would never end. */
    shut(&st->child.out);
    do {
        rc = ended(st, left > 0 ? (int)(left < STEP_MS ? left : STEP_MS) : 0, err);
    } while (rc == 0 && !deadline_ms && !h->canceled(h->ctx));
    if (rc < 0)
        return -1;
    if (rc == 0) {
        return repx_fail(err, REPX_E_TIMEOUT, "%s: the command did not end in time",
                         st->o->address);
    }
    if (is_link_lost(st))
        return link_lost(st, err);
    count_login(st);
    *status = st->status;
    return 0;
}
