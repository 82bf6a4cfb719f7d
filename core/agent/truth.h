/* SPDX-License-Identifier: MIT */
/* truth.h: how a job is, from what several witnesses say (docs/truth.md). Pure.
 *
 * Records come first: what the job's own supervisor wrote, and what was derived from it.
 * Then the queue together with the controller's memory, which one query answers. Then what
 * the scheduler's daemon wrote into the unit's output. Then accounts. A witness who could
 * not be asked says nothing. */
#ifndef REPX_AGENT_TRUTH_H
#define REPX_AGENT_TRUTH_H

#include <stdint.h>

#define TRUTH_SAID_MS 5000   /* records of another node may be that late, cause known */
#define TRUTH_LOST_MS 120000 /* and that late at most (NFS) */
#define TRUTH_LOST_LOCAL_MS 2000 /* on this machine */
#define TRUTH_NOBODY "LOST"      /* reason of an end that nobody knows anything of */

/* What the witnesses say of a job that has no end in the records. */
struct testimony {
    int started;         /* records: its supervisor wrote that it runs */
    uint32_t state;      /* queue or accounts: REPX_STATE_*, 0: they do not know it */
    const char *word;    /* theirs beside it, or NULL */
    const char *by;      /* who cancelled it, or NULL */
    const char *said;    /* the daemon's: a fixed word, or NULL */
    int said_may_return; /* that word tells that it may come again */
    int marked;          /* a user of repx cancelled it */
    int fed;             /* records: all that it waits for has succeeded */
    int64_t
        gone_ms; /* since when the queue lacks it as something that goes on; -1: it has it */
    int64_t lost_ms; /* how long records may take */
};

#define TRUTH_AS_RECORDED 1 /* what the records say holds; nothing is to be written */
#define TRUTH_REQUEUED 2    /* it waits again */
#define TRUTH_NEVER 3       /* it waits for something that never comes */
#define TRUTH_CANCELLED 4   /* ended, by whoever */
#define TRUTH_LOST 5        /* ended, without a record; reason tells how */
#define TRUTH_WAIT 6        /* gone; its record may still come */

struct truth {
    int verdict;        /* TRUTH_* */
    const char *reason; /* of an end; static, or one of the testimony's */
    const char *source; /* "queue", "daemon" or "accounts"-like: who settled it */
};

struct truth truth_of(const struct testimony *t);

#endif
