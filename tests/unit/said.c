/* SPDX-License-Identifier: MIT */
/* What Slurm's step daemon writes into the output of a unit that it kills. */
#include <string.h>

#include "core/agent/unit_said.h"
#include "tap.h"

static const struct {
    const char *what, *text, *reason;
    int64_t used;
    int may_return;
} rows[] = {
    {"nothing", "", "", 0},
    {"an accounting plugin that kills, with use and limit",
     "slurmstepd-n1: error: StepId=2.batch exceeded memory limit (204619776 > "
     "104857600), being killed\n"
     "slurmstepd-n1: error: *** JOB 2 ON n1 CANCELLED AT 2026-11-23T04:01:46 ***\n"
     "slurmstepd-n1: error: Exceeded job memory limit\n",
     "out of memory", 204619776},
    {"the kernel, in the job's cgroup",
     "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.batch. Some of your "
     "processes may have been killed by the cgroup out-of-memory handler.\n",
     "out of memory", 0},
    {"the time limit",
     "slurmstepd: error: *** JOB 3 ON n1 CANCELLED AT 2026-11-23T04:01:46 DUE TO TIME "
     "LIMIT ***\n",
     "timed out", 0},
    {"a lost node",
     "slurmstepd: error: *** JOB 3 ON n1 CANCELLED AT 2026-11-23T04:01:46 DUE TO NODE "
     "FAILURE, SEE SLURMCTLD LOG FOR DETAILS ***\n",
     "node failure", 0, 1},
    {"preemption, after which it may come again",
     "slurmstepd-n1: error: *** JOB 9 ON n1 CANCELLED AT 2026-11-23T05:59:01 DUE TO "
     "PREEMPTION ***\n",
     "preempted", 0, 1},
    {"put back into the queue",
     "slurmstepd-n1: error: *** JOB 2 ON n1 CANCELLED AT 2026-11-23T05:57:52 DUE TO JOB "
     "REQUEUE ***\n",
     "requeued", 0, 1},
    {"put back, and then too large: the end counts",
     "slurmstepd-n1: error: *** JOB 2 ON n1 CANCELLED AT 2026-11-23T05:57:52 DUE TO JOB "
     "REQUEUE ***\n"
     "slurmstepd-n1: error: StepId=2.batch exceeded memory limit (20 > 10), being "
     "killed\n",
     "out of memory", 20, 0},
    {"what was used before it was put back is forgotten",
     "slurmstepd-n1: error: StepId=2.batch exceeded memory limit (20 > 10), being "
     "killed\n"
     "slurmstepd-n1: error: *** JOB 2 ON n1 CANCELLED AT 2026-11-23T05:57:52 DUE TO JOB "
     "REQUEUE ***\n",
     "requeued", 0, 1},
    {"scancel says no cause",
     "slurmstepd: error: *** JOB 3 ON n1 CANCELLED AT 2026-11-23T04:01:46 ***\n", "",
     0},
    {"what a job writes itself is no cause",
     "error: StepId=2.batch exceeded memory limit (9 > 8), being killed\n"
     "DUE TO TIME LIMIT\n",
     "", 0},
    {"a number that is none", "slurmstepd: exceeded memory limit (x > 8)\n",
     "out of memory", 0},
    {"a line without its end", "slurmstepd: DUE TO TIME LIMIT", "timed out", 0},
};

int main(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct unit_said said = unit_said_text(rows[i].text, strlen(rows[i].text));
        is(said.reason ? said.reason : "", rows[i].reason, rows[i].what);
        ok(said.used == rows[i].used && said.may_return == rows[i].may_return,
           "%s: memory, and whether it may come again", rows[i].what);
    }
    return tap_end();
}
