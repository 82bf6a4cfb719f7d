/* SPDX-License-Identifier: MIT */
/* submit_feed.h: the feeder job, which goes on with a run when all its other jobs in the
 * scheduler ended without doing so (submit*.c only). */
#ifndef REPX_AGENT_SUBMIT_FEED_H
#define REPX_AGENT_SUBMIT_FEED_H

#include "core/agent/submit_own.h"

struct backstop {
    const char *self; /* key of this very process, when it is one; NULL */
    char *key;        /* of the one that is queued; NULL: none */
    char *id;         /* of one that was handed over in this round */
};

/* Will so many jobs find room, as far as is known? */
int submission_fits(struct submission *s, size_t jobs);
/* See to it that a feeder job is queued, another than this one. It follows a job of the
 * run, which is handed over for that if need be. 1, 0 when there is no room for it, -1. */
int backstop_place(struct submission *s, struct backstop *b, struct repx_err *err);
/* One that was handed over in this round follows all that was given since. */
void backstop_amend(struct submission *s, struct backstop *b);
/* Does a run that waits rely on that feeder job? */
int backstop_serves(struct site *site, const char *run, const char *key);
/* Does any besides this one? */
int backstop_shared(struct site *site, const char *run, const char *key);
/* Nothing waits any more: it is not needed, unless another run relies on it. */
void backstop_remove(struct submission *s, struct backstop *b);
void backstop_finish(struct backstop *b);

#endif
