/* SPDX-License-Identifier: MIT */
/* Two ends joined in memory; the link carries as much at a time as the test likes. */
#include "tap.h"

#include <stdlib.h>

#include <kit/alloc.h>

#include "core/wire/endian.h"
#include "core/wire/frame.h"
#include "core/wire/msg.h"
#include "core/wire/mux.h"
#include "core/wire/verbs.h"

#define STREAMS 64

/* What one end saw and has still to consume. */
struct end {
    struct mux *mux;
    struct repx_buf got[STREAMS];
    size_t unconsumed[STREAMS], most;
    int ended[STREAMS], requests, results, cancels, rooms, noises, logs, hello;
    uint32_t last_request;
    int eager; /* consume at once */
    int64_t code;
    char text[256];
};

static int on_hello(void *ctx, int64_t version, const void *msg, size_t n,
                    struct repx_err *err)
{
    struct end *e = ctx;

    (void)msg, (void)n, (void)err;
    e->hello = (int)version;
    return 0;
}

static int on_request(void *ctx, uint32_t stream, uint16_t verb, const void *msg,
                      size_t n, struct repx_err *err)
{
    struct end *e = ctx;

    (void)verb, (void)msg, (void)n, (void)err;
    e->requests++;
    e->last_request = stream;
    return 0;
}

static int on_data(void *ctx, uint32_t stream, const void *bytes, size_t n,
                   struct repx_err *err)
{
    struct end *e = ctx;

    (void)err;
    if (e->eager) {
        mux_consumed(e->mux, stream, n);
        return 0;
    }
    repx_buf_add(&e->got[stream % STREAMS], bytes, n);
    e->unconsumed[stream % STREAMS] += n;
    if (e->unconsumed[stream % STREAMS] > e->most)
        e->most = e->unconsumed[stream % STREAMS];
    return 0;
}

static int on_end(void *ctx, uint32_t stream, struct repx_err *err)
{
    struct end *e = ctx;

    (void)err;
    e->ended[stream % STREAMS]++;
    return 0;
}

static int on_result(void *ctx, uint32_t stream, const void *msg, size_t n,
                     struct repx_err *err)
{
    struct end *e = ctx;

    (void)stream, (void)err;
    e->results++;
    e->code = msg_number(msg, n, F_CODE, -1);
    REPX_AUTO_FREE char *text = msg_text(msg, n, F_TEXT);
    (void)snprintf(e->text, sizeof(e->text), "%s", text ? text : "");
    return 0;
}

static void on_cancel(void *ctx, uint32_t stream)
{
    struct end *e = ctx;

    (void)stream;
    e->cancels++;
}

static void on_room(void *ctx, uint32_t stream)
{
    struct end *e = ctx;

    (void)stream;
    e->rooms++;
}

static void on_log(void *ctx, uint32_t level, const char *text)
{
    struct end *e = ctx;

    e->logs++;
    (void)snprintf(e->text, sizeof(e->text), "%u %s", level, text);
}

static void on_noise(void *ctx, const char *line)
{
    struct end *e = ctx;

    e->noises++;
    (void)snprintf(e->text, sizeof(e->text), "%s", line);
}

static const struct mux_events events = {on_hello, on_request, on_data,
                                         on_end,   on_result,  on_cancel,
                                         on_room,  on_log,     on_noise};

static void end_open(struct end *e, int side)
{
    *e = (struct end){0};
    e->mux = mux_create(side, &events, e);
}

static void end_close(struct end *e)
{
    mux_destroy(e->mux);
    for (int i = 0; i < STREAMS; i++)
        repx_buf_free(&e->got[i]);
}

static void pair_open(struct end *client, struct end *agent)
{
    end_open(client, MUX_CLIENT);
    end_open(agent, MUX_AGENT);
    mux_hello(client->mux, NULL, 0);
    mux_hello(agent->mux, NULL, 0);
}

