/* SPDX-License-Identifier: MIT */
#include "mux_pair.h"

#include <stdio.h>

#include <kit/alloc.h>

#include "core/wire/msg.h"
#include "core/wire/verbs.h"

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

void end_open(struct end *e, int side)
{
    *e = (struct end){0};
    e->mux = mux_create(side, &events, e);
}

void end_close(struct end *e)
{
    mux_destroy(e->mux);
    for (int i = 0; i < STREAMS; i++)
        repx_buf_free(&e->got[i]);
}

void pair_open(struct end *client, struct end *agent)
{
    end_open(client, MUX_CLIENT);
    end_open(agent, MUX_AGENT);
    mux_hello(client->mux, NULL, 0);
    mux_hello(agent->mux, NULL, 0);
}

void pair_close(struct end *client, struct end *agent)
{
    end_close(client);
    end_close(agent);
}

int64_t carry(struct end *from, struct end *to, size_t max)
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

int settle(struct end *a, struct end *b)
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
