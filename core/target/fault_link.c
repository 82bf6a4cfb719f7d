/* SPDX-License-Identifier: MIT */
/* fault_link.c: the functions of a link that fails as told.
 *
 * What the target sends is taken into pieces, each with the time at which it arrives; what
 * is sent to it passes at once. Places (cut-after, garble-after) count the bytes of both
 * directions and all streams together. */
#include "fault.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#define PIECE 65536u
#define PIECES_MAX 64 /* of a channel that wait for being read */

struct piece {
    struct piece *next;
    int64_t due;
    size_t len, at;
    char bytes[];
};

struct channel {
    struct piece *first, *last;
    unsigned count;
    int ended; /* 1: no more comes, 2: and an error says why */
    struct repx_err err;
};

struct link {
    struct fault_plan plan;
    const struct repx_transport_ops *inner;
    void *self;
    const struct repx_host *host;
    int64_t passed, pieces;
    int64_t struck_ms; /* of the first loss or wrong bit, then of each byte that came */
    int told;
    struct stream *streams;
};

struct stream {
    struct link *link;
    struct stream *next;
    void *inner;
    struct channel channels[2]; /* REPX_STREAM_OUT, REPX_STREAM_ERR */
};

/* ---- when what fails ---- */

static int64_t now(const struct link *l)
{
    return l->host->now_ms(l->host->ctx);
}

static void tell(struct link *l, const char *what)
{
    REPX_AUTO_FREE char *text =
        repx_format("--fault: %s after %lld bytes", what, (long long)l->passed);

    if (!l->told++)
        l->host->log(l->host->ctx, REPX_LOG_WARN, text);
}

static void strike(struct link *l, const char *what)
{
    if (!l->struck_ms)
        l->struck_ms = now(l);
    tell(l, what);
}

static int is_gone(const struct link *l)
{
    return (l->plan.cut_after && l->passed >= l->plan.cut_after) ||
           (l->struck_ms && now(l) - l->struck_ms >= l->plan.silence);
}

static int gone(struct link *l, struct repx_err *err)
{
    if (l->plan.cut_after && l->passed >= l->plan.cut_after) {
        tell(l, "cut");
        return repx_fail(err, REPX_E_LINK,
                         "the link is gone: --fault cut it after %lld bytes",
                         (long long)l->plan.cut_after);
    }
    return repx_fail(err, REPX_E_LINK,
                     "the link is gone: nothing came for %lld s after --fault spoiled "
                     "it; run the same again without that",
                     (long long)l->plan.silence / 1000);
}

static int is_dead(const struct link *l)
{
    return l->plan.drop_after && l->passed >= l->plan.drop_after;
}

/* How many of n bytes go before the next place where things change. */
static uint64_t until_next(const struct link *l, uint64_t n)
{
    const int64_t places[] = {l->plan.cut_after, l->plan.drop_after};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (places[i] > l->passed && n > (uint64_t)(places[i] - l->passed))
            n = (uint64_t)(places[i] - l->passed);
    }
    return n;
}

/* Is this piece lost? */
static int loses(struct link *l)
{
    if (is_dead(l) || (l->plan.drop && ++l->pieces % l->plan.drop == 0)) {
        strike(l, "lost bytes");
        return 1;
    }
    return 0;
}

/* The bytes that pass now; counts nothing. */
static void garble(struct link *l, char *bytes, size_t n)
{
    const struct fault_plan *p = &l->plan;

    for (size_t i = 0; (p->garble || p->garble_after) && i < n; i++) {
        int64_t place = l->passed + (int64_t)i + 1;
        if ((p->garble && place % p->garble == 0) || place == p->garble_after) {
            bytes[i] = (char)(bytes[i] ^ 4);
            strike(l, "changed a bit");
        }
    }
}

/* ---- what comes ---- */

static void queue(struct channel *c, const char *bytes, size_t n, int64_t due)
{
    struct piece *p = repx_alloc(sizeof(*p) + n);

    memcpy(p->bytes, bytes, n);
    p->len = n;
    p->due = due;
    if (c->last) {
        c->last->next = p;
    } else {
        c->first = p;
    }
    c->last = p;
    c->count++;
}

static void unqueue(struct channel *c)
{
    struct piece *p = c->first;

    c->first = p->next;
    if (!c->first)
        c->last = NULL;
    c->count--;
    free(p);
}

