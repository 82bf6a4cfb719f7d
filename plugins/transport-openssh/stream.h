/* SPDX-License-Identifier: MIT */
/* stream.h: one command is one ssh: its pipes are the stream. */
#ifndef REPX_OPENSSH_STREAM_H
#define REPX_OPENSSH_STREAM_H

#include <kit/child.h>

#include "openssh.h"

#define SSH_FAILED 255 /* ssh's own exit status for a connection that failed */

struct stream {
    struct openssh *o;
    struct stream *next;
    struct repx_child child;
    int ended, status;
    int logged_in;
    struct repx_buf
        said; /* the last of standard error, where ssh says what went wrong */
};

#endif
