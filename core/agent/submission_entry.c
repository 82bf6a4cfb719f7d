/* SPDX-License-Identifier: MIT */
/* submission_entry.c: a unit that starts, from its claim to the feeding after its end. */
#include "core/agent/submission.h"

struct entry entry_begin(int first)
{
    return (struct entry){.state = ENTRY_BEGIN, .first = first != 0};
}

int entry_over(const struct entry *e)
{
    return e->state >= ENTRY_OVER;
}

enum entry_act entry_next(const struct submission_rules *rules, const struct entry *e)
{
    switch (e->state) {
    case ENTRY_BEGIN:
        return rules->claim ? ENTRY_DO_CLAIM : ENTRY_DO_MEANT;
    case ENTRY_MINE:
        return ENTRY_DO_MEANT;
    case ENTRY_MEANT:
        return ENTRY_DO_WANTED;
    case ENTRY_WANTED:
        return e->first && rules->producers ? ENTRY_DO_PRODUCERS : ENTRY_DO_RUN;
    case ENTRY_READY:
        return ENTRY_DO_RUN;
    case ENTRY_HINDERED:
        return ENTRY_DO_BLOCKED;
    case ENTRY_UNWANTED:
        return ENTRY_DO_CANCELLED;
    case ENTRY_ENDED:
        return ENTRY_DO_FEED;
    case ENTRY_OVER:
    case ENTRY_BROKEN:
        break;
    }
    return ENTRY_DO_NOTHING;
}

/* A unit that is not meant ends as if it had never been. */
static enum entry_state then(enum entry_saw saw, enum entry_state yes,
                             enum entry_state no)
{
    if (saw == ENTRY_SAW_FAILED)
        return ENTRY_BROKEN;
    return saw == ENTRY_SAW_YES ? yes : no;
}

void entry_saw(const struct submission_rules *rules, struct entry *e,
               enum entry_saw saw)
{
    switch (entry_next(rules, e)) {
    case ENTRY_DO_CLAIM:
        e->state = then(saw, ENTRY_MINE, ENTRY_OVER);
        return;
    case ENTRY_DO_MEANT:
        e->state = then(saw, ENTRY_MEANT, ENTRY_OVER);
        return;
    case ENTRY_DO_WANTED:
        e->state = then(saw, ENTRY_WANTED, ENTRY_UNWANTED);
        return;
    case ENTRY_DO_PRODUCERS:
        e->state = then(saw, ENTRY_READY, ENTRY_HINDERED);
        return;
    case ENTRY_DO_RUN:
    case ENTRY_DO_BLOCKED:
    case ENTRY_DO_CANCELLED:
        e->state = ENTRY_ENDED;
        return;
    case ENTRY_DO_FEED:
        e->state = ENTRY_OVER;
        return;
    case ENTRY_DO_NOTHING:
        return;
    }
}