/* One read of the transport. */
static void pull(struct stream *s, uint32_t number)
{
    struct link *l = s->link;
    struct channel *c = &s->channels[number];
    REPX_AUTO_FREE char *bytes = NULL;

    if (c->ended || c->count >= PIECES_MAX || is_gone(l))
        return;
    bytes = repx_alloc(PIECE);
    uint64_t room = until_next(l, PIECE);
    int64_t n = l->inner->read(s->inner, number, bytes, room, &c->err);
    if (n == REPX_AGAIN)
        return;
    if (n <= 0 || n > (int64_t)room) {
        /* a link that loses all does not tell its end either */
        c->ended = n == 0 || is_dead(l) ? 1 : 2;
        return;
    }
    int lost = loses(l);
    if (!lost) {
        garble(l, bytes, (size_t)n);
        queue(c, bytes, (size_t)n, now(l) + l->plan.delay);
    }
    l->passed += n;
    if (!lost && l->struck_ms)
        l->struck_ms = now(l);
}

static int has_come(const struct stream *s, uint32_t number)
{
    const struct channel *c = &s->channels[number];

    if (c->first)
        return c->first->due <= now(s->link);
    return c->ended && !is_dead(s->link);
}

static int64_t link_read(void *stream, uint32_t number, void *to, uint64_t len,
                         struct repx_err *err)
{
    struct stream *s = stream;
    struct channel *c = &s->channels[number == REPX_STREAM_ERR];

    if (!c->first)
        pull(s, number);
    struct piece *p = c->first;
    if (p && p->due <= now(s->link)) {
        size_t n = p->len - p->at < len ? p->len - p->at : (size_t)len;
        memcpy(to, p->bytes + p->at, n);
        p->at += n;
        if (p->at == p->len)
            unqueue(c);
        return (int64_t)n;
    }
    if (is_gone(s->link))
        return gone(s->link, err);
    if (p || !has_come(s, number))
        return REPX_AGAIN;
    if (c->ended == 2 && err)
        *err = c->err;
    return c->ended == 2 ? -1 : 0;
}

/* ---- what goes ---- */

static int64_t link_write(void *stream, const void *from, uint64_t len,
                          struct repx_err *err)
{
    struct stream *s = stream;
    struct link *l = s->link;
    REPX_AUTO_FREE char *bytes = NULL;

    if (is_gone(l))
        return gone(l, err);
    size_t n = (size_t)until_next(l, len < PIECE ? len : PIECE);
    if (loses(l)) {
        l->passed += (int64_t)n;
        return (int64_t)n;
    }
    bytes = repx_alloc(n + 1);
    memcpy(bytes, from, n);
    garble(l, bytes, n);
    int64_t took = l->inner->write(s->inner, bytes, n, err);
    if (took > 0)
        l->passed += took;
    return took;
}

static int32_t link_half_close(void *stream, struct repx_err *err)
{
    struct stream *s = stream;

    if (is_gone(s->link))
        return gone(s->link, err);
    return is_dead(s->link) ? 0 : s->link->inner->half_close(s->inner, err);
}

/* ---- waiting ---- */

static struct repx_wait *item_at(struct repx_wait *items, uint64_t i, uint64_t stride)
{
    return (void *)((char *)items + i * stride);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return !a || (b && b < a) ? b : a;
}

/* What of it can be had without the transport; *due is drawn to when more can. */
static uint32_t ready_here(const struct stream *s, uint32_t want, int64_t *due)
{
    uint32_t ready = want & REPX_READY_WRITE && is_dead(s->link) ? REPX_READY_WRITE : 0;
    const uint32_t bits[] = {REPX_READY_READ, REPX_READY_ERRORS};

    for (uint32_t i = 0; i < 2; i++) {
        if (!(want & bits[i]))
            continue;
        if (has_come(s, i)) {
            ready |= bits[i];
        } else if (s->channels[i].first) {
            *due = sooner(*due, s->channels[i].first->due);
        }
    }
    return ready;
}

/* What the transport is to be asked for. */
static uint32_t want_of(const struct stream *s, uint32_t want)
{
    const uint32_t bits[] = {REPX_READY_READ, REPX_READY_ERRORS};

    for (uint32_t i = 0; i < 2; i++) {
        if (s->channels[i].ended || s->channels[i].count >= PIECES_MAX)
            want &= ~bits[i];
    }
    return is_dead(s->link) ? want & ~REPX_READY_WRITE : want;
}

/* Look at the queues. Returns how many are ready; *due: when another look is due. */
static int64_t look(struct repx_wait *items, uint64_t count, uint64_t stride,
                    int64_t *due)
{
    int64_t n = 0;

    for (uint64_t i = 0; i < count; i++) {
        struct repx_wait *w = item_at(items, i, stride);
        w->ready = ready_here(w->stream, w->want, due);
        n += w->ready != 0;
    }
    return n;
}

