/* SPDX-License-Identifier: MIT */
/* session.h: what session.c (the loop) and call.c (the calls in it) share.
 *
 * Calls are freed only by sessions' sweep, once a round, so a verb may reply from
 * anywhere and still look at its call. */
#ifndef REPX_AGENT_SESSION_H
#define REPX_AGENT_SESSION_H

#include <poll.h>
#include <sys/types.h>

#include "core/agent/agent.h"
#include "core/wire/mux.h"

#define SHARED_SLOTS 4
#define CALL_BUCKETS 1024 /* streams are numbered in order: each bucket stays short */

struct agent_session {
    struct mux *mux;
    struct site site;
    struct call *calls[CALL_BUCKETS];
    struct {
        void *state;
        void (*release)(void *state);
    } shared[SHARED_SLOTS];
    int wake[2];     /* a child ended */
    size_t children; /* calls that have one */
    int ended;       /* the client is gone */
};

int call_begin(struct agent_session *s, uint32_t stream, uint16_t verb, const void *msg,
               size_t n);
void call_data(struct agent_session *s, uint32_t stream, const void *bytes, size_t n);
void call_end(struct agent_session *s, uint32_t stream);
void call_cancel(struct agent_session *s, uint32_t stream);

/* Descriptors of children to poll for; returns how many were added, at most max. */
size_t calls_poll(struct agent_session *s, struct pollfd *fds, size_t max);
/* Relay what children wrote, reap those that ended, send results, free what is done. */
void calls_sweep(struct agent_session *s);
/* The session ends: children get TERM and a moment to end. */
void calls_finish(struct agent_session *s);

#endif