static void pair_close(struct end *client, struct end *agent)
{
    end_close(client);
    end_close(agent);
}

/* At most max bytes from one end to the other; returns how many, -1 on error. */
static int64_t carry(struct end *from, struct end *to, size_t max)
{
    struct repx_err err = {0};
    const void *bytes;
    size_t n = mux_output(from->mux, &bytes);

    if (n > max)
        n = max;
    if (n && mux_input(to->mux, bytes, n, &err) < 0) {
        printf("# %s\n", err.text);
        return -1;
    }
    mux_sent(from->mux, n);
    return (int64_t)n;
}

static int settle(struct end *a, struct end *b)
{
    int64_t there = 1, back = 1;

    while (there > 0 || back > 0) {
        there = carry(a, b, SIZE_MAX);
        back = carry(b, a, SIZE_MAX);
        if (there < 0 || back < 0)
            return -1;
    }
    return 0;
}

/* ---- conversations ---- */

static void hello_request_data_result(void)
{
    struct end c, a;
    pair_open(&c, &a);

    uint32_t s = mux_request(c.mux, 9, NULL, 0);
    ok(mux_send(c.mux, s, "upload", 6) == 6, "data follows its request at once");
    mux_end(c.mux, s);
    ok(settle(&c, &a) == 0, "the ends understand each other");
    ok(c.hello == 1 && a.hello == 1, "version 1 on both sides");
    ok(a.requests == 1 && a.ended[s] == 1, "a request and its end");
    is(repx_buf_text(&a.got[s]), "upload", "and its data");
    (void)mux_send(a.mux, s, "download", 8);
    mux_result(a.mux, s, REPX_E_NONE, NULL, NULL, 0);
    ok(mux_send(a.mux, s, "late", 4) == 0, "nothing after the result");
    ok(settle(&c, &a) == 0 && c.results == 1 && c.code == 0, "a result");
    is(repx_buf_text(&c.got[s]), "download", "after its data");
    ok(mux_open_streams(c.mux) == 0 && mux_open_streams(a.mux) == 0,
       "closes the stream");
    ok(mux_idle(c.mux) && mux_idle(a.mux), "and all is quiet");
    pair_close(&c, &a);
}

static void an_error_comes_back_while_uploading(void)
{
    struct end c, a;
    REPX_AUTO_FREE char *block = repx_alloc(MUX_WINDOW);
    pair_open(&c, &a);

    uint32_t s = mux_request(c.mux, 9, NULL, 0);
    ok(settle(&c, &a) == 0, "a request");
    ok(mux_send(c.mux, s, block, MUX_WINDOW) == MUX_WINDOW, "a window of data waits");
    ok(mux_send(c.mux, s, block, 1) == 0, "and not one byte more");
    mux_result(a.mux, s, REPX_E_CORRUPT, "wrong digest", NULL, 0);
    ok(settle(&c, &a) == 0, "data of a closed stream is passed over");
    ok(c.results == 1 && c.code == REPX_E_CORRUPT, "the error arrives");
    is(c.text, "wrong digest", "with its text");
    pair_close(&c, &a);
}

static void cancel_drops_both_ways(void)
{
    struct end c, a;
    REPX_AUTO_FREE char *block = repx_alloc(MUX_WINDOW);
    pair_open(&c, &a);

    uint32_t s = mux_request(c.mux, 9, NULL, 0);
    ok(settle(&c, &a) == 0, "a request");
    (void)mux_send(a.mux, s, block, MUX_WINDOW);
    mux_result(a.mux, s, REPX_E_NONE, NULL, NULL, 0);
    mux_cancel(c.mux, s);
    ok(settle(&c, &a) == 0, "canceled with an answer on its way");
    ok(a.cancels <= 1 && c.results == 0, "no result is told");
    ok(mux_open_streams(c.mux) == 0 && mux_open_streams(a.mux) == 0, "both forget it");

    s = mux_request(c.mux, 9, NULL, 0);
    (void)mux_send(c.mux, s, block, MUX_WINDOW);
    ok(settle(&c, &a) == 0, "an upload");
    mux_cancel(c.mux, s);
    ok(settle(&c, &a) == 0 && a.cancels >= 1, "is canceled");
    ok(mux_open_streams(c.mux) == 0 && mux_open_streams(a.mux) == 0, "and forgotten");
    pair_close(&c, &a);
}

