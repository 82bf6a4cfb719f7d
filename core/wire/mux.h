/* SPDX-License-Identifier: MIT */
/* mux.h: both ends of the wire as a pure state machine: bytes in, bytes out, no I/O.
 *
 *     client                                   agent
 *     HELLO min max            ->
 *                              <-  MAGIC, HELLO min max
 *     REQUEST #1 verb fields   ->                       opens stream 1
 *     DATA #1 (within credit)  ->                       an upload
 *     END #1                   ->
 *                              <-  CREDIT #1 65536      the agent consumed that much
 *                              <-  DATA #1              a download
 *                              <-  RESULT #1 code       closes stream 1
 *
 * Every stream starts with a credit of MUX_WINDOW in each direction, so a request with
 * little data costs no extra round trip, and no side can make the other buffer more than
 * that. Frames with FRAME_CONTROL (everything but DATA) leave before waiting DATA;
 * streams take turns for DATA, so a log line passes a layer. */
#ifndef REPX_WIRE_MUX_H
#define REPX_WIRE_MUX_H

#include <stdint.h>

#include <kit/buf.h>
#include <kit/err.h>

#define MUX_WINDOW 1048576
#define MUX_WINDOW_MOST (4 * MUX_WINDOW) /* of a stream that was widened */

#define MUX_CLIENT 0
#define MUX_AGENT 1

struct mux;

/* What happened, in order of arrival. Pointers are valid during the call. Any may be
 * NULL. A callback may call mux_* for the same mux, but not mux_input or mux_destroy. */
struct mux_events {
    int (*hello)(void *ctx, int64_t version, const void *msg, size_t n,
                 struct repx_err *err);
    int (*request)(void *ctx, uint32_t stream, uint16_t verb, const void *msg, size_t n,
                   struct repx_err *err);
    int (*data)(void *ctx, uint32_t stream, const void *bytes, size_t n,
                struct repx_err *err);
    int (*end)(void *ctx, uint32_t stream, struct repx_err *err);
    int (*result)(void *ctx, uint32_t stream, const void *msg, size_t n,
                  struct repx_err *err);
    void (*cancel)(void *ctx, uint32_t stream);
    void (*room)(void *ctx, uint32_t stream); /* more credit came */
    void (*log)(void *ctx, uint32_t level, const char *text);
    void (*noise)(void *ctx, const char *line); /* client: a line before the magic */
};

struct mux *mux_create(int side, const struct mux_events *events, void *ctx);
void mux_destroy(struct mux *m);

/* Our HELLO with extra fields; the agent's also puts the magic before it. */
void mux_hello(struct mux *m, const void *fields, size_t n);

/* Bytes that arrived. -1: the peer broke the protocol; the connection is of no more use. */
int mux_input(struct mux *m, const void *bytes, size_t n, struct repx_err *err);

/* Bytes to be written now; mux_sent says how many were. Up to FRAME_MAX or so is made
 * ready at a time, so that later control frames still overtake. */
size_t mux_output(struct mux *m, const void **bytes);
void mux_sent(struct mux *m, size_t n);

/* Client, while no magic came: the last line that came instead, or "". */
const char *mux_last_noise(const struct mux *m);

/* Client: open a stream with a request. Returns its number; 0 when msg does not fit into
 * one frame. */
uint32_t mux_request(struct mux *m, uint16_t verb, const void *msg, size_t n);
void mux_cancel(struct mux *m, uint32_t stream);
/* Client: ask for a sign of life; the answer is nothing but bytes that come. */
void mux_ping(struct mux *m);

/* Queue data. Returns how many bytes were taken: credit bounds what is sent, and at most
 * MUX_WINDOW bytes wait unsent per stream. 0: wait for room. */
size_t mux_send(struct mux *m, uint32_t stream, const void *bytes, size_t n);
/* How many bytes mux_send would take now; 0 also when the stream is closed or ended. */
size_t mux_room(const struct mux *m, uint32_t stream);
void mux_end(struct mux *m, uint32_t stream); /* after the queued data */

/* Say that n bytes received on a stream were dealt with: gives credit back. */
void mux_consumed(struct mux *m, uint32_t stream, size_t n);

/* A far end with a fast link needs more on its way: the receiver gives `more` bytes of credit
 * at once and from then on; the sender has to have said how much it takes. Both bounded by
 * MUX_WINDOW_MOST. */
void mux_widen(struct mux *m, uint32_t stream, uint32_t more);
void mux_accept(struct mux *m, uint32_t stream, uint32_t most);

/* Agent: close a stream after its queued data. code REPX_E_NONE is success; text is the
 * error's; fields are appended. */
void mux_result(struct mux *m, uint32_t stream, int32_t code, const char *text,
                const void *fields, size_t n);
void mux_log(struct mux *m, uint32_t level, const char *text);

/* A sign of life that nobody asked for. */
void mux_alive(struct mux *m);

/* Streams that are open, and whether nothing is waiting to be written. */
size_t mux_open_streams(const struct mux *m);
int mux_idle(const struct mux *m);

#endif
