/* SPDX-License-Identifier: MIT */
/* plugin.c: targets that are reached through a tetherd. Each command has a connection of
 * its own; one more, without a command, stands for the whole. */
#define _POSIX_C_SOURCE 200809L
#include <repx/transport.h>

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tether.h"

#define HOLD (1u << 20) /* of a channel that waits for being read */
#define WRITE_MAX 32768u

struct link {
    const struct repx_host *host;
    char *address, *token;
    int64_t patience;
    int fd; /* of the session */
    struct stream *streams;
    struct repx_transport_stats stats;
};

struct stream {
    struct link *link;
    struct stream *next;
    int fd;
    struct tether_bytes in, out, channels[2];
    int gone, ended, status; /* ended: the status came, nothing follows */
    int welcome;
    char refused[200];
};

static int fail(struct repx_err *err, int32_t code, const char *fmt, ...)
{
    va_list args;

    if (!err)
        return -1;
    va_start(args, fmt);
    err->code = code;
    (void)vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);
    return -1;
}

static int64_t now(const struct link *l)
{
    return l->host->now_ms(l->host->ctx);
}

static int gone(struct repx_err *err)
{
    return fail(err, REPX_E_LINK, "tetherd has hung up");
}

/* ---- frames ---- */

static void take(struct stream *s, char what, const char *bytes, size_t n)
{
    switch (what) {
    case 'W':
        s->welcome = 1;
        s->link->stats.logins++;
        break;
    case 'R':
        (void)snprintf(s->refused, sizeof(s->refused), "%.*s", (int)(n < 150 ? n : 150),
                       bytes);
        break;
    case 'O':
    case 'S':
        tether_add(&s->channels[what == 'S'], bytes, n);
        s->link->stats.bytes_received += n;
        break;
    case 'Z':
        s->ended = 1;
        s->status = n ? (unsigned char)bytes[0] : 255;
        break;
    default: /* of a newer tetherd */
        break;
    }
}

static int is_full(const struct stream *s)
{
    return s->channels[0].len >= HOLD || s->channels[1].len >= HOLD;
}

/* Send what waits, take what came. */
static void move(struct stream *s)
{
    const char *bytes;
    size_t n;
    char what;

    if (s->fd < 0)
        return;
    while (tether_send(s->fd, &s->out) > 0)
        ;
    while (!s->gone && !s->ended && !is_full(s)) {
        int rc = tether_receive(s->fd, &s->in);
        int64_t k;
        while ((k = tether_take(&s->in, &what, &bytes, &n)) > 0) {
            take(s, what, bytes, n);
            tether_drop(&s->in, (size_t)k);
        }
        if (rc < 0 || k < 0)
            s->gone = 1;
        if (rc <= 0)
            return;
    }
}

/* ---- connecting ---- */

static void stream_free(struct stream *s)
{
    if (s->fd >= 0)
        (void)close(s->fd);
    free(s->in.data);
    free(s->out.data);
    free(s->channels[0].data);
    free(s->channels[1].data);
    free(s);
}

static int await_welcome(struct stream *s, int64_t deadline_ms, struct repx_err *err)
{
    const struct repx_host *h = s->link->host;
    int64_t until = now(s->link) + s->link->patience;

    if (deadline_ms && deadline_ms < until)
        until = deadline_ms;
    while (!s->welcome) {
        struct pollfd p[2] = {
            {s->fd, (short)(s->out.len ? POLLIN | POLLOUT : POLLIN), 0},
            {h->cancel_fd(h->ctx), POLLIN, 0}};
        move(s);
        if (s->welcome)
            break;
        if (s->refused[0])
            return fail(err, REPX_E_AUTH, "%s: tetherd refuses: %s", s->link->address,
                        s->refused);
        if (s->gone)
            return fail(err, REPX_E_LINK, "%s: there is no tetherd", s->link->address);
        if (h->canceled(h->ctx))
            return fail(err, REPX_E_CANCELED, "canceled");
        if (now(s->link) >= until)
            return fail(err, REPX_E_TIMEOUT, "%s: tetherd does not answer",
                        s->link->address);
        (void)poll(p, 2, 100);
    }
    return 0;
}

static struct stream *dial(struct link *l, int64_t deadline_ms, struct repx_err *err)
{
    struct stream *s = calloc(1, sizeof(*s));
    const char *why = "";

