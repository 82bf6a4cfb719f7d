/* SPDX-License-Identifier: MIT */
/* mux_internal.h: what mux.c (state and output) and mux_input.c share. */
#ifndef REPX_WIRE_MUX_INTERNAL_H
#define REPX_WIRE_MUX_INTERNAL_H

#include "core/wire/mux.h"

struct mux_stream {
    uint32_t id;
    uint32_t credit; /* bytes we may still send */
    uint32_t window; /* bytes the peer may still send */
    uint32_t owed;   /* consumed, not yet given back */
    uint32_t span;   /* what window is when nothing is on its way */
    uint32_t most;   /* what credit may be */
    uint8_t end_queued, end_sent, end_seen, result_queued;
    uint8_t canceled; /* client: answers are dropped */
    uint8_t turn;     /* stands in the line for DATA */
    uint8_t closed;   /* out of the table; freed when its turn comes */
    uint8_t bare;     /* its DATA goes without checksums: objects have digests */
    struct repx_buf out;
    size_t out_at; /* sent up to here */
    struct repx_buf result;
    struct mux_stream *next; /* in the line */
};

struct mux {
    int side;
    struct mux_events events;
    void *ctx;
    struct mux_stream **streams; /* sorted by id */
    size_t count, cap;
    struct mux_stream *first, *last; /* the line */
    struct repx_buf control;         /* frames that leave before DATA */
    struct repx_buf ready;           /* handed out by mux_output */
    size_t ready_at;
    struct repx_buf in;
    uint32_t last_stream;
    uint8_t magic_seen, hello_seen;
    uint8_t sums;               /* the peer takes checksums */
    uint8_t summed;             /* and sends them from now on */
    size_t noise;               /* bytes before the magic */
    struct repx_buf noise_line; /* the last whole or begun line of it */
};

struct mux_stream *mux_find(const struct mux *m, uint32_t id);
struct mux_stream *mux_add(struct mux *m, uint32_t id, int64_t verb);
void mux_remove(struct mux *m, struct mux_stream *s);
void mux_queue(struct mux *m, struct mux_stream *s); /* into the line, if it can send */
void mux_drop_output(struct mux_stream *s);
void mux_control(struct mux *m, uint8_t type, uint32_t stream, const void *payload,
                 size_t n);

#endif
