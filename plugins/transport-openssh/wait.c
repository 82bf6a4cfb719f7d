/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>

#include <kit/alloc.h>

#include "stream.h"

#define SLEEP_MAX_MS 60000
#define FDS 3 /* of a stream: output, errors, input */

static struct repx_wait *item_at(struct repx_wait *items, uint64_t i, uint64_t stride)
{
    return (struct repx_wait *)(void *)((char *)items + i * stride);
}

/* Descriptors of what is wanted; those at their end are ready at once, without poll. */
static uint32_t ask(const struct repx_wait *w, struct pollfd *p)
{
    const struct stream *st = w->stream;
    uint32_t now = 0;

    p[0] = (struct pollfd){w->want & REPX_READY_READ ? st->child.out : -1, POLLIN, 0};
    p[1] = (struct pollfd){w->want & REPX_READY_ERRORS ? st->child.err : -1, POLLIN, 0};
    p[2] = (struct pollfd){w->want & REPX_READY_WRITE ? st->child.in : -1, POLLOUT, 0};
    if (st->child.out < 0)
        now |= REPX_READY_READ;
    if (st->child.err < 0)
        now |= REPX_READY_ERRORS;
    return now & w->want;
}

static uint32_t answer(const struct pollfd *p)
{
    return (p[0].revents ? REPX_READY_READ : 0) |
           (p[1].revents ? REPX_READY_ERRORS : 0) |
           (p[2].revents ? REPX_READY_WRITE : 0);
}

static int64_t collect(struct repx_wait *items, uint64_t count, uint64_t stride,
                       const struct pollfd *p)
{
    int64_t ready = 0;

    for (uint64_t i = 0; i < count; i++) {
        struct repx_wait *w = item_at(items, i, stride);
        w->ready |= answer(p + i * FDS);
        ready += w->ready != 0;
    }
    return ready;
}

/* 1 when one is ready without poll. */
static int ask_all(struct repx_wait *items, uint64_t count, uint64_t stride,
                   struct pollfd *p)
{
    uint32_t now = 0;

    for (uint64_t i = 0; i < count; i++) {
        struct repx_wait *w = item_at(items, i, stride);
        w->ready = ask(w, p + i * FDS);
        now |= w->ready;
    }
    return now != 0;
}

static int64_t time_left(const struct openssh *o, int64_t deadline_ms)
{
    int64_t left =
        deadline_ms ? deadline_ms - o->host.now_ms(o->host.ctx) : SLEEP_MAX_MS;

    if (left < 0)
        return 0;
    return left < SLEEP_MAX_MS ? left : SLEEP_MAX_MS;
}

int64_t openssh_wait(void *self, struct repx_wait *items, uint64_t count,
                     uint64_t stride, int64_t deadline_ms, struct repx_err *err)
{
    struct openssh *o = self;
    struct repx_host *h = &o->host;
    REPX_AUTO_FREE struct pollfd *p = repx_array(count * FDS + 1, sizeof(*p));
    struct pollfd *stop = &p[count * FDS];
    int64_t left;

    do {
        left = ask_all(items, count, stride, p) ? 0 : time_left(o, deadline_ms);
        *stop = (struct pollfd){h->cancel_fd ? h->cancel_fd(h->ctx) : -1, POLLIN, 0};
        if (poll(p, count * FDS + 1, (int)left) < 0 && errno != EINTR)
            return repx_fail_errno(err, "poll");
        int64_t ready = collect(items, count, stride, p);
        if (ready || stop->revents)
            return ready;
    } while (left > 0 || !deadline_ms);
    return 0;
}
