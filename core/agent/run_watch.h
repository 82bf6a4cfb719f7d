/* SPDX-License-Identifier: MIT */
/* run_watch.h: what the parts of watching a run share (run_watch*.c only). */
#ifndef REPX_AGENT_RUN_WATCH_H
#define REPX_AGENT_RUN_WATCH_H

#include "core/agent/scheduler_call.h"
#include "core/agent/state.h"

/* The unit that stands for a job, and since when nobody knows it. */
struct watched {
    char key[27];       /* "" until submitted */
    int64_t index;      /* within an array of jobs, else -1 */
    char *taken;        /* run that works on it, or NULL */
    int64_t gone_since; /* monotonic; 0: it is there */
    uint32_t state;     /* REPX_STATE_* of the last answer; 0: no row */
    int dependency;     /* cancelled because of one */
    json_t *steps;      /* ids of the units of its branches, or NULL */
};

struct watch {
    struct site *site;
    struct run *run;
    struct event_reader *reader;
    struct run_state state;
    struct watched *jobs;
    struct scheduler scheduler;
    int has_scheduler;
    int is_local;
    int64_t skip; /* event lines that the caller has */
    int out, broken;
    size_t silent; /* jobs without any event */
};

/* Read new events, and derive what follows from them. Returns how many came, or -1. */
int64_t watch_poll(struct watch *w, struct repx_err *err);

/* ---- run_watch_lost.c ---- */
/* Ask the scheduler about all that has not ended, and write `lost` or `cancelled` for
 * units that are gone without an end for longer than may be. */
int watch_lost(struct watch *w, struct repx_err *err);
/* Look at jobs that another run works on. */
int watch_taken(struct watch *w, struct repx_err *err);

#endif