static void log_and_ping(void)
{
    struct end c, a;
    REPX_AUTO_BUF struct repx_buf b = {0};
    struct repx_err err = {0};
    struct frame f;
    const void *bytes;
    pair_open(&c, &a);

    ok(settle(&c, &a) == 0, "hello");
    mux_log(a.mux, REPX_LOG_WARN, "disk is nearly full");
    ok(settle(&c, &a) == 0 && c.logs == 1, "a log line");
    is(c.text, "1 disk is nearly full", "with its level");
    frame_put(&b, FRAME_PING, FRAME_CONTROL, 0, "tick", 4);
    ok(mux_input(a.mux, b.data, b.len, &err) == 0, "a ping");
    size_t n = mux_output(a.mux, &bytes);
    ok(frame_take(bytes, n, &f, &err) > 0 && f.type == FRAME_PONG && f.length == 4 &&
           memcmp(f.payload, "tick", 4) == 0,
       "comes back as pong");
    pair_close(&c, &a);
}

static void unknown_frames_are_skipped(void)
{
    struct end c, a;
    REPX_AUTO_BUF struct repx_buf b = {0};
    struct repx_err err = {0};
    pair_open(&c, &a);

    ok(settle(&c, &a) == 0, "hello");
    frame_put(&b, 200, FRAME_CONTROL, 77, "of a later version", 18);
    frame_put(&b, FRAME_PING, FRAME_CONTROL, 0, "x", 1);
    ok(mux_input(a.mux, b.data, b.len, &err) == 0, "an unknown type is no error");
    ok(!mux_idle(a.mux), "and what follows it is answered");
    pair_close(&c, &a);
}

/* ---- noise ---- */

static void noise_is_skipped_wherever_it_is_cut(void)
{
    static const char noise[] = "Welcome!\n\x01 not the magic\nquota: 80%\nprompt$ ";
    REPX_AUTO_BUF struct repx_buf b = {0};
    struct end c, a;
    int bad = 0, lines = 0;

    end_open(&a, MUX_AGENT);
    mux_hello(a.mux, NULL, 0);
    const void *bytes;
    size_t n = mux_output(a.mux, &bytes);
    repx_buf_add(&b, noise, sizeof(noise) - 1);
    repx_buf_add(&b, bytes, n);
    for (size_t cut = 0; cut <= b.len; cut++) {
        struct repx_err err = {0};
        end_open(&c, MUX_CLIENT);
        bad += mux_input(c.mux, b.data, cut, &err) < 0 ||
               mux_input(c.mux, b.data + cut, b.len - cut, &err) < 0 || c.hello != 1;
        lines += c.noises == 4;
        end_close(&c);
    }
    ok(bad == 0, "the hello is found");
    ok(lines == (int)b.len + 1, "and the four lines before it are told");
    end_close(&a);
}

static void endless_noise_ends(void)
{
    struct end c;
    struct repx_err err = {0};
    char line[128];
    int rc = 0;
    size_t fed = 0;

    end_open(&c, MUX_CLIENT);
    for (int i = 0; rc == 0 && i < 100000; i++) {
        int n = snprintf(line, sizeof(line), "Please accept the terms (%d)\n", i);
        fed += (size_t)n;
        rc = mux_input(c.mux, line, (size_t)n, &err);
    }
    ok(rc < 0 && fed < (2u << 20), "within two MiB");
    ok(strstr(err.text, "Please accept the terms") != NULL, "and shows what was said");
    end_close(&c);
}

/* ---- versions ---- */

