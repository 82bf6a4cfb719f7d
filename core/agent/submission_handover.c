/* SPDX-License-Identifier: MIT */
/* submission_handover.c: one unit on its way to the scheduler. */
#include "core/agent/submission.h"

struct handover handover_begin(size_t array)
{
    return (struct handover){.state = HANDOVER_PLANNED, .array = array};
}

int handover_over(const struct handover *h)
{
    return h->state >= HANDOVER_QUEUED;
}

int handover_may_shelve(const struct handover *h)
{
    return h->state <= HANDOVER_HELD;
}

void handover_shelve(struct handover *h)
{
    h->shelved = 1;
    h->state = HANDOVER_NO_ROOM;
}

enum handover_act handover_next(const struct submission_rules *rules,
                                const struct handover *h)
{
    switch (h->state) {
    case HANDOVER_PLANNED:
        return HANDOVER_DO_INTEND;
    case HANDOVER_INTENDED:
        return HANDOVER_DO_PREPARE;
    case HANDOVER_PREPARED:
        return rules->lease ? HANDOVER_DO_HOLD : HANDOVER_DO_SUBMIT;
    case HANDOVER_HELD:
        return HANDOVER_DO_SUBMIT;
    case HANDOVER_DOUBT:
        return rules->look_up ? HANDOVER_DO_LOOK_UP : HANDOVER_DO_SUBMIT;
    case HANDOVER_PAUSE:
        return HANDOVER_DO_WAIT;
    case HANDOVER_FORLORN:
        return HANDOVER_DO_VOID;
    case HANDOVER_KNOWN:
        return rules->claim ? HANDOVER_DO_CLAIM : HANDOVER_DO_RECORD;
    case HANDOVER_SURPLUS:
        return HANDOVER_DO_WITHDRAW;
    case HANDOVER_CLAIMED:
    case HANDOVER_NO_ROOM:
    case HANDOVER_NOT_WANTED:
    case HANDOVER_GIVEN_UP:
        return HANDOVER_DO_RECORD;
    case HANDOVER_QUEUED:
    case HANDOVER_SPLIT:
    case HANDOVER_LATER:
    case HANDOVER_REFUSED:
    case HANDOVER_VOID:
    case HANDOVER_STOPPED:
        break;
    }
    return HANDOVER_DO_NOTHING;
}

static enum handover_state after_submit(enum handover_saw saw)
{
    if (saw == HANDOVER_SAW_ACCEPTED)
        return HANDOVER_KNOWN;
    if (saw == HANDOVER_SAW_REFUSED)
        return HANDOVER_NOT_WANTED;
    if (saw == HANDOVER_SAW_ROOM)
        return HANDOVER_NO_ROOM;
    if (saw == HANDOVER_SAW_NOT_TRIED)
        return HANDOVER_PREPARED;
    return HANDOVER_DOUBT; /* whatever else: it may be there */
}

/* A question that failed says nothing; after several of them nobody knows, and the key
 * stays as it is for whoever comes next. */
static enum handover_state after_look(const struct submission_rules *rules,
                                      struct handover *h, enum handover_saw saw)
{
    if (saw == HANDOVER_SAW_FOUND)
        return HANDOVER_KNOWN;
    if (saw == HANDOVER_SAW_ABSENT) {
        h->failures = 0;
        if (++h->looks < HANDOVER_LOOKS)
            return HANDOVER_PAUSE;
        return rules->claim ? HANDOVER_FORLORN : HANDOVER_GIVEN_UP;
    }
    return ++h->failures < HANDOVER_LOOKS ? HANDOVER_PAUSE : HANDOVER_STOPPED;
}

static enum handover_state after_claim(struct handover *h, enum handover_saw saw)
{
    if (saw == HANDOVER_SAW_OK || saw == HANDOVER_SAW_CLAIM_SAME)
        return HANDOVER_CLAIMED;
    if (saw != HANDOVER_SAW_CLAIM_OTHER && saw != HANDOVER_SAW_CLAIM_VOID)
        return HANDOVER_STOPPED;
    h->instead = saw == HANDOVER_SAW_CLAIM_OTHER;
    return HANDOVER_SURPLUS;
}

static enum handover_state after_void(enum handover_saw saw)
{
    if (saw == HANDOVER_SAW_CLAIM_OTHER)
        return HANDOVER_CLAIMED; /* the job has started meanwhile: so it is there */
    return saw == HANDOVER_SAW_OK || saw == HANDOVER_SAW_CLAIM_VOID ? HANDOVER_GIVEN_UP
                                                                    : HANDOVER_STOPPED;
}

/* What was done is written down: what is it then? */
static enum handover_state recorded(const struct handover *h)
{
    if (h->state == HANDOVER_NO_ROOM)
        return h->array > 1 && !h->shelved ? HANDOVER_SPLIT : HANDOVER_LATER;
    if (h->state == HANDOVER_NOT_WANTED)
        return HANDOVER_REFUSED;
    return h->state == HANDOVER_GIVEN_UP ? HANDOVER_VOID : HANDOVER_QUEUED;
}

static enum handover_state then(enum handover_saw saw, enum handover_state next)
{
    return saw == HANDOVER_SAW_OK ? next : HANDOVER_STOPPED;
}

void handover_saw(const struct submission_rules *rules, struct handover *h,
                  enum handover_saw saw)
{
    switch (handover_next(rules, h)) {
    case HANDOVER_DO_INTEND:
        h->state = then(saw, HANDOVER_INTENDED);
        return;
    case HANDOVER_DO_PREPARE:
        h->state = then(saw, HANDOVER_PREPARED);
        return;
    case HANDOVER_DO_HOLD:
        h->state = then(saw, HANDOVER_HELD);
        return;
    case HANDOVER_DO_SUBMIT:
        h->state = after_submit(saw);
        return;
    case HANDOVER_DO_LOOK_UP:
        h->state = after_look(rules, h, saw);
        return;
    case HANDOVER_DO_WAIT:
        h->state = HANDOVER_DOUBT;
        return;
    case HANDOVER_DO_CLAIM:
        h->state = after_claim(h, saw);
        return;
    case HANDOVER_DO_VOID:
        h->state = after_void(saw);
        return;
    case HANDOVER_DO_WITHDRAW: /* one that could not be is fenced by the claim all the same */
        h->state = h->instead ? HANDOVER_CLAIMED : HANDOVER_GIVEN_UP;
        return;
    case HANDOVER_DO_RECORD:
        h->state = then(saw, recorded(h));
        return;
    case HANDOVER_DO_NOTHING:
        return;
    }
}
