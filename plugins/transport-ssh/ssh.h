/* SPDX-License-Identifier: MIT */
/* ssh.h: one connection, shared by the files of this folder.
 *
 * libssh2 runs non-blocking all the time: a call that answers EAGAIN is made again when
 * ssh_wait says that the socket is ready for what it lacked. */
#ifndef REPX_SSH_H
#define REPX_SSH_H

#include <libssh2.h>

#include <repx/transport.h>

#include <kit/buf.h>
#include <kit/err.h>

#include "settings.h"

struct stream;

struct ssh {
    struct repx_host host; /* copy */
    struct settings settings;
    char *where; /* user@host:port, for messages */
    uint32_t mode;
    int fd;
    LIBSSH2_SESSION *session;
    struct stream *streams;
    struct repx_transport_stats stats;
    int64_t heard_ms, pinged_ms; /* when the far end was last heard, and last asked */
    int pings;                   /* asked since it was heard */
    struct repx_err *auth_err;   /* of the question that is being answered */
};

int64_t ssh_now(const struct ssh *s);
/* The earlier of two deadlines, where 0 means none. */
int64_t ssh_earlier(int64_t a, int64_t b);
/* Sleep until the socket is ready in the direction libssh2 waits for. -1: the deadline
 * passed (REPX_E_TIMEOUT), the user stopped us, or the link is gone. */
int ssh_wait(struct ssh *s, int64_t deadline_ms, struct repx_err *err);
/* What went wrong last in libssh2, classified, with `doing` in front. */
int ssh_fail(struct ssh *s, const char *doing, struct repx_err *err);

/* connect.c: a socket that is connected, and the handshake on it. */
int ssh_connect(struct ssh *s, int64_t deadline_ms, struct repx_err *err);
/* hostkey.c: which types to ask for; is the key on file? */
int ssh_prefer_known(struct ssh *s, struct repx_err *err);
int ssh_check_host_key(struct ssh *s, struct repx_err *err);
/* auth.c */
int ssh_authenticate(struct ssh *s, int64_t deadline_ms, struct repx_err *err);
/* suits.c: struct repx_transport_ops says it. */
int32_t ssh_suits(const struct repx_host *host, const struct repx_endpoint *endpoint,
                  struct repx_err *why);

/* stream.c and wait.c: members of struct repx_transport_ops. */
int32_t ssh_start(void *self, const char *command, int64_t deadline_ms, void **stream,
                  struct repx_err *err);
int64_t ssh_read(void *stream, uint32_t channel, void *to, uint64_t len,
                 struct repx_err *err);
int64_t ssh_write(void *stream, const void *from, uint64_t len, struct repx_err *err);
int32_t ssh_half_close(void *stream, struct repx_err *err);
int64_t ssh_wait_streams(void *self, struct repx_wait *items, uint64_t count,
                         uint64_t stride, int64_t deadline_ms, struct repx_err *err);
int32_t ssh_exit_status(void *stream, int64_t deadline_ms, int32_t *status,
                        struct repx_err *err);
void ssh_end(void *stream);
void ssh_drop_streams(struct ssh *s);

#endif
