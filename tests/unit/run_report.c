/* SPDX-License-Identifier: MIT */
/* Events of a run come from several files, in no order of theirs: what is counted does not
 * depend on it. */
#include <kit/alloc.h>

#include "core/cli/run_report.h"
#include "tap.h"

static void no_progress(void *ctx, const char *who, const char *unit, uint64_t done,
                        uint64_t total)
{
    (void)ctx, (void)who, (void)unit, (void)done, (void)total;
}

/* One event of the only job: S submitted, > started, + ended well, - ended badly, ? lost. */
static struct run_event event_of(char letter)
{
    struct run_event e = {
        .job = "a", .phase = "main", .id = "7", .reason = "", .by = -1};

    switch (letter) {
    case 'S':
        e.name = "submitted";
        break;
    case '>':
        e.name = "start";
        break;
    case '?':
        e.name = "lost";
        break;
    default:
        e.name = "end";
        e.ok = letter == '+';
        break;
    }
    return e;
}

/* What the counts are after these events: "submitted running ok failed, state". */
static char *told(const char *events, const char *scheduler)
{
    const struct ui ui = {.progress = no_progress};
    struct plan_job job = {0};
    const struct plan plan = {.scheduler = scheduler, .jobs = &job, .count = 1};
    struct run_report r = {.plan = &plan, .ui = &ui, .json = 1};
    struct pipeline_listener listener = report_listener(&r);

    report_begin(&r, "target", scheduler);
    for (const char *p = events; *p; p++) {
        struct run_event e = event_of(*p);
        listener.event(listener.ctx, &e);
    }
    char *text = repx_format("%zu %zu %zu %zu, %d", r.submitted, r.running, r.ok,
                             r.failed, r.state[0]);
    report_finish(&r);
    return text;
}

static const struct {
    const char *events;
    size_t submitted, running, ok, failed;
    int state;
    const char *sentence;
} cases[] = {
    {"S", 1, 0, 0, 0, JOB_QUEUED, "a job is submitted"},
    {"SS", 1, 0, 0, 0, JOB_QUEUED, "told twice, it counts once"},
    {"S>", 1, 1, 0, 0, JOB_RUNNING, "it runs"},
    {"S>S", 1, 1, 0, 0, JOB_RUNNING, "it runs, and its submission is told again"},
    {"S>+", 1, 0, 1, 0, JOB_SUCCEEDED, "it ends well"},
    {"S>-", 1, 0, 0, 1, JOB_FAILED, "it fails"},
    {"S>--", 1, 0, 0, 1, JOB_FAILED, "a failure that is told twice counts once"},
    {">-S", 1, 0, 0, 1, JOB_FAILED,
     "a failure that is read before the submission stays"},
    {"-S", 1, 0, 0, 1, JOB_FAILED, "and so does one without a start"},
    {">+S", 1, 0, 1, 0, JOB_SUCCEEDED, "and so does a success"},
    {"?S", 1, 0, 0, 1, JOB_FAILED, "and so does a job that is lost"},
    {"S?+", 1, 0, 1, 0, JOB_SUCCEEDED,
     "one that was lost and ends well has not failed"},
};

/* A result of other work is one that is there, unless it is to be made again. */
static void results_of_other_work(void)
{
    for (int again = 0; again < 2; again++) {
        const struct ui ui = {.progress = no_progress};
        struct plan_job job = {0};
        const struct plan plan = {.scheduler = "local", .jobs = &job, .count = 1};
        struct run_report r = {
            .plan = &plan, .ui = &ui, .json = 1, .rerun_stale = again};
        struct pipeline_listener listener = report_listener(&r);
        const struct job_status status = {.status = JOB_SUCCEEDED, .stale = 1};
        report_begin(&r, "target", "local");
        listener.status(listener.ctx, &plan, &status);
        ok(r.todo == (size_t)again && r.number[0] == (size_t)again,
           "of other work, %s: %zu to run", again ? "to be made again" : "kept",
           r.todo);
        report_finish(&r);
    }
}

int main(void)
{
    static const char *const schedulers[] = {"slurm", "local"};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        REPX_AUTO_FREE char *want =
            repx_format("%zu %zu %zu %zu, %d", cases[i].submitted, cases[i].running,
                        cases[i].ok, cases[i].failed, cases[i].state);
        for (size_t s = 0; s < 2; s++) {
            REPX_AUTO_FREE char *got = told(cases[i].events, schedulers[s]);
            REPX_AUTO_FREE char *name =
                repx_format("%s: %s", schedulers[s], cases[i].sentence);
            is(got, want, name);
        }
    }
    results_of_other_work();
    return tap_end();
}