    if (!s)
        abort();
    s->link = l;
    s->fd = tether_connect(l->address, &why);
    if (s->fd < 0) {
        (void)fail(err, REPX_E_LINK, "no tetherd at %s: %s", l->address, why);
        stream_free(s);
        return NULL;
    }
    tether_frame(&s->out, 'H', l->token, strlen(l->token));
    if (await_welcome(s, deadline_ms, err) == 0)
        return s;
    stream_free(s);
    return NULL;
}

static void vendor_close(void *self)
{
    struct link *l = self;

    if (!l)
        return;
    for (struct stream *s = l->streams, *next; s; s = next) {
        next = s->next;
        stream_free(s);
    }
    free(l->address);
    free(l->token);
    free(l);
}

static int32_t vendor_open(void **self, const struct repx_host *host,
                           const struct repx_endpoint *endpoint, struct repx_err *err)
{
    const char *token = host->config_text(host->ctx, "token", 0);
    struct link *l = calloc(1, sizeof(*l));

    if (!l)
        abort();
    l->host = host;
    l->patience = 10000;
    (void)host->config_number(host->ctx, "patience", &l->patience);
    l->address = strdup(endpoint->address);
    l->token = strdup(token ? token : "");
    struct stream *session = dial(l, endpoint->deadline_ms, err);
    if (!session) {
        vendor_close(l);
        return -1;
    }
    l->streams = session;
    *self = l;
    return 0;
}

static int32_t vendor_start(void *self, const char *command, int64_t deadline_ms,
                            void **stream, struct repx_err *err)
{
    struct link *l = self;
    struct stream *s;

    if (strlen(command) > TETHER_FRAME_MAX)
        return fail(err, REPX_E_UNSUPPORTED, "a command of %zu bytes is too long",
                    strlen(command));
    s = dial(l, deadline_ms, err);
    if (!s)
        return -1;
    tether_frame(&s->out, 'X', command, strlen(command));
    s->next = l->streams;
    l->streams = s;
    move(s);
    *stream = s;
    return 0;
}

static void vendor_end(void *stream)
{
    struct stream *s = stream;

    if (!s)
        return;
    for (struct stream **at = &s->link->streams; *at; at = &(*at)->next) {
        if (*at == s) {
            *at = s->next;
            break;
        }
    }
    stream_free(s);
}

/* ---- bytes ---- */

static int64_t vendor_read(void *stream, uint32_t channel, void *to, uint64_t len,
                           struct repx_err *err)
{
    struct stream *s = stream;
    struct tether_bytes *from = &s->channels[channel == REPX_STREAM_ERR];

    move(s);
    if (from->len) {
        size_t n = from->len < len ? from->len : (size_t)len;
        memcpy(to, from->data, n);
        tether_drop(from, n);
        return (int64_t)n;
    }
    if (s->ended)
        return 0;
    return s->gone ? gone(err) : REPX_AGAIN;
}

static int64_t vendor_write(void *stream, const void *from, uint64_t len,
                            struct repx_err *err)
{
    struct stream *s = stream;
    size_t n = len < WRITE_MAX ? (size_t)len : WRITE_MAX;

    move(s);
    if (s->ended)
        return fail(err, REPX_E_LINK, "the command takes no more input");
    if (s->gone)
        return gone(err);
    if (s->out.len)
        return REPX_AGAIN;
    tether_frame(&s->out, 'I', from, n);
    s->link->stats.bytes_sent += n;
    move(s);
    return (int64_t)n;
}

static int32_t vendor_half_close(void *stream, struct repx_err *err)
{
    struct stream *s = stream;

    (void)err;
    tether_frame(&s->out, 'E', "", 0);
    move(s);
    return 0;
}

/* ---- waiting ---- */

static struct repx_wait *item_at(struct repx_wait *items, uint64_t i, uint64_t stride)
{
    return (void *)((char *)items + i * stride);
}

static uint32_t ready_of(struct stream *s, uint32_t want)
{
    uint32_t ready = 0;
    int over = s->ended || s->gone;

    if (s->channels[0].len || over)
        ready |= REPX_READY_READ;
    if (s->channels[1].len || over)
        ready |= REPX_READY_ERRORS;
    if (!s->out.len || over)
        ready |= REPX_READY_WRITE;
    return ready & want;
}

