/* SPDX-License-Identifier: MIT */
/* link.h: a host and a child process with transport-local, for tests of sessions. */
#ifndef REPX_TEST_LINK_H
#define REPX_TEST_LINK_H

#include <repx/transport.h>

#include "core/target/session.h"

struct link {
    const struct repx_transport_ops *ops;
    void *transport, *stream;
};

/* The host's state: the user's wish to stop, and the last line that was logged. */
extern const struct repx_host link_host;
extern char link_logged[1024];
void link_cancel(int wish);

/* Start a command; ends the program when that fails, since nothing can be tested then. */
void link_start(struct link *l, const char *command);
void link_end(struct link *l);
/* A session of the tests' agent, or NULL. */
struct session *link_session(struct link *l, const char *command, struct repx_err *err);

#endif
