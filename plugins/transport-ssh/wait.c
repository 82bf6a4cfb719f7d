/* SPDX-License-Identifier: MIT */
/* wait.c: sleep until a stream is ready, and notice a far end that is silent for ever. */
#define _DEFAULT_SOURCE /* TCP_QUICKACK */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "stream.h"

#define SILENT_PINGS 3 /* so many unanswered: the link is gone */
#define SLEEP_MAX_MS 60000

int stream_flush_all(struct ssh *s, struct repx_err *err)
{
    for (struct stream *st = s->streams; st; st = st->next) {
        if (stream_flush(st, err) == -1)
            return -1;
        /* One packet in part: another may not begin. */
        if (stream_is_stuck(s))
            break;
    }
    return 0;
}

static struct repx_wait *item_at(struct repx_wait *items, uint64_t i, uint64_t stride)
{
    return (struct repx_wait *)(void *)((char *)items + i * stride);
}

static int is_readable(const struct ahead *a)
{
    return a->end > a->start || a->at_end;
}

/* Move what can be moved, see who is ready. */
static int64_t survey(struct ssh *s, struct repx_wait *items, uint64_t count,
                      uint64_t stride, struct repx_err *err)
{
    int64_t ready = 0;

    if (stream_flush_all(s, err) < 0)
        return -1;
    for (uint64_t i = 0; i < count; i++) {
        struct stream *st = item_at(items, i, stride)->stream;
        if (stream_fill(st, REPX_STREAM_OUT, err) < 0 ||
            stream_fill(st, REPX_STREAM_ERR, err) < 0)
            return -1;
    }
    /* what was read may have been leave to send more: nothing else would wake us for it */
    if (stream_flush_all(s, err) < 0)
        return -1;
    for (uint64_t i = 0; i < count; i++) {
        struct repx_wait *w = item_at(items, i, stride);
        const struct stream *st = w->stream;
        uint32_t is = 0;
        if (is_readable(&st->in[REPX_STREAM_OUT]))
            is |= REPX_READY_READ;
        if (is_readable(&st->in[REPX_STREAM_ERR]))
            is |= REPX_READY_ERRORS;
        if (st->out.start == st->out.end)
            is |= REPX_READY_WRITE;
        w->ready = is & w->want;
        ready += w->ready != 0;
    }
    return ready;
}

/* Would bytes on the socket move anything? Not when all that could take them is full:
 * then the socket stays readable, and waiting for it would be a busy loop. */
static short events_for(const struct ssh *s)
{
    short events = 0;

    if (stream_is_stuck(s))
        return POLLIN | POLLOUT;
    for (const struct stream *st = s->streams; st; st = st->next) {
        if (!is_readable(&st->in[0]) || !is_readable(&st->in[1]) ||
            st->out.end > st->out.start)
            events = POLLIN;
    }
    return events;
}

/* Ask for a sign of life when nothing was heard for a while. Counts questions and not
 * time, since we may have been busy elsewhere. Returns how long to sleep at most, or -1. */
static int64_t keep_alive(struct ssh *s, struct repx_err *err)
{
    int64_t every = s->settings.keepalive_ms, now = ssh_now(s);
    int64_t last = s->pings ? s->pinged_ms : s->heard_ms;
    int next = 0;

    if (!every)
        return SLEEP_MAX_MS;
    if (now - last < every)
        return every - (now - last);
    if (s->pings >= SILENT_PINGS) {
        return repx_fail(err, REPX_E_LINK, "%s: no sign of life for %lld s", s->where,
                         (long long)((now - s->heard_ms) / 1000));
    }
    if (!stream_is_stuck(s))
        (void)libssh2_keepalive_send(s->session, &next);
    s->pings++;
    s->pinged_ms = now;
    return every;
}

/* The server holds a small packet back until what it sent before is acknowledged, and that may
 * wait 40 ms here while there is nothing to send: acknowledge before sleeping. */
static void acknowledge(int fd)
{
    int one = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
}

/* 1: look again; 0: stopped by the user; -1. */
static int sleep_a_while(struct ssh *s, int64_t left, struct repx_err *err)
{
    int stop = s->host.cancel_fd ? s->host.cancel_fd(s->host.ctx) : -1;
    int64_t most = keep_alive(s, err);

    if (most < 0)
        return -1;
    if (left > most)
        left = most;
    struct pollfd p[2] = {{s->fd, events_for(s), 0}, {stop, POLLIN, 0}};
    acknowledge(s->fd);
    if (poll(p, 2, (int)left) < 0 && errno != EINTR)
        return repx_fail_errno(err, "poll");
    if (p[1].revents)
        return 0;
    if (!p[0].events && (p[0].revents & (POLLERR | POLLHUP)))
        return repx_fail(err, REPX_E_LINK, "%s: connection lost", s->where);
    return 1;
}

int64_t ssh_wait_streams(void *self, struct repx_wait *items, uint64_t count,
                         uint64_t stride, int64_t deadline_ms, struct repx_err *err)
{
    struct ssh *s = self;

    for (;;) {
        int64_t ready = survey(s, items, count, stride, err);
        if (ready != 0)
            return ready;
        int64_t left = deadline_ms ? deadline_ms - ssh_now(s) : SLEEP_MAX_MS;
        if (left <= 0)
            return 0;
        int rc = sleep_a_while(s, left < SLEEP_MAX_MS ? left : SLEEP_MAX_MS, err);
        if (rc <= 0)
            return rc;
    }
}
