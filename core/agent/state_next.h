/* SPDX-License-Identifier: MIT */
/* state_next.h: who works on a job after the one that does now, with other work keys, one
 * after the other; and the tables of arrays as a whole. */
#ifndef REPX_AGENT_STATE_NEXT_H
#define REPX_AGENT_STATE_NEXT_H

#include "core/agent/state_live_own.h"

/* Who works on a job, or is to when those before him have ended. */
struct worker {
    struct live_text who;
    char *place; /* of the link, below S */
    char *twin;  /* where it is, too, since who moved it forward died; or NULL */
    int waits;   /* not in S/live */
};

struct workers {
    struct worker *items;
    size_t count;
};

/* All of a job's, in their order. workers_free in any case. */
int workers_read(struct site *site, const char *job, struct workers *w,
                 struct repx_err *err);
void workers_free(struct workers *w);

/* Wait behind all that are there. Only under the feed lease. */
int next_add(struct site *site, const char *job, const struct live_link *who,
             struct repx_err *err);
/* It is the turn of one that waits, since the scheduler starts it when all before it have
 * ended: S/live names it from now on. key NULL: any of the run's. 1 when it waited. */
int next_begin(struct site *site, const char *job, const char *run, const char *key);
/* Does the unit of that key wait? */
int next_waits(struct site *site, const char *job, const char *key);
/* Whoever is first in S/behind comes to S/next when nobody is there. */
void next_fill(struct site *site, const char *job);
/* That run (and key, unless that is NULL) waits no more. Returns how many did. */
size_t next_clear(struct site *site, const char *job, const char *run, const char *key);
/* Nor does it work on the job: as live_clear. 1 when it had to do with it. */
int job_leave(struct site *site, const char *job, const char *run, const char *key);

/* Jobs in KEY's table, 0 when it has none (state_array.c). */
size_t array_count(struct site *site, const char *key);

#endif
