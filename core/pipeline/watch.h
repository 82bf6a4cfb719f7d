/* SPDX-License-Identifier: MIT */
/* watch.h: the events of a run as they come from the target. */
#ifndef REPX_PIPELINE_WATCH_H
#define REPX_PIPELINE_WATCH_H

#include "core/pipeline/pipeline.h"

/* One event line (docs/state-format.md section 4). Texts are valid during the call. */
struct run_event {
    const char *name;   /* "start", "end", ... */
    size_t index;       /* in the plan */
    const char *job;    /* its id */
    const char *phase;  /* "main", "scatter", "gather", "step-X" */
    int64_t branch;     /* -1: none */
    const char *id;     /* scheduler's, or "" */
    const char *reason; /* or "" */
    int64_t pid, array, ms, exit;
    int ok;
    int64_t by; /* blocked: index of the producer, or -1 */
};

/* A reader of event lines that come in pieces. */
struct event_stream {
    struct pipeline *p;
    struct repx_buf line;
};
/* The data callback of session_call; ctx is a struct event_stream. */
int event_stream_data(void *ctx, const void *bytes, size_t n, struct repx_err *err);
void event_stream_finish(struct event_stream *s);

/* Follow p->run to its end. Cancels it, or leaves it, when the listener says so. */
int watch_run(struct pipeline *p, struct repx_err *err);

#endif
