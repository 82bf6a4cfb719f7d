/* SPDX-License-Identifier: MIT */
/* mux_pair.h: two ends of the wire joined in memory; the link carries as much at a time as
 * a test likes. */
#ifndef REPX_TEST_MUX_PAIR_H
#define REPX_TEST_MUX_PAIR_H

#include <stddef.h>
#include <stdint.h>

#include <kit/buf.h>

#include "core/wire/mux.h"

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

void end_open(struct end *e, int side);
void end_close(struct end *e);
/* Both, with their hellos said. */
void pair_open(struct end *client, struct end *agent);
void pair_close(struct end *client, struct end *agent);
/* At most max bytes from one end to the other; returns how many, -1 on error. */
int64_t carry(struct end *from, struct end *to, size_t max);
/* Until nothing moves; 0 or -1. */
int settle(struct end *a, struct end *b);

#endif