static void versions_that_do_not_meet(void)
{
    REPX_AUTO_BUF struct repx_buf b = {0}, msg = {0};
    struct end a;
    struct repx_err err = {0};

    msg_put_number(&msg, F_WIRE_MIN, 7);
    msg_put_number(&msg, F_WIRE_MAX, 9);
    frame_put(&b, FRAME_HELLO, FRAME_CONTROL, 0, msg.data, (uint32_t)msg.len);
    end_open(&a, MUX_AGENT);
    ok(mux_input(a.mux, b.data, b.len, &err) < 0 && err.code == REPX_E_UNSUPPORTED,
       "are refused");
    ok(strstr(err.text, "7 to 9") && strstr(err.text, "1 to 1"), "naming both: %s",
       err.text);
    end_close(&a);
}

/* ---- a peer that breaks the rules ---- */

struct step {
    uint8_t type;
    uint32_t stream, length; /* of zero bytes, unless number is set */
    uint32_t number;
};
static const struct {
    const char *name;
    struct step steps[3];
    int want;
} hostile[] = {
    {"data on a stream that never was", {{FRAME_DATA, 1, 1, 0}}, -1},
    {"a request twice", {{FRAME_REQUEST, 1, 0, 0}, {FRAME_REQUEST, 1, 0, 0}}, -1},
    {"a request on stream 0", {{FRAME_REQUEST, 0, 0, 0}}, -1},
    {"two ends",
     {{FRAME_REQUEST, 1, 0, 0}, {FRAME_END, 1, 0, 0}, {FRAME_END, 1, 0, 0}},
     -1},
    {"data after the end",
     {{FRAME_REQUEST, 1, 0, 0}, {FRAME_END, 1, 0, 0}, {FRAME_DATA, 1, 1, 0}},
     -1},
    {"credit that was not used",
     {{FRAME_REQUEST, 1, 0, 0}, {FRAME_CREDIT, 1, 4, 1}},
     -1},
    {"credit of three bytes", {{FRAME_REQUEST, 1, 0, 0}, {FRAME_CREDIT, 1, 3, 0}}, -1},
    {"a result from a client", {{FRAME_REQUEST, 1, 0, 0}, {FRAME_RESULT, 1, 0, 0}}, -1},
    {"a log line from a client", {{FRAME_LOG, 0, 0, 0}}, -1},
    {"a large ping", {{FRAME_PING, 0, 257, 0}}, -1},
    {"a second hello", {{FRAME_HELLO, 0, 0, 0}}, -1},
    {"an end is fine", {{FRAME_REQUEST, 5, 0, 0}, {FRAME_END, 5, 0, 0}}, 0},
    {"no data is fine", {{FRAME_REQUEST, 5, 0, 0}, {FRAME_DATA, 5, 0, 0}}, 0},
    {"frames of a stream before the last are fine",
     {{FRAME_REQUEST, 5, 0, 0}, {FRAME_DATA, 4, 9, 0}},
     0},
};

static void put_step(struct repx_buf *b, const struct step *s)
{
    REPX_AUTO_BUF struct repx_buf payload = {0};
    uint8_t zero[512] = {0};

    if (s->type == FRAME_REQUEST)
        msg_put_number(&payload, F_VERB, 1);
    le32_put(zero, s->number);
    repx_buf_add(&payload, zero, s->length);
    frame_put(b, s->type, 0, s->stream, payload.data, (uint32_t)payload.len);
}

static void broken_rules_are_noticed(void)
{
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        REPX_AUTO_BUF struct repx_buf b = {0};
        struct repx_err err = {0};
        struct end c, a;
        pair_open(&c, &a);
        (void)settle(&c, &a);
        for (int k = 0; k < 3 && hostile[i].steps[k].type; k++)
            put_step(&b, &hostile[i].steps[k]);
        int rc = mux_input(a.mux, b.data, b.len, &err);
        ok(rc == hostile[i].want && (rc == 0 || err.code == REPX_E_CORRUPT), "%s",
           hostile[i].name);
        pair_close(&c, &a);
    }
}

