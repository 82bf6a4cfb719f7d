/* SPDX-License-Identifier: MIT */
/* submission_feeder.c: one process that feeds one run.
 *
 * A wish is left before the lease is tried and looked for after it was dropped: so whoever
 * finds the lease taken may go, since its holder looks once more. */
#include "core/agent/submission.h"

struct feeder feeder_begin(enum feeder_who who, int nodes)
{
    return (struct feeder){.state = FEEDER_BEGIN, .who = who, .nodes = nodes != 0};
}

int feeder_over(const struct feeder *f)
{
    return f->state >= FEEDER_OVER;
}

static int is_node(const struct feeder *f)
{
    return f->who == FEEDER_JOB || f->who == FEEDER_BACKSTOP;
}

enum feeder_act feeder_next(const struct submission_rules *rules,
                            const struct feeder *f)
{
    static const enum feeder_act acts[] = {
        [FEEDER_BEGIN] = FEEDER_DO_LOOK,      [FEEDER_WISH] = FEEDER_DO_WISH,
        [FEEDER_TRY] = FEEDER_DO_LEASE,       [FEEDER_HAVE] = FEEDER_DO_UNWISH,
        [FEEDER_KNOW] = FEEDER_DO_KNOW,       [FEEDER_GUARD] = FEEDER_DO_BACKSTOP,
        [FEEDER_GIVE] = FEEDER_DO_GIVE,       [FEEDER_KEEP] = FEEDER_DO_KEEP,
        [FEEDER_LEAVE] = FEEDER_DO_LEAVE,     [FEEDER_GLANCE] = FEEDER_DO_GLANCE,
        [FEEDER_REST] = FEEDER_DO_WAIT,       [FEEDER_OVER] = FEEDER_DO_NOTHING,
        [FEEDER_STOPPED] = FEEDER_DO_NOTHING,
    };

    if (f->state == FEEDER_TRY && !rules->lease)
        return FEEDER_DO_UNWISH;
    if (f->state == FEEDER_LEAVE && !rules->lease)
        return FEEDER_DO_GLANCE;
    return acts[f->state];
}

static enum feeder_state failed(struct feeder *f, enum feeder_state next)
{
    f->failed = 1;
    return next;
}

static enum feeder_state after_lease(struct feeder *f, enum feeder_saw saw)
{
    if (saw == FEEDER_SAW_OK)
        return FEEDER_HAVE;
    if (saw != FEEDER_SAW_BUSY || (f->who == FEEDER_CLIENT && f->rounds == 0))
        return FEEDER_STOPPED;
    return f->who == FEEDER_BACKSTOP ? FEEDER_REST : FEEDER_OVER;
}

static enum feeder_state after_know(struct feeder *f, enum feeder_saw saw)
{
    f->left = f->some = f->guarded = f->placed = f->alone = 0;
    if (saw == FEEDER_SAW_NONE)
        return FEEDER_KEEP;
    if (saw == FEEDER_SAW_MORE)
        return f->nodes ? FEEDER_GUARD : FEEDER_GIVE;
    return saw == FEEDER_SAW_FITS ? FEEDER_GIVE : failed(f, FEEDER_LEAVE);
}

static enum feeder_state after_guard(struct feeder *f, enum feeder_saw saw)
{
    f->guarded = 1;
    f->placed = saw == FEEDER_SAW_OK;
    if (saw != FEEDER_SAW_OK && saw != FEEDER_SAW_ROOM) {
        f->left = 1;
        return failed(f, FEEDER_KEEP);
    }
    return f->left ? FEEDER_KEEP : FEEDER_GIVE;
}

static enum feeder_state after_give(struct feeder *f, enum feeder_saw saw)
{
    f->left = saw != FEEDER_SAW_NONE;
    f->alone = saw == FEEDER_SAW_ALONE;
    f->some = saw == FEEDER_SAW_MORE || saw == FEEDER_SAW_NONE;
    if (f->left && saw != FEEDER_SAW_MORE && saw != FEEDER_SAW_ROOM && !f->alone)
        return failed(f, FEEDER_KEEP);
    return f->left && f->nodes && !f->guarded ? FEEDER_GUARD : FEEDER_KEEP;
}

/* Is it this process that must go on, since nobody else would? */
static int must_stay(const struct feeder *f)
{
    if (f->who == FEEDER_BACKSTOP)
        return f->failed || (f->left && !(f->some && f->placed));
    if (f->who == FEEDER_JOB)
        return !f->failed && f->left && f->alone && !f->placed;
    return f->who == FEEDER_CLIENT && !f->failed && f->left && !f->some && !f->placed;
}

static unsigned rounds_of(const struct feeder *f)
{
    if (f->who == FEEDER_BACKSTOP || must_stay(f))
        return FEEDER_BACKSTOP_ROUNDS;
    return f->who == FEEDER_CLIENT ? FEEDER_CLIENT_ROUNDS : FEEDER_ROUNDS;
}

static enum feeder_state after_glance(struct feeder *f, enum feeder_saw saw)
{
    int stay = must_stay(f);

    f->rounds++;
    if (f->failed && (!stay || f->rounds >= rounds_of(f)))
        return FEEDER_STOPPED;
    if (f->rounds >= rounds_of(f))
        return FEEDER_OVER;
    if (saw == FEEDER_SAW_YES && !f->failed)
        return FEEDER_TRY;
    f->failed = 0;
    return stay ? FEEDER_REST : FEEDER_OVER;
}

/* What a first look tells; a session that submits and the feeder job need none. */
static enum feeder_state after_look(const struct feeder *f, enum feeder_saw saw)
{
    if (is_node(f) && !f->nodes)
        return FEEDER_OVER;
    if (f->who == FEEDER_CLIENT || f->who == FEEDER_BACKSTOP)
        return FEEDER_TRY;
    return saw == FEEDER_SAW_YES ? FEEDER_WISH : FEEDER_OVER;
}

void feeder_saw(const struct submission_rules *rules, struct feeder *f,
                enum feeder_saw saw)
{
    switch (feeder_next(rules, f)) {
    case FEEDER_DO_LOOK:
        f->state = after_look(f, saw);
        return;
    case FEEDER_DO_WISH:
        f->state = FEEDER_TRY;
        return;
    case FEEDER_DO_LEASE:
        f->state = after_lease(f, saw);
        return;
    case FEEDER_DO_UNWISH:
        f->state = FEEDER_KNOW;
        return;
    case FEEDER_DO_KNOW:
        f->state = after_know(f, saw);
        return;
    case FEEDER_DO_BACKSTOP:
        f->state = after_guard(f, saw);
        return;
    case FEEDER_DO_GIVE:
        f->state = after_give(f, saw);
        return;
    case FEEDER_DO_KEEP:
        f->state = FEEDER_LEAVE;
        return;
    case FEEDER_DO_LEAVE:
        f->state = FEEDER_GLANCE;
        return;
    case FEEDER_DO_GLANCE:
        f->state = after_glance(f, saw);
        return;
    case FEEDER_DO_WAIT:
        f->state = saw == FEEDER_SAW_BUSY ? FEEDER_OVER : FEEDER_TRY;
        return;
    case FEEDER_DO_NOTHING:
        return;
    }
}
