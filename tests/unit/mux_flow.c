/* SPDX-License-Identifier: MIT */
/* What holds however the bytes are cut and the streams interleave. */
#include "tap.h"

#include <stdlib.h>

#include <kit/alloc.h>

#include "agent/mux_pair.h"

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
    return (char)((size_t)stream * 31 + i * 7 + (i >> 8));
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
    for (size_t i = 0; i < total; i++) {
        if (e->got[stream].data[i] != byte_at(stream, i))
            return 0;
    }
    return 1;
}

#define CALLS 8
#define TOTAL 3145728 /* each way on each stream: three windows */

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
        if (up[s] < TOTAL) {
            send_some(&c, s, &up[s], TOTAL);
        } else {
            mux_end(c.mux, s);
        }
        if (a.requests == CALLS && down[s] < TOTAL) {
            send_some(&a, s, &down[s], TOTAL);
        } else if (a.ended[s] && down[s] == TOTAL) {
            mux_result(a.mux, s, 0, NULL, NULL, 0);
        }
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
    while (total < 268435456) {
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
    ok(most <= 262144, "a request waits for at most %lld bytes of bulk",
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

int main(void)
{
    random_conversations_lose_nothing();
    control_overtakes_bulk();
    streams_take_turns();
    return tap_end();
}
