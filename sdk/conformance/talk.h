/* SPDX-License-Identifier: MIT */
/* talk.h: one command over a transport, from start to its exit status. */
#ifndef REPX_CONFORM_TALK_H
#define REPX_CONFORM_TALK_H

#include <kit/buf.h>

#include "conform.h"

struct talk {
    const struct repx_transport_ops *ops;
    const struct repx_host *host;
    void *self;
    const char *input;
    size_t len;
    int keep_open; /* no half-close at the end of input */
    /* what came of it */
    struct repx_buf out, errors;
    int32_t status;
    int again_at_end; /* read answered 0 a second time */
};

/* -1 with *err; out and errors are to be freed in any case. At most `seconds`. */
int talk(struct talk *t, const char *command, int seconds, struct repx_err *err);
void talk_free(struct talk *t);

/* One turn for a stream: wait, then give and take what can be. Returns 1 while more is to
 * come, 0 when output and errors are at their end, -1. */
struct turn {
    void *stream;
    size_t sent;
    int half_closed, ended[2];
};
int talk_turn(struct talk *t, struct turn *turn, int64_t deadline_ms,
              struct repx_err *err);

#endif
