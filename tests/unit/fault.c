/* SPDX-License-Identifier: MIT */
/* Links that fail as told, over a transport that gives back what it is given. */
#include <string.h>
#include <time.h>

#include <kit/buf.h>
#include <kit/err.h>

#include "core/target/fault.h"
#include "tap.h"

struct loop {
    struct repx_buf held;
    int open; /* nothing said that input ends */
    unsigned logs;
};

static int64_t now_ms(void *ctx)
{
    struct timespec t;

    (void)ctx;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void loop_log(void *ctx, uint32_t level, const char *text)
{
    (void)level, (void)text;
    ((struct loop *)ctx)->logs++;
}

static int32_t loop_canceled(void *ctx)
{
    (void)ctx;
    return 0;
}

static int32_t loop_start(void *self, const char *command, int64_t deadline_ms,
                          void **stream, struct repx_err *err)
{
    (void)command, (void)deadline_ms, (void)err;
    *stream = self;
    return 0;
}

static int64_t loop_read(void *stream, uint32_t channel, void *to, uint64_t len,
                         struct repx_err *err)
{
    struct loop *l = stream;
    size_t n = l->held.len < len ? l->held.len : (size_t)len;

    (void)err;
    if (channel == REPX_STREAM_ERR)
        return 0;
    if (!n)
        return l->open ? REPX_AGAIN : 0;
    memcpy(to, l->held.data, n);
    repx_buf_drop(&l->held, n);
    return (int64_t)n;
}

static int64_t loop_write(void *stream, const void *from, uint64_t len,
                          struct repx_err *err)
{
    (void)err;
    repx_buf_add(&((struct loop *)stream)->held, from, (size_t)len);
    return (int64_t)len;
}

static int32_t loop_half_close(void *stream, struct repx_err *err)
{
    (void)err;
    ((struct loop *)stream)->open = 0;
    return 0;
}

static int64_t loop_wait(void *self, struct repx_wait *items, uint64_t count,
                         uint64_t stride, int64_t deadline_ms, struct repx_err *err)
{
    const struct loop *l = self;
    int64_t n = 0;

    (void)err, (void)stride;
    for (uint64_t i = 0; i < count; i++) {
        items[i].ready = items[i].want & REPX_READY_WRITE;
        if (l->held.len || !l->open)
            items[i].ready |= items[i].want & REPX_READY_READ;
        n += items[i].ready != 0;
    }
    while (!n && now_ms(NULL) < deadline_ms)
        (void)nanosleep(&(struct timespec){0, 2000000}, NULL);
    return n;
}

static void loop_end(void *stream)
{
    (void)stream;
}

static void loop_close(void *self)
{
    repx_buf_free(&((struct loop *)self)->held);
}

static const struct repx_transport_ops loop_ops = {.size = sizeof(loop_ops),
                                                   .close = loop_close,
                                                   .start = loop_start,
                                                   .read = loop_read,
                                                   .write = loop_write,
                                                   .half_close = loop_half_close,
                                                   .wait = loop_wait,
                                                   .end = loop_end};

/* One trip of n bytes there and back. */
struct trip {
    struct loop loop;
    struct repx_host host;
    void *link, *stream;
    struct repx_buf came;
    struct repx_err err;
    int64_t ms;
    int ended; /* 1: read told the end, -1: an error */
};

static void give(struct trip *t, const char *bytes, size_t n)
{
    while (n && !t->err.code) {
        int64_t w = fault_ops.write(t->stream, bytes, n, &t->err);
        if (w < 0)
            return;
        bytes += w;
        n -= (size_t)w;
    }
}

static void take(struct trip *t)
{
    struct repx_wait w = {.stream = t->stream, .want = REPX_READY_READ};
    char piece[1000];

    while (!t->ended) {
        int64_t n = fault_ops.wait(t->link, &w, 1, sizeof(w), 0, &t->err);
        if (n > 0) {
            n = fault_ops.read(t->stream, REPX_STREAM_OUT, piece, sizeof(piece),
                               &t->err);
        }
        if (n > 0)
            repx_buf_add(&t->came, piece, (size_t)n);
        if (n == 0)
            t->ended = 1;
        if (n == -1)
            t->ended = -1;
    }
}

static void travel(struct trip *t, const char *faults, size_t n)
{
    static char bytes[200000];
    struct fault_plan plan;

    memset(t, 0, sizeof(*t));
    t->loop.open = 1;
    t->host = (struct repx_host){.size = sizeof(t->host),
                                 .ctx = &t->loop,
                                 .log = loop_log,
                                 .canceled = loop_canceled,
                                 .now_ms = now_ms};
    if (fault_parse(faults, &plan, &t->err) < 0)
        return;
    t->link = fault_link(&plan, &loop_ops, &t->loop, &t->host);
    int64_t begun = now_ms(NULL);
    if (fault_ops.start(t->link, "", 0, &t->stream, &t->err) == 0) {
        give(t, bytes, n);
        if (!t->err.code)
            (void)fault_ops.half_close(t->stream, &t->err);
        take(t);
    }
    t->ms = now_ms(NULL) - begun;
    fault_ops.end(t->stream);
    fault_ops.close(t->link);
}

static size_t changed(const struct repx_buf *b, size_t *first)
{
    size_t n = 0;

    for (size_t i = 0; i < b->len; i++) {
        if (b->data[i] && !n++)
            *first = i;
    }
    return n;
}

static void trips(void)
{
    struct trip t;
    size_t first = 0;

    travel(&t, "delay=60ms", 150000);
    ok(t.ended == 1 && t.came.len == 150000 && t.ms >= 60 && t.ms < 2000,
       "a late link brings all, late: %lld ms", (long long)t.ms);
    repx_buf_free(&t.came);
    travel(&t, "cut-after=1000", 5000);
    ok(t.ended == -1 && t.err.code == REPX_E_LINK && t.came.len == 0,
       "cut on the way there: %s", t.err.text);
    repx_buf_free(&t.came);
    travel(&t, "cut-after=5600", 5000);
    ok(t.ended == -1 && t.err.code == REPX_E_LINK && t.came.len == 600,
       "cut on the way back: %zu bytes came", t.came.len);
    repx_buf_free(&t.came);
    travel(&t, "drop-after=5000,silence=1s", 5000);
    ok(t.ended == -1 && t.err.code == REPX_E_LINK && !t.came.len && t.ms >= 1000 &&
           t.loop.logs == 1,
       "what loses all is found by its silence, after %lld ms: %s", (long long)t.ms,
       t.err.text);
    repx_buf_free(&t.came);
    travel(&t, "garble-after=700", 5000);
    ok(t.ended == 1 && t.came.len == 5000 && changed(&t.came, &first) == 1 &&
           first == 699,
       "one bit is another, at its place");
    repx_buf_free(&t.came);
    travel(&t, "garble=2000", 5000);
    ok(t.came.len == 5000 && changed(&t.came, &first) == 5,
       "one bit of every 2000 bytes both ways: %zu", changed(&t.came, &first));
    repx_buf_free(&t.came);
    travel(&t, "drop=2,delay=1ms", 100000);
    ok(t.ended == 1 && t.came.len && t.came.len < 100000,
       "every second piece is lost: %zu bytes came", t.came.len);
    repx_buf_free(&t.came);
}

static void words(void)
{
    static const struct {
        const char *text, *said;
    } wrong[] = {
        {"", "`` is none of"},           {"cut-after", "`cut-after` is none of"},
        {"cut-after=", "needs a size"},  {"cut-after=-1", "needs a size"},
        {"delay=3", "needs a time"},     {"drop=x", "needs a number"},
        {"delay=3s,,", "`` is none of"}, {"cut=3", "`cut=3` is none of cut-after="}};
    struct fault_plan plan;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct repx_err err = {0};
        ok(fault_parse(wrong[i].text, &plan, &err) < 0 && err.code == REPX_E_USAGE &&
               strstr(err.text, wrong[i].said),
           "\"%s\" is told: %s", wrong[i].text, err.text);
    }
    ok(fault_parse("cut-after=64K,delay=1s,drop=3", &plan, NULL) == 0 &&
           plan.cut_after == 65536 && plan.delay == 1000 && plan.drop == 3 &&
           plan.silence == 20000 && !plan.garble,
       "three faults at a time");
}

int main(void)
{
    words();
    trips();
    return tap_end();
}
