/* SPDX-License-Identifier: MIT */
#include "core/agent/truth.h"

#include <stddef.h>
#include <string.h>

#include <repx/scheduler.h>

#include "core/agent/state.h"

static int is(const char *word, const char *want)
{
    return word && strcmp(word, want) == 0;
}

/* It is in the queue. */
static struct truth waits_or_runs(const struct testimony *t)
{
    if (t->state == REPX_STATE_PENDING && is(t->word, "DependencyNeverSatisfied"))
        return (struct truth){TRUTH_NEVER, "dependency never satisfied", "queue"};
    if (t->state == REPX_STATE_PENDING && t->started)
        return (struct truth){TRUTH_REQUEUED, "requeued", "queue"};
    return (struct truth){TRUTH_AS_RECORDED, NULL, "records"};
}

/* How it ended, as the scheduler tells; NULL: it does not. */
static const char *scheduler_reason(const struct testimony *t)
{
    switch (t->state) {
    case REPX_STATE_TIMEOUT:
        return "timed out";
    case REPX_STATE_MEMORY:
        return "out of memory";
    case REPX_STATE_NODE:
        return "node failure";
    case REPX_STATE_CANCELED:
        return is(t->word, "preempted") ? "preempted" : NULL;
    default:
        return NULL;
    }
}

/* Cancelled, and not because of a dependency or to make room. What was cancelled while it
 * waited for others has that word, too: but then nothing they did is why. */
static int by_hand(const struct testimony *t)
{
    if (t->state != REPX_STATE_CANCELED || is(t->word, "preempted"))
        return 0;
    return !is(t->word, "dependency") || t->fed || t->gone_ms >= t->lost_ms;
}

/* By hand, or by repx before it started: were it to come, it would find the mark before its
 * script runs. */
static int was_cancelled(const struct testimony *t)
{
    return by_hand(t) || (t->marked && !t->started && !t->state);
}

struct truth truth_of(const struct testimony *t)
{
    const char *reason = scheduler_reason(t);

    if (t->gone_ms < 0)
        return waits_or_runs(t);
    /* nobody will write anything about what never started */
    if (by_hand(t) && !t->started) {
        return (struct truth){TRUTH_CANCELLED,
                              t->marked ? "cancelled" : CANCELLED_OUTSIDE, "queue"};
    }
    if (t->gone_ms < TRUTH_SAID_MS && t->gone_ms < t->lost_ms)
        return (struct truth){TRUTH_WAIT, NULL, "records"};
    if (reason)
        return (struct truth){TRUTH_LOST, reason, "queue"};
    if (t->said && !t->said_may_return)
        return (struct truth){TRUTH_LOST, t->said, "daemon"};
    if (was_cancelled(t)) {
        return (struct truth){TRUTH_CANCELLED,
                              t->marked ? "cancelled" : CANCELLED_OUTSIDE, "queue"};
    }
    /* of what may come again the queue has to say that it does not */
    const char *said = is(t->said, "requeued") ? NULL : t->said;
    if (said && t->state)
        return (struct truth){TRUTH_LOST, said, "daemon"};
    if (t->gone_ms < t->lost_ms)
        return (struct truth){TRUTH_WAIT, NULL, "records"};
    if (said)
        return (struct truth){TRUTH_LOST, said, "daemon"};
    if (t->state == REPX_STATE_FAILED && !t->started) {
        return (struct truth){TRUTH_LOST, "not started: the scheduler says it failed",
                              "queue"};
    }
    return (struct truth){TRUTH_LOST, TRUTH_NOBODY, "nobody"};
}
