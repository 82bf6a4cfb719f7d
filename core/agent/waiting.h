/* SPDX-License-Identifier: MIT */
/* waiting.h: runs of which a part waits for room in the scheduler, S/waiting/<run>. */
#ifndef REPX_AGENT_WAITING_H
#define REPX_AGENT_WAITING_H

#include "core/agent/agent.h"

struct waiting {
    int64_t jobs;     /* how many wait */
    int64_t t;        /* since when that is known */
    int64_t next;     /* nobody tries again before */
    char *reason;     /* what the scheduler said */
    char *feeder;     /* key of the feeder job; "" without */
    int needs_client; /* compute nodes may not submit: an attached client has to */
};

/* 1 with *w filled in, 0 when the run waits for nothing. waiting_finish in either case. */
int waiting_read(struct site *site, const char *run, struct waiting *w);
void waiting_finish(struct waiting *w);
/* Replaces the record. */
int waiting_write(struct site *site, const char *run, const struct waiting *w,
                  struct repx_err *err);
/* Nothing of it waits any more: the record goes, and the requests. */
void waiting_clear(struct site *site, const char *run);
/* The runs that wait: calls `each` until that is not 0; returns what it was last. */
int waiting_each(struct site *site, int (*each)(void *ctx, const char *run), void *ctx);

/* A scatter is done, and it may not submit its branches, or there was no room for all of
 * them: whoever feeds the run is to. */
int request_leave(struct site *site, const char *run, size_t job, struct repx_err *err);
void request_take(struct site *site, const char *run, size_t job);
int request_there(struct site *site, const char *run, size_t job);
/* Calls `each` for the jobs of a run for which a request is there. */
void request_each(struct site *site, const char *run,
                  void (*each)(void *ctx, size_t job), void *ctx);

/* A wish: whoever has the lease looks again before it goes. */
void wish_leave(struct site *site, const char *run);
void wish_take(struct site *site, const char *run);
int wish_there(struct site *site, const char *run);

#endif
