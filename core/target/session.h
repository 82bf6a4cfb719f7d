/* SPDX-License-Identifier: MIT */
/* session.h: the client's end of the agent's channel: a transport stream and a mux, as
 * calls that wait. One thread. While one call waits, all streams move on. */
#ifndef REPX_TARGET_SESSION_H
#define REPX_TARGET_SESSION_H

#include <repx/transport.h>

#include <kit/buf.h>
#include <kit/err.h>

struct session;
struct session_call;

/* Over a stream on which the first command already runs. Takes the hello (waits for the
 * agent's, skipping noise, which `noise` gets) and fails with what the login shell said if
 * none comes by the deadline. Borrows ops, transport and stream. */
struct session *session_create(const struct repx_transport_ops *ops, void *transport,
                               void *stream, const struct repx_host *host,
                               int64_t deadline_ms, struct repx_err *err);
void session_destroy(struct session *s); /* half-closes, waits briefly for the end */
/* The agent has done all that it was asked for and made nothing that it tidies at its end: go
 * without waiting for that, which saves a round trip. */
void session_leave_at_once(struct session *s);
/* The agent's hello: fields of verbs.h (F_VERSION F_ARCH F_BASE F_STATE F_CPUS F_MEMORY
 * F_HOST F_USER F_TIME F_WARNING). */
const void *session_hello(const struct session *s, size_t *n);

/* Start a call. `data` (may be NULL) gets response data as it comes; -1 from it cancels
 * the call, and its error becomes the call's. */
struct session_call *
session_call(struct session *s, uint16_t verb, const void *msg, size_t n,
             int (*data)(void *ctx, const void *bytes, size_t n, struct repx_err *err),
             void *ctx);
/* Upload; waits while there is no room. Errors of the link or, early, of the call. */
int session_send(struct session_call *c, const void *bytes, size_t n,
                 struct repx_err *err);
/* End of upload, without waiting: what is sent before the first wait costs one round
 * trip together. */
void session_end(struct session_call *c);
/* End of upload, if there was one and it was not said yet; wait for the result and free the
 * call. fields (may be NULL) gets the result's message. The agent's error comes back with its
 * code and text. Cancelled by the user: REPX_E_CANCELED, and so is the call. */
int session_finish(struct session_call *c, struct repx_buf *fields,
                   struct repx_err *err);
/* All of them in turn, without their messages; after the first that fails the rest is cancelled.
 * *count is 0 afterwards. */
int session_finish_all(struct session_call **calls, size_t *count,
                       struct repx_err *err);
/* Take what is there, waiting at most until the deadline (0: not at all). 1 when the call
 * has its result (then session_finish does not wait), 0 not yet, -1. */
int session_poll(struct session_call *c, int64_t deadline_ms, struct repx_err *err);
void session_cancel(struct session_call *c); /* and frees it */

/* For `data` of a call: ctx is the struct repx_buf that takes all of it, or NULL. */
int session_collect(void *ctx, const void *bytes, size_t n, struct repx_err *err);
/* A call whose response is small: all data into *data (may be NULL). */
int session_ask(struct session *s, uint16_t verb, const void *msg, size_t n,
                struct repx_buf *data, struct repx_buf *fields, struct repx_err *err);

/* Ask the agent for a sign of life after so much silence in a wait, and give the link up
 * (REPX_E_LINK) when nothing came for so long after that. The defaults are in session.c. */
void session_patience(struct session *s, int64_t ask_after_ms, int64_t end_after_ms);

struct session_stats {
    uint64_t round_trips; /* times a call waited for an answer */
    uint64_t bytes_sent, bytes_received;
};
void session_stats(const struct session *s, struct session_stats *stats);

#endif