static void more_data_than_the_window_is_noticed(void)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    REPX_AUTO_FREE char *block = repx_alloc(65536);
    struct repx_err err = {0};
    struct end c, a;
    pair_open(&c, &a);

    uint32_t s = mux_request(c.mux, 1, NULL, 0);
    ok(settle(&c, &a) == 0, "a request");
    for (int i = 0; i < MUX_WINDOW / 65536; i++)
        frame_put(&b, FRAME_DATA, 0, s, block, 65536);
    ok(mux_input(a.mux, b.data, b.len, &err) == 0, "a window of data is fine");
    b.len = 0;
    frame_put(&b, FRAME_DATA, 0, s, "x", 1);
    ok(mux_input(a.mux, b.data, b.len, &err) < 0, "a byte more is not");
    pair_close(&c, &a);
}

static void nothing_before_hello(void)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    struct repx_err err = {0};
    struct end a;

    end_open(&a, MUX_AGENT);
    put_step(&b, &hostile[1].steps[0]);
    ok(mux_input(a.mux, b.data, b.len, &err) < 0, "a request before hello");
    end_close(&a);
}

/* ---- properties ---- */

static uint32_t seed = 1;

static uint32_t dice(uint32_t sides)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % sides;
}

/* Byte number i of a stream's data. */
static char byte_at(uint32_t stream, size_t i)
{
    return (char)(stream * 31 + i * 7 + (i >> 8));
}

static void send_some(struct end *e, uint32_t stream, size_t *at, size_t total)
{
    char bytes[50000];
    size_t n = dice(sizeof(bytes)) + 1;

    if (n > total - *at)
        n = total - *at;
    for (size_t i = 0; i < n; i++)
        bytes[i] = byte_at(stream, *at + i);
    *at += mux_send(e->mux, stream, bytes, n);
}

static void consume_some(struct end *e, uint32_t stream)
{
    size_t n = e->unconsumed[stream] ? dice((uint32_t)e->unconsumed[stream] + 1) : 0;

    mux_consumed(e->mux, stream, n);
    e->unconsumed[stream] -= n;
}

static int intact(const struct end *e, uint32_t stream, size_t total)
{
    if (e->got[stream].len != total)
        return 0;
    for (size_t i = 0; i < total; i++)
        if (e->got[stream].data[i] != byte_at(stream, i))
            return 0;
    return 1;
}

#define CALLS 8
#define TOTAL (3u * 1024 * 1024) /* each way on each stream: three windows */

static int random_conversation(uint32_t start, size_t *most)
{
    struct end c, a;
    size_t up[CALLS + 1] = {0}, down[CALLS + 1] = {0};
    int bad = 0, ended = 0;
    pair_open(&c, &a);

    seed = start;
    for (int i = 0; i < CALLS; i++)
        (void)mux_request(c.mux, 1, NULL, 0);
    for (int round = 0; !bad && c.results < CALLS && round < 2000000; round++) {
        uint32_t s = 1 + dice(CALLS);
        bad = carry(&c, &a, dice(100000)) < 0 || carry(&a, &c, dice(100000)) < 0;
        if (up[s] < TOTAL)
            send_some(&c, s, &up[s], TOTAL);
        else
            mux_end(c.mux, s);
        if (a.requests == CALLS && down[s] < TOTAL)
            send_some(&a, s, &down[s], TOTAL);
        else if (a.ended[s] && down[s] == TOTAL)
            mux_result(a.mux, s, 0, NULL, NULL, 0);
        consume_some(&c, s);
        consume_some(&a, s);
    }
    for (uint32_t s = 1; s <= CALLS; s++)
        ended += a.ended[s] == 1 && intact(&a, s, TOTAL) && intact(&c, s, TOTAL);
    *most = c.most > a.most ? c.most : a.most;
    bad |= c.results != CALLS || ended != CALLS;
    pair_close(&c, &a);
    return bad;
}

