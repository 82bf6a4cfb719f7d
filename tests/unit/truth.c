/* SPDX-License-Identifier: MIT */
/* How a job is, from what the witnesses say: the table of docs/truth.md. */
#include "core/agent/truth.h"

#include <repx/scheduler.h>

#include "tap.h"

#define HERE (-1)
#define SOON 1000
#define KNOWN 6000
#define LATE 120000

static const struct {
    const char *what;
    struct testimony t;
    int verdict;
    const char *reason;
} rows[] = {
    {"it waits",
     {0, REPX_STATE_PENDING, "Priority", .gone_ms = HERE},
     TRUTH_AS_RECORDED,
     NULL},
    {"it runs", {1, REPX_STATE_RUNNING, "", .gone_ms = HERE}, TRUTH_AS_RECORDED, NULL},
    {"held",
     {0, REPX_STATE_PENDING, "JobHeldUser", .gone_ms = HERE},
     TRUTH_AS_RECORDED,
     NULL},
    {"it ran, and waits: put back",
     {1, REPX_STATE_PENDING, "BeginTime", .gone_ms = HERE},
     TRUTH_REQUEUED,
     "requeued"},
    {"what it waits for never comes",
     {0, REPX_STATE_PENDING, "DependencyNeverSatisfied", .gone_ms = HERE},
     TRUTH_NEVER,
     "dependency never satisfied"},
    {"gone a moment ago: its record comes", {1, .gone_ms = SOON}, TRUTH_WAIT, NULL},
    {"time limit, supervisor and all, a moment ago",
     {1, REPX_STATE_TIMEOUT, .gone_ms = SOON},
     TRUTH_WAIT,
     NULL},
    {"time limit", {1, REPX_STATE_TIMEOUT, .gone_ms = KNOWN}, TRUTH_LOST, "timed out"},
    {"out of memory, as the scheduler says",
     {1, REPX_STATE_MEMORY, .gone_ms = KNOWN},
     TRUTH_LOST,
     "out of memory"},
    {"out of memory, as only its daemon wrote",
     {1, REPX_STATE_FAILED, "NonZeroExitCode", .said = "out of memory",
      .gone_ms = KNOWN},
     TRUTH_LOST,
     "out of memory"},
    {"the same when the queue knows nothing any more",
     {1, 0, .said = "out of memory", .gone_ms = KNOWN},
     TRUTH_LOST,
     "out of memory"},
    {"its node failed",
     {1, REPX_STATE_NODE, .gone_ms = KNOWN},
     TRUTH_LOST,
     "node failure"},
    {"preempted for good",
     {1, REPX_STATE_CANCELED, "preempted", .gone_ms = KNOWN},
     TRUTH_LOST,
     "preempted"},
    {"preempted, says the daemon; the queue does not know it: perhaps it comes again",
     {1, 0, .said = "preempted", .said_may_return = 1, .gone_ms = KNOWN},
     TRUTH_WAIT,
     NULL},
    {"and did not come",
     {1, 0, .said = "preempted", .said_may_return = 1, .gone_ms = LATE},
     TRUTH_LOST,
     "preempted"},
    {"preempted once, cancelled later",
     {1, REPX_STATE_CANCELED, "", .said = "preempted", .said_may_return = 1,
      .gone_ms = KNOWN},
     TRUTH_CANCELLED,
     "cancelled outside repx"},
    {"cancelled by repx before it started, and nobody knows it any more",
     {0, 0, .marked = 1, .gone_ms = KNOWN},
     TRUTH_CANCELLED,
     "cancelled"},
    {"cancelled by repx while it ran: its record comes",
     {1, 0, .marked = 1, .gone_ms = KNOWN},
     TRUTH_WAIT,
     NULL},
    {"put back once, gone later",
     {1, 0, .said = "requeued", .said_may_return = 1, .gone_ms = LATE},
     TRUTH_LOST,
     "LOST"},
    {"cancelled before it started",
     {0, REPX_STATE_CANCELED, "", .gone_ms = 0},
     TRUTH_CANCELLED,
     "cancelled outside repx"},
    {"the same by a user of repx",
     {0, REPX_STATE_CANCELED, "", .marked = 1, .gone_ms = 0},
     TRUTH_CANCELLED,
     "cancelled"},
    {"cancelled while it ran: its supervisor tells",
     {1, REPX_STATE_CANCELED, "", .gone_ms = SOON},
     TRUTH_WAIT,
     NULL},
    {"unless it was killed, too",
     {1, REPX_STATE_CANCELED, "", .gone_ms = KNOWN},
     TRUTH_CANCELLED,
     "cancelled outside repx"},
    {"cancelled by a dependency: the producer tells why",
     {0, REPX_STATE_CANCELED, "dependency", .gone_ms = KNOWN},
     TRUTH_WAIT,
     NULL},
    {"cancelled while it waited for what succeeded: by hand",
     {0, REPX_STATE_CANCELED, "dependency", .fed = 1, .gone_ms = SOON},
     TRUTH_CANCELLED,
     "cancelled outside repx"},
    {"or for what has not failed in all that time",
     {0, REPX_STATE_CANCELED, "dependency", .gone_ms = LATE},
     TRUTH_CANCELLED,
     "cancelled outside repx"},
    {"nobody knows it: wait", {1, 0, .gone_ms = LATE - 1}, TRUTH_WAIT, NULL},
    {"nobody knows it: lost", {1, 0, .gone_ms = LATE}, TRUTH_LOST, "LOST"},
    {"ended well, and no record: lost",
     {1, REPX_STATE_DONE, .gone_ms = LATE},
     TRUTH_LOST,
     "LOST"},
    {"failed before its supervisor ran",
     {0, REPX_STATE_FAILED, "NonZeroExitCode", .gone_ms = LATE},
     TRUTH_LOST,
     "not started: the scheduler says it failed"},
    {"gone, how is not known",
     {0, REPX_STATE_ENDED, .gone_ms = LATE},
     TRUTH_LOST,
     "LOST"},
};

/* Whatever the witnesses say: an end only for what is gone, with a reason; and lost sooner
 * or later. */
static void always(void)
{
    static const char *const words[] = {"", "preempted", "dependency",
                                        "DependencyNeverSatisfied"};
    static const char *const saids[] = {NULL, "timed out", "preempted", "requeued"};
    int good = 1, ended = 1;

    for (uint32_t state = 0; state <= REPX_STATE_ENDED; state++) {
        for (unsigned k = 0; k < 64; k++) {
            struct testimony t = {
                .started = (k & 1) != 0, .state = state, .marked = k >= 32};
            t.word = words[k >> 1 & 3];
            t.said = saids[k >> 3 & 3];
            t.said_may_return = (k >> 3 & 3) > 1;
            t.lost_ms = LATE;
            t.gone_ms = -1;
            struct truth here = truth_of(&t);
            good &= here.verdict != TRUTH_LOST && here.verdict != TRUTH_CANCELLED;
            t.gone_ms = LATE;
            struct truth gone = truth_of(&t);
            ended &= (gone.verdict == TRUTH_LOST || gone.verdict == TRUTH_CANCELLED) &&
                     gone.reason;
        }
    }
    ok(good, "what the queue has is never ended");
    ok(ended, "what it lacks for long has an end with a reason, whatever is said");
}

int main(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct testimony t = rows[i].t;
        t.lost_ms = LATE;
        struct truth truth = truth_of(&t);
        ok(truth.verdict == rows[i].verdict, "%s: %d", rows[i].what, truth.verdict);
        is(truth.reason ? truth.reason : "", rows[i].reason ? rows[i].reason : "",
           "and why");
    }
    always();
    return tap_end();
}
