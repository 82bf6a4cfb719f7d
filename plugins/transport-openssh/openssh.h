/* SPDX-License-Identifier: MIT */
/* openssh.h: one target reached by the user's own ssh, for the files of this folder. */
#ifndef REPX_OPENSSH_H
#define REPX_OPENSSH_H

#include <repx/transport.h>

#include <kit/buf.h>
#include <kit/err.h>

struct stream;

struct openssh {
    struct repx_host host; /* copy */
    char *target, *address;
    char *master; /* socket of the connection that login keeps, or NULL */
    uint32_t mode;
    int64_t deadline_ms;
    int uses_master;
    struct stream *streams;
    struct repx_transport_stats stats;
};

/* Words of a command line; ends with NULL for exec. */
struct words {
    char **items;
    size_t count;
};
void words_add(struct words *w, const char *word);
void words_fmt(struct words *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void words_free(struct words *w);
const char *const *words_argv(const struct words *w);

/* The program and every option but those of a purpose; words_host ends it. */
int words_begin(struct words *w, const struct openssh *o, struct repx_err *err);
int words_host(struct words *w, const struct openssh *o, struct repx_err *err);

/* Fill a zeroed *o, whatever is to be done with it. */
int openssh_init(struct openssh *o, const struct repx_host *host,
                 const struct repx_endpoint *endpoint, struct repx_err *err);
void openssh_finish(struct openssh *o);

/* What ssh's last words mean: REPX_E_AUTH, _TIMEOUT or _LINK, and a cure. */
int openssh_verdict(const struct openssh *o, const char *said, struct repx_err *err);

/* master.c */
int master_lives(const struct openssh *o);
int32_t openssh_login(const struct repx_host *host,
                      const struct repx_endpoint *endpoint, struct repx_err *err);
int32_t openssh_logout(const struct repx_host *host,
                       const struct repx_endpoint *endpoint, struct repx_err *err);

/* stream.c and wait.c: members of struct repx_transport_ops. */
int32_t openssh_start(void *self, const char *command, int64_t deadline_ms,
                      void **stream, struct repx_err *err);
int64_t openssh_read(void *stream, uint32_t channel, void *to, uint64_t len,
                     struct repx_err *err);
int64_t openssh_write(void *stream, const void *from, uint64_t len,
                      struct repx_err *err);
int32_t openssh_half_close(void *stream, struct repx_err *err);
int64_t openssh_wait(void *self, struct repx_wait *items, uint64_t count,
                     uint64_t stride, int64_t deadline_ms, struct repx_err *err);
int32_t openssh_exit_status(void *stream, int64_t deadline_ms, int32_t *status,
                            struct repx_err *err);
void openssh_end(void *stream);

#endif
