/* SPDX-License-Identifier: MIT */
/* stream.h: one command and its three channels.
 *
 * libssh2 has two habits that this struct is for. A write that it could not finish must
 * be repeated with the same bytes at the same address, and nothing else may be sent
 * meanwhile: so bytes to write lie in a buffer of ours until they are gone. And bytes
 * that it took off the socket while doing something else make no socket readable: so
 * waiting reads a little ahead. */
#ifndef REPX_SSH_STREAM_H
#define REPX_SSH_STREAM_H

#include "ssh.h"

#define AHEAD_MAX 65536u

struct ahead {
    char *bytes; /* AHEAD_MAX, or NULL */
    size_t start, end;
    int at_end; /* nothing comes after these */
};

struct stream {
    struct ssh *s;
    struct stream *next;
    LIBSSH2_CHANNEL *channel;
    struct ahead in[2]; /* REPX_STREAM_OUT, REPX_STREAM_ERR */
    struct ahead out;
    int half;      /* HALF_... */
    char *command; /* its start was asked for and not answered yet; or NULL */
};

#define HALF_OPEN 0
#define HALF_WANTED 1 /* end of file follows what is still to be written */
#define HALF_DONE 2

/* Send what is to be sent. 0 all gone, REPX_AGAIN, -1. */
int64_t stream_flush(struct stream *st, struct repx_err *err);
/* All streams in turn, until a packet went out in part only. -1 when the link is gone. */
int stream_flush_all(struct ssh *s, struct repx_err *err);
/* Read ahead when nothing lies there. -1 when the link is gone. */
int stream_fill(struct stream *st, uint32_t channel, struct repx_err *err);
/* A packet went out in part: nothing else may be sent before its rest. */
int stream_is_stuck(const struct ssh *s);

#endif