static void random_conversations_lose_nothing(void)
{
    for (uint32_t i = 1; i <= 4; i++) {
        size_t most;
        ok(!random_conversation(i * 7919, &most), "conversation %u arrives intact", i);
        ok(most <= MUX_WINDOW, "and never is more than a window unconsumed (%zu)",
           most);
    }
}

/* Bulk without end on one stream; how many bytes leave between a request and its arrival? */
static void control_overtakes_bulk(void)
{
    REPX_AUTO_FREE char *block = repx_alloc(MUX_WINDOW);
    struct end c, a;
    int64_t most = 0, total = 0;
    pair_open(&c, &a);

    a.eager = 1;
    uint32_t bulk = mux_request(c.mux, 1, NULL, 0);
    while (total < (256 << 20)) {
        for (uint32_t n = dice(200); n > 0; n--) {
            (void)mux_send(c.mux, bulk, block, MUX_WINDOW);
            total += carry(&c, &a, 1 + dice(40000));
            (void)carry(&a, &c, SIZE_MAX);
        }
        uint32_t s = mux_request(c.mux, 2, NULL, 0);
        int64_t between = 0;
        while (a.last_request != s) {
            (void)mux_send(c.mux, bulk, block, MUX_WINDOW);
            between += carry(&c, &a, 1 + dice(40000));
            (void)carry(&a, &c, SIZE_MAX);
        }
        mux_result(a.mux, s, 0, NULL, NULL, 0);
        most = between > most ? between : most;
        total += between;
    }
    ok(most <= 256 * 1024, "a request waits for at most %lld bytes of bulk",
       (long long)most);
    pair_close(&c, &a);
}

static void streams_take_turns(void)
{
    REPX_AUTO_FREE char *block = repx_alloc(MUX_WINDOW);
    struct end c, a;
    pair_open(&c, &a);

    for (uint32_t s = 1; s <= 4; s++) {
        (void)mux_request(c.mux, 1, NULL, 0);
        (void)mux_send(c.mux, s, block, MUX_WINDOW);
    }
    for (int i = 0; i < 64; i++)
        (void)carry(&c, &a, 16384);
    size_t least = SIZE_MAX, largest = 0;
    for (int s = 1; s <= 4; s++) {
        least = a.got[s].len < least ? a.got[s].len : least;
        largest = a.got[s].len > largest ? a.got[s].len : largest;
    }
    ok(least > 0 && largest - least <= 65536,
       "four uploads advance together (%zu, %zu)", least, largest);
    pair_close(&c, &a);
}

static void what_does_not_fit_is_said(void)
{
    REPX_AUTO_FREE char *block = repx_alloc(FRAME_MAX);
    struct end c, a;
    pair_open(&c, &a);

    ok(mux_request(c.mux, 1, block, FRAME_MAX) == 0, "a request too large for a frame");
    uint32_t s = mux_request(c.mux, 1, NULL, 0);
    ok(settle(&c, &a) == 0, "a request");
    mux_result(a.mux, s, 0, NULL, block, FRAME_MAX);
    ok(settle(&c, &a) == 0 && c.code == REPX_E_FAILED, "a result too large: %s",
       c.text);
    pair_close(&c, &a);
}

int main(void)
{
    hello_request_data_result();
    an_error_comes_back_while_uploading();
    cancel_drops_both_ways();
    log_and_ping();
    unknown_frames_are_skipped();
    noise_is_skipped_wherever_it_is_cut();
    endless_noise_ends();
    versions_that_do_not_meet();
    broken_rules_are_noticed();
    more_data_than_the_window_is_noticed();
    nothing_before_hello();
    random_conversations_lose_nothing();
    control_overtakes_bulk();
    streams_take_turns();
    what_does_not_fit_is_said();
    return tap_end();
}
