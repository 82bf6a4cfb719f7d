/* SPDX-License-Identifier: MIT */
/* call_own.h: a call, for call.c (its beginning, answers and end) and call_child.c. */
#ifndef REPX_AGENT_CALL_OWN_H
#define REPX_AGENT_CALL_OWN_H

#include "core/agent/session.h"

/* A worker's process: `out` carries response data, `result` its answer. */
struct child {
    pid_t pid; /* 0: none */
    int out, result;
    int ended, status;
    int outlives; /* the session */
    struct repx_buf answer;
};

struct call {
    struct agent_session *session;
    uint32_t stream;
    const struct verb *verb;
    void *own;
    int dropped; /* verb->drop was called */
    int replied; /* code, text and fields wait for the data before them */
    int done;    /* nothing more for the client */
    int32_t code;
    char *text;
    struct repx_buf fields;
    struct repx_buf pending; /* data that found no room yet */
    size_t pending_at;
    struct child child;
    struct call *next;
};

/* The answer, once; it leaves when the data before it has. */
void call_answer(struct call *c, int32_t code, const char *text, const void *fields,
                 size_t n);

/* ---- call_child.c ---- */

/* Relay what the worker wrote; when it has ended and all is read, its answer. */
void child_sweep(struct call *c);
void child_stop(struct child *child);
void child_free(struct child *child);

#endif