/* One wait of the transport, for the same items. -1, 0 nothing, 1 look again. */
static int ask(struct link *l, struct repx_wait *own, uint64_t count, int64_t due,
               struct repx_err *err)
{
    int64_t n = l->inner->wait(l->self, own, count, sizeof(*own), due, err);

    return n < 0 ? -1 : n > 0;
}

/* Take what the transport says is there. Returns how many can be written to. */
static int64_t take(struct repx_wait *items, uint64_t stride,
                    const struct repx_wait *own, uint64_t count)
{
    int64_t n = 0;

    for (uint64_t i = 0; i < count; i++) {
        struct repx_wait *w = item_at(items, i, stride);
        if (own[i].ready & REPX_READY_READ)
            pull(w->stream, REPX_STREAM_OUT);
        if (own[i].ready & REPX_READY_ERRORS)
            pull(w->stream, REPX_STREAM_ERR);
        w->ready = own[i].ready & REPX_READY_WRITE;
        n += w->ready != 0;
    }
    return n;
}

static int64_t link_wait(void *self, struct repx_wait *items, uint64_t count,
                         uint64_t stride, int64_t deadline_ms, struct repx_err *err)
{
    struct link *l = self;
    REPX_AUTO_FREE struct repx_wait *own =
        repx_array(count + 1, sizeof(struct repx_wait));

    for (;;) {
        int64_t due = deadline_ms;
        int64_t n = look(items, count, stride, &due);
        if (n > 0)
            return n;
        if (is_gone(l))
            return gone(l, err);
        if (l->struck_ms)
            due = sooner(due, l->struck_ms + l->plan.silence);
        for (uint64_t i = 0; i < count; i++) {
            const struct repx_wait *w = item_at(items, i, stride);
            const struct stream *s = w->stream;
            own[i] =
                (struct repx_wait){.stream = s->inner, .want = want_of(s, w->want)};
        }
        int rc = ask(l, own, count, due, err);
        if (rc < 0)
            return -1;
        if (rc > 0 && (n = take(items, stride, own, count)) > 0)
            return n;
        if (rc == 0 &&
            (l->host->canceled(l->host->ctx) || (deadline_ms && now(l) >= deadline_ms)))
            return 0;
    }
}

/* ---- beginning and end ---- */

static int32_t link_start(void *self, const char *command, int64_t deadline_ms,
                          void **stream, struct repx_err *err)
{
    struct link *l = self;
    struct stream *s = REPX_NEW(struct stream);

    if (is_gone(l)) {
        (void)gone(l, err);
    } else if (l->inner->start(l->self, command, deadline_ms, &s->inner, err) == 0) {
        s->link = l;
        s->next = l->streams;
        l->streams = s;
        *stream = s;
        return 0;
    }
    free(s);
    return -1;
}

static int32_t link_exit_status(void *stream, int64_t deadline_ms, int32_t *status,
                                struct repx_err *err)
{
    struct stream *s = stream;

    if (is_gone(s->link))
        return gone(s->link, err);
    return s->link->inner->exit_status(s->inner, deadline_ms, status, err);
}

static void forget(struct stream *s)
{
    for (uint32_t i = 0; i < 2; i++) {
        while (s->channels[i].first)
            unqueue(&s->channels[i]);
    }
    free(s);
}

static void link_end(void *stream)
{
    struct stream *s = stream;

    if (!s)
        return;
    s->link->inner->end(s->inner);
    for (struct stream **at = &s->link->streams; *at; at = &(*at)->next) {
        if (*at == s) {
            *at = s->next;
            break;
        }
    }
    forget(s);
}

static void link_close(void *self)
{
    struct link *l = self;

    if (!l)
        return;
    l->inner->close(l->self);
    for (struct stream *s = l->streams, *next; s; s = next) {
        next = s->next;
        forget(s);
    }
    free(l);
}

static void link_stats(void *self, struct repx_transport_stats *stats)
{
    const struct link *l = self;

    l->inner->stats(l->self, stats);
}

void *fault_link(const struct fault_plan *plan, const struct repx_transport_ops *inner,
                 void *self, const struct repx_host *host)
{
    struct link *l = REPX_NEW(struct link);

    l->plan = *plan;
    l->inner = inner;
    l->self = self;
    l->host = host;
    return l;
}

const struct repx_transport_ops fault_ops = {
    .size = sizeof(fault_ops),
    .close = link_close,
    .start = link_start,
    .read = link_read,
    .write = link_write,
    .half_close = link_half_close,
    .wait = link_wait,
    .exit_status = link_exit_status,
    .end = link_end,
    .stats = link_stats,
};