static int look(struct repx_wait *items, uint64_t count, uint64_t stride)
{
    int n = 0;

    for (uint64_t i = 0; i < count; i++) {
        struct repx_wait *w = item_at(items, i, stride);
        move(w->stream);
        w->ready = ready_of(w->stream, w->want);
        n += w->ready != 0;
    }
    return n;
}

static int timeout(const struct link *l, int64_t deadline_ms)
{
    int64_t left = deadline_ms ? deadline_ms - now(l) : 60000;

    return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

static int64_t vendor_wait(void *self, struct repx_wait *items, uint64_t count,
                           uint64_t stride, int64_t deadline_ms, struct repx_err *err)
{
    struct link *l = self;
    struct pollfd *p = calloc((size_t)count + 1, sizeof(*p));
    int ready;

    (void)err;
    if (!p)
        abort();
    while (!(ready = look(items, count, stride))) {
        for (uint64_t i = 0; i < count; i++) {
            const struct stream *s = item_at(items, i, stride)->stream;
            p[i].fd = s->fd;
            p[i].events =
                (short)((is_full(s) ? 0 : POLLIN) | (s->out.len ? POLLOUT : 0));
        }
        p[count] = (struct pollfd){l->host->cancel_fd(l->host->ctx), POLLIN, 0};
        (void)poll(p, count + 1, timeout(l, deadline_ms));
        if (l->host->canceled(l->host->ctx) || (deadline_ms && now(l) >= deadline_ms)) {
            ready = look(items, count, stride);
            break;
        }
    }
    free(p);
    return ready;
}

static int32_t vendor_exit_status(void *stream, int64_t deadline_ms, int32_t *status,
                                  struct repx_err *err)
{
    struct stream *s = stream;
    const struct repx_host *h = s->link->host;

    for (move(s); !s->ended; move(s)) {
        struct pollfd p[2] = {
            {s->fd, (short)(s->out.len ? POLLIN | POLLOUT : POLLIN), 0},
            {h->cancel_fd(h->ctx), POLLIN, 0}};
        if (s->gone)
            return gone(err);
        if (h->canceled(h->ctx))
            return fail(err, REPX_E_CANCELED, "canceled");
        if (deadline_ms && now(s->link) >= deadline_ms)
            return fail(err, REPX_E_TIMEOUT, "the command does not end");
        (void)poll(p, 2, timeout(s->link, deadline_ms));
    }
    *status = s->status;
    return 0;
}

static void vendor_stats(void *self, struct repx_transport_stats *stats)
{
    uint64_t size = stats->size;

    *stats = ((struct link *)self)->stats;
    stats->size = size;
}

static const struct repx_transport_ops ops = {
    .size = sizeof(ops),
    .open = vendor_open,
    .close = vendor_close,
    .start = vendor_start,
    .read = vendor_read,
    .write = vendor_write,
    .half_close = vendor_half_close,
    .wait = vendor_wait,
    .exit_status = vendor_exit_status,
    .end = vendor_end,
    .stats = vendor_stats,
};

static const struct repx_field fields[] = {
    {"token", REPX_FIELD_STRING, REPX_FIELD_REQUIRED | REPX_FIELD_SECRET, 0, 0, NULL,
     "what tetherd asks for"},
    {"patience", REPX_FIELD_DURATION, 0, 100, 600000, "10s",
     "how long tetherd may take to answer"},
};

static const struct repx_plugin plugin = {
    .size = sizeof(plugin),
    .magic = REPX_PLUGIN_MAGIC,
    .abi_major = REPX_ABI_MAJOR,
    .abi_minor = REPX_ABI_MINOR,
    .kind = REPX_KIND_TRANSPORT,
    .name = "vendor",
    .version = "3.2",
    .vendor = "Tether Example Ltd",
    .license = "proprietary",
    .summary = "reaches targets through tetherd",
    .vtable = &ops,
    .vtable_size = sizeof(ops),
    .fields = fields,
    .field_count = sizeof(fields) / sizeof(fields[0]),
    .field_stride = sizeof(fields[0]),
};

const struct repx_plugin *repx_plugin_v0(void)
{
    return &plugin;
}
