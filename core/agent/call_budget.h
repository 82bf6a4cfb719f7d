/* SPDX-License-Identifier: MIT */
/* call_budget.h: how often the scheduler may be asked. Pure: from the calls that were made,
 * and the time. */
#ifndef REPX_AGENT_CALL_BUDGET_H
#define REPX_AGENT_CALL_BUDGET_H

#include <stddef.h>
#include <stdint.h>

#define BUDGET_BURST 10       /* questions at once, after a rest */
#define BUDGET_KEPT 3         /* of these, work that has to be done takes none */
#define BUDGET_EVERY_MS 30000 /* and then one more each so long */
#define BUDGET_PAUSE_MS \
    10000                  /* after a time-out; twice as long after each further one */
#define BUDGET_LEVEL_MAX 4 /* as often things are doubled at most */
#define BUDGET_SPAN_MS 1800000 /* calls that are older do not count */

/* One call of a helper that was made. */
struct budget_call {
    int64_t t;     /* when it ended, ms */
    int64_t cost;  /* commands that it ran */
    int timed_out; /* no answer came in time */
    int must;      /* no question: it submitted, cancelled, looked a key up */
    int beside; /* not answered by the controller (accounts): tells nothing of its pace */
};

struct budget {
    int64_t left;     /* questions that may be asked now */
    int64_t wait_ms;  /* until one may be, 0: now */
    int64_t every_ms; /* how long one more takes, as of now */
    int level;        /* how often the pace was halved because of time-outs */
    int silent;       /* the last call got no answer in time */
    int64_t minute;   /* commands within the last minute, and the last ten */
    int64_t ten;
};

/* calls in the order of time. What must be done (submitting, cancelling, looking a key up)
 * is never refused, but uses up what questions have, all but a few. */
struct budget budget_of(const struct budget_call *calls, size_t count, int64_t now);

#endif
