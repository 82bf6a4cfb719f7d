/* SPDX-License-Identifier: MIT */
/* queue_ask.h: how the scheduler sees our jobs, by one question for all who ask. The answer
 * is kept in S/calls/<scheduler>/.answer, so many verbs, processes and users of one account
 * cost the scheduler one query; and it outlives a question that fails or that the budget
 * does not allow: neither is an answer. */
#ifndef REPX_AGENT_QUEUE_ASK_H
#define REPX_AGENT_QUEUE_ASK_H

#include "core/agent/scheduler_call.h"

#define QUEUE_PERSON_MS 10000 /* so old may an answer be for who looks once */
#define QUEUE_WATCH_MS 40000  /* and for who looks all the time */
#define QUEUE_LOCAL_MS 0      /* our own queue is asked each time */

struct queue {
    int64_t t;        /* ms since 1970, of the scheduler's last answer; 0: never */
    json_t *rows;     /* "KEY/INDEX", "KEY/" (the rest of an array), "KEY": row */
    uint64_t seen[3]; /* the answer file that was read: inode, seconds, nanoseconds */
    char *error;      /* why it could not be asked again just now, or NULL */
    int64_t next;     /* not allowed yet: ms until it is; else 0 */
};

/* The last answer when it is at most max_age_ms old, else a new one if that can be had. */
void queue_ask(struct scheduler *s, int64_t max_age_ms, struct queue *q);
void queue_free(struct queue *q);

/* The row that speaks for an index of KEY (-1: for the whole unit), or NULL. */
const json_t *queue_row(const struct queue *q, const char *key, int64_t index);
/* Does "3-7,9" hold this index? */
int queue_holds(const char *indices, int64_t index);

/* Why a job waits that has a row in the queue: the scheduler's word, or why it was put back
 * (`recorded`, NULL: it was not) where that tells more. */
const char *queue_word(const char *recorded, const char *word);

/* Is it gone from the queue, by that state (REPX_STATE_*)? */
int queue_over(uint32_t state);

/* Rows of units that ended since `since_s`, from the scheduler's accounts, into q->rows
 * wherever no row of the queue tells more. REPX_E_UNSUPPORTED: there are none here. */
int queue_ask_ended(struct scheduler *s, int64_t since_s, struct queue *q,
                    struct repx_err *err);

#endif
