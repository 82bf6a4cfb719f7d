/* SPDX-License-Identifier: MIT */
/* child.h: a program started without a shell, talked to through pipes. It gets no
 * descriptor but its own three, an empty signal mask and default signals, except that it
 * ignores the terminal's SIGINT and SIGQUIT: what the user stops is up to us. */
#ifndef REPX_KIT_CHILD_H
#define REPX_KIT_CHILD_H

#include <sys/types.h>

#include "buf.h"
#include "err.h"

/* Which of the three are pipes to us; the others are /dev/null. */
#define REPX_CHILD_IN 1u
#define REPX_CHILD_OUT 2u
#define REPX_CHILD_ERR 4u
/* Those that are no pipe are our own: for a program that talks to the user. SIGINT then
 * reaches it, too. */
#define REPX_CHILD_TERMINAL 8u

struct repx_child {
    pid_t pid;
    int in;       /* a socket, so that send() can be kept from raising SIGPIPE */
    int out, err; /* ours, close-on-exec; -1 when there is no pipe */
};

/* argv ends with NULL; argv[0] is looked up in PATH. REPX_E_NOENT when there is no such
 * program. On failure nothing is left to release. */
int repx_child_start(struct repx_child *child, const char *const *argv, uint32_t how,
                     struct repx_err *err);
/* Has it ended? 1 with *status (exit status, or 128 + signal), 0 not within timeout_ms
 * (-1: wait for ever), -1. After 1 the pid is gone. */
int repx_child_wait(struct repx_child *child, int timeout_ms, int *status,
                    struct repx_err *err);
/* Close the pipes; end it (SIGTERM, SIGKILL after a second) if it still runs. */
void repx_child_end(struct repx_child *child);

/* To its end: output (at most 4 MiB) and the last of standard error, each may be NULL.
 * Past the deadline it is killed: REPX_E_TIMEOUT. Returns 0 whatever *status is. */
int repx_child_run(const char *const *argv, int timeout_ms, struct repx_buf *out,
                   struct repx_buf *errors, int *status, struct repx_err *err);

#endif
