/* SPDX-License-Identifier: MIT */
/* How often the scheduler may be asked, from the calls that were made. */
#include "core/agent/call_budget.h"
#include "tap.h"

#define NOW 1000000000
#define S INT64_C(1000)

static const struct {
    const char *what;
    struct budget_call calls[12];
    size_t count;
    int64_t left, wait_ms, every_ms;
} rows[] = {
    {"nobody asked", {{0}}, 0, 10, 0, 30 * S},
    {"one question", {{NOW - 1 * S, 1, 0}}, 1, 9, 0, 30 * S},
    {"one that cost two commands", {{NOW - 1 * S, 2, 0}}, 1, 8, 0, 30 * S},
    {"one of a minute ago is made up for", {{NOW - 60 * S, 1, 0}}, 1, 10, 0, 30 * S},
    {"a large submission leaves three", {{NOW, 1000, 0, 1}}, 1, 3, 0, 30 * S},
    {"and takes nothing when fewer are left",
     {{NOW, 8, 0, 0}, {NOW, 1000, 0, 1}},
     2,
     2,
     0,
     30 * S},
    {"greedy questions use all up, and no more",
     {{NOW, 1000, 0}},
     1,
     0,
     30 * S,
     30 * S},
    {"half of the wait is over", {{NOW - 15 * S, 10, 0}}, 1, 0, 15 * S, 30 * S},
    {"what is older than half an hour does not count",
     {{NOW - 1801 * S, 10, 1}},
     1,
     10,
     0,
     30 * S},
    {"accounts that do not answer slow nothing down",
     {{NOW, 1, 1, 0, 1}},
     1,
     9,
     0,
     30 * S},
    {"nor does their answer end a pause",
     {{NOW - 1 * S, 1, 1}, {NOW, 1, 0, 0, 1}},
     2,
     0,
     9 * S,
     60 * S},
    {"a time-out: a pause, and half the pace", {{NOW, 1, 1}}, 1, 0, 10 * S, 60 * S},
    {"two of them", {{NOW - 1 * S, 1, 1}, {NOW, 1, 1}}, 2, 0, 20 * S, 120 * S},
    {"an answer afterwards ends the pause and speeds up again",
     {{NOW - 2 * S, 1, 1}, {NOW - 1 * S, 1, 1}, {NOW, 1, 0}},
     3,
     7,
     0,
     60 * S},
    {"the pace has a floor",
     {{NOW, 0, 1}, {NOW, 0, 1}, {NOW, 0, 1}, {NOW, 0, 1}, {NOW, 0, 1}, {NOW, 0, 1}},
     6,
     0,
     80 * S,
     480 * S},
    {"a clock far ahead is not believed", {{NOW + 3601 * S, 10, 1}}, 1, 10, 0, 30 * S},
    {"a cost that is none", {{NOW, -5, 0}}, 1, 10, 0, 30 * S},
};

/* Whoever asks as often as he may for ten minutes. */
static int greedy(int64_t minutes)
{
    static struct budget_call calls[1000];
    size_t n = 0;

    for (int64_t t = NOW; t < NOW + minutes * 60 * S; t += 100) {
        if (budget_of(calls, n, t).wait_ms == 0)
            calls[n++] = (struct budget_call){t, 1, 0};
    }
    return (int)n;
}

int main(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct budget b = budget_of(rows[i].calls, rows[i].count, NOW);
        ok(b.left == rows[i].left && b.wait_ms == rows[i].wait_ms &&
               b.every_ms == rows[i].every_ms,
           "%s: %lld left, %lld ms to wait, one each %lld ms", rows[i].what,
           (long long)b.left, (long long)b.wait_ms, (long long)b.every_ms);
    }
    int ten = greedy(10);
    ok(ten >= 25 && ten <= 30, "all questions of ten minutes, however greedy: %d", ten);
    return tap_end();
}
