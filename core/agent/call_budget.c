/* SPDX-License-Identifier: MIT */
#include "core/agent/call_budget.h"

#define WHOLE 1000 /* a question, in the unit of the account */

/* The account: it fills with time, up to a burst. */
struct account {
    int64_t units, at;
    int level;
};

static int64_t every(const struct account *a)
{
    return (int64_t)BUDGET_EVERY_MS << a->level;
}

static void fill(struct account *a, int64_t now)
{
    int64_t span = now > a->at ? now - a->at : 0;
    const int64_t most = (int64_t)BUDGET_BURST * WHOLE;

    if (span >= every(a) * BUDGET_BURST) {
        a->units = most;
    } else {
        a->units += span * WHOLE / every(a);
    }
    a->units = a->units < most ? a->units : most;
    a->at = now > a->at ? now : a->at;
}

static void take(struct account *a, const struct budget_call *c)
{
    int64_t cost = c->cost < 0 ? 0 : c->cost > BUDGET_BURST ? BUDGET_BURST : c->cost;

    fill(a, c->t);
    int64_t least = c->must ? (int64_t)BUDGET_KEPT * WHOLE : 0;
    least = least < a->units ? least : a->units;
    a->units -= cost * WHOLE;
    a->units = a->units > least ? a->units : least;
    if (c->beside)
        return;
    if (c->timed_out) {
        a->level += a->level < BUDGET_LEVEL_MAX;
    } else {
        a->level -= a->level > 0;
    }
}

struct budget budget_of(const struct budget_call *calls, size_t count, int64_t now)
{
    struct account a = {(int64_t)BUDGET_BURST * WHOLE, 0, 0};
    struct budget b = {0};
    int64_t pause_until = 0;

    for (size_t i = 0; i < count; i++) {
        int64_t age = now - calls[i].t;
        if (age > BUDGET_SPAN_MS || age < -BUDGET_SPAN_MS)
            continue; /* long ago, or of a clock that is far off */
        take(&a, calls + i);
        b.minute += age <= 60000 ? calls[i].cost : 0;
        b.ten += age <= 600000 ? calls[i].cost : 0;
        if (calls[i].beside)
            continue;
        b.silent = calls[i].timed_out;
        pause_until = calls[i].timed_out
                          ? calls[i].t + ((int64_t)BUDGET_PAUSE_MS << (a.level - 1))
                          : 0;
    }
    fill(&a, now);
    b.level = a.level;
    b.every_ms = every(&a);
    b.left = a.units / WHOLE;
    if (b.left == 0)
        b.wait_ms = (WHOLE - a.units) * every(&a) / WHOLE;
    if (pause_until - now > b.wait_ms)
        b.wait_ms = pause_until - now;
    if (b.wait_ms > 0)
        b.left = 0;
    return b;
}
