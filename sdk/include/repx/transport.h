/* SPDX-License-Identifier: MIT */
/* transport.h: how a target is reached: open, start one command with a two-way byte
 * stream, wait for readiness, close. The core speaks frames with its agent over that
 * stream; a transport sees only bytes. */
#ifndef REPX_TRANSPORT_H
#define REPX_TRANSPORT_H

#include <repx/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How open may authenticate. */
#define REPX_OPEN_PROMPT 1 /* may ask through host->secret */
#define REPX_OPEN_BATCH 2  /* never asks: fails with REPX_E_AUTH instead */
#define REPX_OPEN_REUSE 3  /* only an authentication that exists already (repx login) */

struct repx_endpoint {
    uint64_t size;
    const char *address; /* the target's `address` as configured; "" for this machine */
    const char *target;  /* the target's name, for messages */
    uint32_t mode;       /* REPX_OPEN_* */
    uint32_t reserved;
    int64_t deadline_ms;
};

#define REPX_READY_READ 1u   /* output or its end can be read */
#define REPX_READY_WRITE 2u  /* write will take at least one byte */
#define REPX_READY_ERRORS 4u /* standard error can be read */

/* One stream to wait for: want in, ready out. */
struct repx_wait {
    void *stream;
    uint32_t want;
    uint32_t ready;
};

#define REPX_STREAM_OUT 0u
#define REPX_STREAM_ERR 1u

/* Answers of read and write beside a count: nothing now, wait first. */
#define REPX_AGAIN (-2)

struct repx_transport_stats {
    uint64_t size;
    uint64_t logins; /* authentications that the far end accepted */
    uint64_t bytes_sent, bytes_received;
};

struct repx_transport_ops {
    uint64_t size;

    /* Connect and authenticate. On success *self goes to every other function and is
     * released by close; on failure nothing is left to release. */
    int32_t (*open)(void **self, const struct repx_host *host,
                    const struct repx_endpoint *endpoint, struct repx_err *err);

    /* End everything at once; takes NULL. Streams become invalid. */
    void (*close)(void *self);

    /* Start `command`, a line for the target's login shell, and set *stream to its
     * standard input and output. The stream is released by end, or by close. */
    int32_t (*start)(void *self, const char *command, int64_t deadline_ms,
                     void **stream, struct repx_err *err);

    /* Take up to len bytes of standard output (REPX_STREAM_OUT) or error. Never blocks.
     * Returns the count, 0 at the end of that channel, REPX_AGAIN, or -1. */
    int64_t (*read)(void *stream, uint32_t channel, void *to, uint64_t len,
                    struct repx_err *err);

    /* Give up to len bytes to standard input. Never blocks. Returns the count taken
     * (at least 1), REPX_AGAIN, or -1. */
    int64_t (*write)(void *stream, const void *from, uint64_t len,
                     struct repx_err *err);

    /* No more input: the command sees end of file. */
    int32_t (*half_close)(void *stream, struct repx_err *err);

    /* Sleep until one of the streams is ready in a way that is wanted, the deadline
     * (0: none) passed, or the host's cancel descriptor is readable. Returns how many
     * are ready; 0 for deadline or cancel; -1 when the link is gone (REPX_E_LINK). */
    int64_t (*wait)(void *self, struct repx_wait *items, uint64_t count,
                    uint64_t stride, int64_t deadline_ms, struct repx_err *err);

    /* After the end of output: the exit status, or 128 + signal. Waits to the deadline.
     * Where the far end's protocol does not tell a signal from a link that broke, the
     * answer is REPX_E_LINK, never a status. */
    int32_t (*exit_status)(void *stream, int64_t deadline_ms, int32_t *status,
                           struct repx_err *err);

    /* Release a stream. A command that still runs sees the end of its input and can write
     * no more; whether it is killed as well depends on the transport. Takes NULL. */
    void (*end)(void *stream);

    /* Counters since open. */
    void (*stats)(void *self, struct repx_transport_stats *stats);

    /* Optional. Authenticate once and keep that beyond this process (login), or forget
     * it (logout). Later opens with REPX_OPEN_REUSE use it. */
    int32_t (*login)(const struct repx_host *host, const struct repx_endpoint *endpoint,
                     struct repx_err *err);
    int32_t (*logout)(const struct repx_host *host,
                      const struct repx_endpoint *endpoint, struct repx_err *err);

    /* Optional. Could this transport reach the endpoint with what is configured now?
     * Decides without connecting. 1 yes, 0 no with the reason in *why, -1 error. */
    int32_t (*suits)(const struct repx_host *host, const struct repx_endpoint *endpoint,
                     struct repx_err *why);
};

#ifdef __cplusplus
}
#endif

#endif
