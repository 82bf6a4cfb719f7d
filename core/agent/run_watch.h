/* SPDX-License-Identifier: MIT */
/* run_watch.h: what the parts of watching a run share (run_watch*.c only). */
#ifndef REPX_AGENT_RUN_WATCH_H
#define REPX_AGENT_RUN_WATCH_H

#include "core/agent/queue_ask.h"
#include "core/agent/state.h"

/* The unit that stands for a job, and since when nobody knows it. */
struct watched {
    char key[27];      /* "" until submitted */
    int by_scatter;    /* the key is its scatter's: no gather of it is known */
    int64_t index;     /* within an array of jobs, else -1 */
    char *taken;       /* run that works on it, or NULL */
    int64_t submitted; /* t of that event */
    int64_t ran;       /* our clock when its start was seen; 0: it does not run */
    int64_t gone;      /* ms since 1970 since when the queue lacks it, 0: it has it */
    uint32_t state;    /* REPX_STATE_* of the last answer; 0: no row */
    char *word;        /* the scheduler's own for it, or NULL */
    char *by;          /* who cancelled it, as accounts tell; or NULL */
    int64_t unasked; /* t of its LOST, told while no accounts could be asked; else 0 */
    json_t *steps;   /* the units of its branches, {"id", "key"}, or NULL */
};

struct watch {
    struct site *site;
    struct run *run;
    struct event_reader *reader;
    struct run_state state;
    struct watched *jobs;
    struct scheduler scheduler;
    struct queue queue; /* the scheduler's last answer */
    int64_t compared;   /* t of the answer that the jobs were compared with */
    int64_t taken_at;   /* monotonic, when jobs of other runs were looked at */
    int64_t accounts;   /* monotonic, when the accounts may be asked again; -1: none */
    int64_t told; /* ms since 1970, when they were asked and answered; 0: not yet */
    int has_scheduler;
    int is_local;
    int64_t skip; /* event lines that the caller has */
    int out, broken;
    size_t silent; /* jobs without any event */
};

/* Read new events, and derive what follows from them. Returns how many came, or -1. */
int64_t watch_poll(struct watch *w, struct repx_err *err);

/* ---- run_watch_lost.c ---- */
/* See how the scheduler sees all that has not ended, by an answer of at most that age if
 * one can be had, and write ends that nobody else can (docs/truth.md). */
int watch_lost(struct watch *w, int64_t max_age_ms, struct repx_err *err);
/* How a job that left the queue ended, as far as anybody knows; static, or the job's. */
const char *watch_reason(struct watch *w, size_t i);

/* ---- run_watch_accounts.c ---- */
/* Ask the accounts about what left the queue unexplained, not too often. */
void watch_accounts(struct watch *w);
/* Write who cancelled what was cancelled outside repx, and how ended what was LOST while
 * the accounts did not answer, as far as they tell by now. Returns how many of those are
 * left that they may still tell, or -1. */
int64_t watch_explain(struct watch *w, struct repx_err *err);
/* There may be accounts, and they have not answered since the job left the queue. */
int watch_unasked(const struct watch *w, size_t i);

/* ---- run_watch_taken.c ---- */
/* Look at jobs that another run works on. */
int watch_taken(struct watch *w, struct repx_err *err);
/* The other run's work on it is over (or given up): take its result as ours; or follow the
 * run that works on it now. */
int taken_end(struct watch *w, size_t i, const json_t *plan, struct repx_err *err);

/* ---- run_watch.c ---- */
/* Once, without waiting: what a watcher would find out now, written down. Does nothing
 * where we may not write. Nobody needs to know when it fails: nothing was learnt then. */
void run_look(struct site *site, const char *run_id, int64_t max_age_ms);

#endif
