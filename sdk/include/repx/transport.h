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

/* Where to, and how. The core's, for the length of the call. */
struct repx_endpoint {
    uint64_t size;       /* of the struct as the core knows it */
    const char *address; /* the target's `address` as configured; "" for this machine */
    const char *target;  /* the target's name, for messages */
    uint32_t mode;       /* REPX_OPEN_*; an unknown one counts as REPX_OPEN_BATCH */
    uint32_t reserved;   /* 0 */
    int64_t deadline_ms; /* for the whole call; 0: none */
};

#define REPX_READY_READ 1u   /* output or its end can be read */
#define REPX_READY_WRITE 2u  /* write will take at least one byte */
#define REPX_READY_ERRORS 4u /* standard error can be read */

/* One stream to wait for: want in, ready out. Of fixed size: it has none of its own, and
 * stride tells how far the next one is. */
struct repx_wait {
    void *stream;   /* as start gave it */
    uint32_t want;  /* REPX_READY_* together; 0: nothing */
    uint32_t ready; /* those of them that are */
};

#define REPX_STREAM_OUT 0u
#define REPX_STREAM_ERR 1u

/* Answers of read and write beside a count: nothing now, wait first. */
#define REPX_AGAIN (-2)

/* Counters since open. The core's; the plugin fills in what lies within size. */
struct repx_transport_stats {
    uint64_t size;           /* of the struct as the core knows it */
    uint64_t logins;         /* authentications that the far end accepted */
    uint64_t bytes_sent;     /* to commands, their input */
    uint64_t bytes_received; /* from commands, output and errors */
};

struct repx_transport_ops {
    uint64_t size; /* sizeof(struct repx_transport_ops) */

    /* Connect and authenticate. On success *self goes to every other function and is
     * released by close; on failure nothing is left to release. host stays valid until
     * close returns.
     * Errors: REPX_E_AUTH, REPX_E_LINK (not reached), REPX_E_TIMEOUT, REPX_E_CANCELED,
     * REPX_E_USAGE (an address or a key that cannot be). Threads: any. Since: 0.1. */
    int32_t (*open)(void **self, const struct repx_host *host,
                    const struct repx_endpoint *endpoint, struct repx_err *err);

    /* End everything at once; takes NULL. Streams become invalid, none is to be ended.
     * Errors: none. Threads: handle. Since: 0.1. */
    void (*close)(void *self);

    /* Start `command`, a line for the target's login shell, and set *stream to its
     * standard input and output. The stream is released by end, or by close. Several may
     * be open at a time.
     * Errors: REPX_E_LINK, REPX_E_TIMEOUT, REPX_E_BUSY (no more at a time),
     * REPX_E_CANCELED. Threads: handle. Since: 0.1. */
    int32_t (*start)(void *self, const char *command, int64_t deadline_ms,
                     void **stream, struct repx_err *err);

    /* Take up to len bytes (at least 1) of standard output (REPX_STREAM_OUT) or error
     * (REPX_STREAM_ERR) into `to`, the core's. Never blocks. Returns the count, 0 at the
     * end of that channel, again and again, REPX_AGAIN, or -1.
     * Errors: REPX_E_LINK. Threads: handle (that of the connection). Since: 0.1. */
    int64_t (*read)(void *stream, uint32_t channel, void *to, uint64_t len,
                    struct repx_err *err);

    /* Give up to len bytes (at least 1) to standard input; `from` may be reused at once.
     * Never blocks, raises no SIGPIPE. Returns the count taken (at least 1), REPX_AGAIN,
     * or -1, also when nobody reads any more.
     * Errors: REPX_E_LINK. Threads: handle (that of the connection). Since: 0.1. */
    int64_t (*write)(void *stream, const void *from, uint64_t len,
                     struct repx_err *err);

    /* No more input: the command sees end of file; its output goes on. Twice is once.
     * Errors: REPX_E_LINK. Threads: handle (that of the connection). Since: 0.1. */
    int32_t (*half_close)(void *stream, struct repx_err *err);

    /* Sleep until one of the count items is ready in a way that is wanted, the deadline
     * (0: none) passed, or the host's cancel descriptor is readable. items are the core's,
     * stride bytes apart; ready of each is set. Returns how many are ready; 0 for deadline
     * or cancel; -1 when the link is gone.
     * Errors: REPX_E_LINK. Threads: handle. Since: 0.1. */
    int64_t (*wait)(void *self, struct repx_wait *items, uint64_t count,
                    uint64_t stride, int64_t deadline_ms, struct repx_err *err);

    /* After the end of output: the exit status, 0..255, or 128 + signal. Waits to the
     * deadline. Where the far end's protocol does not tell a signal from a link that
     * broke, the answer is REPX_E_LINK, never a status.
     * Errors: REPX_E_TIMEOUT (it still runs), REPX_E_LINK, REPX_E_CANCELED. Threads:
     * handle (that of the connection). Since: 0.1. */
    int32_t (*exit_status)(void *stream, int64_t deadline_ms, int32_t *status,
                           struct repx_err *err);

    /* Release a stream. A command that still runs sees the end of its input and can write
     * no more; whether it is killed as well depends on the transport. Takes NULL.
     * Errors: none. Threads: handle (that of the connection). Since: 0.1. */
    void (*end)(void *stream);

    /* Counters since open. Fills in the members that stats->size has room for, and leaves
     * size as it is.
     * Errors: none. Threads: handle. Since: 0.1. */
    void (*stats)(void *self, struct repx_transport_stats *stats);

    /* Optional. Authenticate once and keep that beyond this process. Later opens with
     * REPX_OPEN_REUSE use it. NULL: there is nothing to keep.
     * Errors: REPX_E_AUTH, REPX_E_LINK, REPX_E_TIMEOUT, REPX_E_CANCELED. Threads: any.
     * Since: 0.1. */
    int32_t (*login)(const struct repx_host *host, const struct repx_endpoint *endpoint,
                     struct repx_err *err);
    /* Optional, with login. Forget what it kept; that there is nothing is no error.
     * Errors: none of its own. Threads: any. Since: 0.1. */
    int32_t (*logout)(const struct repx_host *host,
                      const struct repx_endpoint *endpoint, struct repx_err *err);

    /* Optional. Could this transport reach the endpoint with what is configured now?
     * Decides without connecting. 1 yes, 0 no with the reason in *why, -1 error, there as
     * well. NULL: yes.
     * Errors: none of its own. Threads: any. Since: 0.1. */
    int32_t (*suits)(const struct repx_host *host, const struct repx_endpoint *endpoint,
                     struct repx_err *why);
};

#ifdef __cplusplus
}
#endif

#endif
