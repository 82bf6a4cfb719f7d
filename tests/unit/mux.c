/* SPDX-License-Identifier: MIT */
/* Conversations of two ends, and peers that break the rules. */
#include "tap.h"

#include <stdlib.h>

#include <kit/alloc.h>

#include "agent/mux_pair.h"
#include "core/wire/endian.h"
#include "core/wire/frame.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

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

/* ---- checksums ---- */

/* What the client says after the hellos, with one bit changed; 0 when there are not that many
 * bits. *told: the agent was told something, and went on. */
static int flipped(size_t bit, int *told)
{
    REPX_AUTO_BUF struct repx_buf sent = {0};
    struct end c, a;
    const void *bytes;
    pair_open(&c, &a);

    (void)settle(&c, &a);
    uint32_t s = mux_request(c.mux, 9, "", 0);
    (void)mux_send(c.mux, s, "upload", 6);
    mux_end(c.mux, s);
    size_t n = mux_output(c.mux, &bytes);
    repx_buf_add(&sent, bytes, n);
    int is = bit < n * 8;
    if (is) {
        sent.data[bit / 8] = (char)(sent.data[bit / 8] ^ 1 << bit % 8);
        int rc = mux_input(a.mux, sent.data, sent.len, NULL);
        *told = rc == 0 && a.ended[s];
        *told |= a.got[s].len && strcmp(repx_buf_text(&a.got[s]), "upload") != 0;
    }
    pair_close(&c, &a);
    return is;
}

static void a_changed_bit_is_no_message(void)
{
    size_t bit = 0, told = 0;

    for (int one = 0; flipped(bit, &one); bit++)
        told += one;
    ok(bit > 400 && told == 0, "of %zu bits each is missed when it changes", bit);
}

/* Its hello says nothing of checksums. */
static void a_peer_without_checksums(void)
{
    REPX_AUTO_BUF struct repx_buf b = {0}, msg = {0}, request = {0};
    struct end c, a;
    const void *bytes;
    struct frame f;
    pair_open(&c, &a);

    msg_put_number(&msg, F_WIRE_MIN, 1);
    msg_put_number(&msg, F_WIRE_MAX, 1);
    msg_put_number(&request, F_VERB, 9);
    frame_put(&b, FRAME_HELLO, FRAME_CONTROL, 0, msg.data, (uint32_t)msg.len);
    frame_put(&b, FRAME_REQUEST, FRAME_CONTROL, 1, request.data, (uint32_t)request.len);
    mux_sent(a.mux, mux_output(a.mux, &bytes));
    ok(mux_input(a.mux, b.data, b.len, NULL) == 0 && a.requests == 1,
       "a peer that knows no checksums is understood");
    mux_result(a.mux, 1, 0, NULL, NULL, 0);
    size_t n = mux_output(a.mux, &bytes);
    ok(frame_take(bytes, n, &f, NULL) > 0 && f.type == FRAME_RESULT &&
           !(f.flags & FRAME_SUM),
       "and gets none");
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

/* Send as much as goes. */
static size_t send_all(struct end *client, struct end *agent, uint32_t stream)
{
    static char bytes[MUX_WINDOW];
    size_t sent;

    do {
        sent = mux_send(client->mux, stream, bytes, sizeof(bytes));
        if (settle(client, agent) < 0)
            return 0;
    } while (sent);
    return agent->got[stream].len;
}

static void a_stream_may_be_widened(void)
{
    const size_t most = (size_t)4 * MUX_WINDOW;
    struct end client = {0}, agent = {0};

    pair_open(&client, &agent);
    uint32_t stream = mux_request(client.mux, 1, NULL, 0);
    (void)settle(&client, &agent);
    mux_widen(agent.mux, stream, MUX_WINDOW);
    ok(settle(&client, &agent) < 0, "more credit is not taken by who did not say so");
    pair_close(&client, &agent);

    pair_open(&client, &agent);
    stream = mux_request(client.mux, 1, NULL, 0);
    mux_accept(client.mux, stream, UINT32_MAX);
    (void)settle(&client, &agent);
    mux_widen(agent.mux, stream, UINT32_MAX);
    ok(settle(&client, &agent) == 0, "but by who did");
    ok(send_all(&client, &agent, stream) == most, "four windows are on their way");
    mux_consumed(agent.mux, stream, most);
    ok(send_all(&client, &agent, stream) > most, "and more when they were taken");
    pair_close(&client, &agent);
}

int main(void)
{
    hello_request_data_result();
    an_error_comes_back_while_uploading();
    cancel_drops_both_ways();
    log_and_ping();
    unknown_frames_are_skipped();
    a_changed_bit_is_no_message();
    a_peer_without_checksums();
    noise_is_skipped_wherever_it_is_cut();
    endless_noise_ends();
    versions_that_do_not_meet();
    broken_rules_are_noticed();
    more_data_than_the_window_is_noticed();
    nothing_before_hello();
    what_does_not_fit_is_said();
    a_stream_may_be_widened();
    return tap_end();
}
