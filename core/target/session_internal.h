/* SPDX-License-Identifier: MIT */
/* session_internal.h: what session.c (calls) and session_link.c (bytes) share. */
#ifndef REPX_TARGET_SESSION_INTERNAL_H
#define REPX_TARGET_SESSION_INTERNAL_H

#include "core/target/session.h"
#include "core/wire/mux.h"

#define SESSION_STEP 262144 /* bytes read at a time */

struct session_call {
    struct session *session;
    uint32_t stream; /* 0: never started */
    uint64_t activity;
    int (*data)(void *ctx, const void *bytes, size_t n, struct repx_err *err);
    void *ctx;
    int ended; /* upload */
    int done, failed;
    struct repx_buf result;
    struct repx_err err;
};

struct session {
    const struct repx_transport_ops *ops;
    void *transport, *stream;
    const struct repx_host *host;
    struct mux *mux;
    struct repx_buf hello, errors;
    int hello_seen, errors_ended;
    int deaf; /* nothing can be written any more */
    int leave_at_once;
    int broken; /* then link says why */
    struct repx_err link;
    struct session_call **calls; /* by stream number; NULL: not ours any more */
    size_t cap;
    uint64_t activity, waited; /* see count_trip */
    struct session_stats stats;
    char *buffer;
    /* silence: since when nothing came, when it was asked for a sign of life (0: not) */
    int64_t heard, asked, ask_after, end_after;
    int warned;
};

/* Write what the mux has ready, read what came. 1 when something moved, 0, -1: the link
 * is broken. Never waits. */
int session_move(struct session *s);
/* The same, but waits until something moved: 0 then means that the deadline passed (0:
 * none) or that the user canceled. */
int session_pump(struct session *s, int64_t deadline_ms);
/* Why the link is broken, as *err; -1. */
int session_link_error(const struct session *s, struct repx_err *err);
/* The last line of text that is not blank, made printable; caller frees. */
char *session_last_line(const char *text);
int64_t session_now(const struct session *s);

#endif
