/* SPDX-License-Identifier: MIT */
/* far.h: a connection of the transport under test, and the peer at its far end. */
#ifndef REPX_CONFORM_FAR_H
#define REPX_CONFORM_FAR_H

#include "talk.h"

struct far {
    struct conform *c;
    struct talk t;
    char *dir; /* of the peer, there */
};

int64_t far_now(const struct far *f);
/* The deadline of what should take a second. */
int64_t far_soon(const struct far *f);
int far_open(struct far *f, struct repx_err *err);
/* What the peer said in that mode; output in f->t.out. */
int far_ask(struct far *f, const char *mode, struct repx_err *err);
/* A stream of a peer that says nothing by itself, and echoes. */
void *far_silent(struct far *f, struct repx_err *err);

/* limits.c: what must never block, leak or disturb; the connection is open. */
void transport_limits(struct far *f);

#endif
