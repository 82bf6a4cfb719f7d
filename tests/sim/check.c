/* SPDX-License-Identifier: MIT */
/* check.c: what must never happen, and what must be in the end. */
#include "sim.h"

struct execution executions[EXECUTIONS_MAX];
int execution_count;

static int alive(const struct execution *e)
{
    return !e->over && pid_alive(e->pid);
}

int check_begin(int job, int key)
{
    for (int i = 0; i < execution_count; i++) {
        const struct execution *e = executions + i;
        if (e->job == job && alive(e) && !e->excused && !self->zombie) {
            violation("job %d runs twice at once: as %d and as %d", job, e->pid,
                      self->pid);
        }
    }
    if (reg_true(&fs.result[job]) == 1)
        violation("job %d is executed again after its success", job);
    for (int k = 0; k < plan.dep_count[job]; k++) {
        if (reg_true(&fs.result[plan.deps[job][k]]) != 1) {
            violation("job %d begins without the result of job %d", job,
                      plan.deps[job][k]);
        }
    }
    if (execution_count == EXECUTIONS_MAX) {
        violation("too many executions");
        return 0;
    }
    executions[execution_count] = (struct execution){
        .job = job, .key = key, .pid = self->pid, .excused = self->zombie};
    return execution_count++;
}

void check_end(int number, int ok)
{
    executions[number].over = 1;
    executions[number].ok = ok;
}

void check_excuse(int pid)
{
    for (int i = 0; i < execution_count; i++) {
        if (executions[i].pid == pid)
            executions[i].excused = 1;
    }
}

/* ---- events ---- */

/* Does a unit of that run work on it, or has it done so? What another run made since is none
 * of its business. */
static int made_by(int run, int job)
{
    for (int i = 0; i < execution_count; i++) {
        const struct execution *e = executions + i;
        if (e->job == job && fs.keys[e->key].run == run && !e->excused &&
            (alive(e) || (e->over && e->ok)))
            return 1;
    }
    return 0;
}

/* As that run knows it: what it lost another one may have made since. */
static int well_in(int run, int job)
{
    struct job_state state[JOBS_MAX];

    events_read_true(run, state);
    return state[job].terminal && state[job].ok;
}

/* A copy that the scheduler started again may have come between the look and the word. */
static int had_result(int job)
{
    int there = reg_true(&fs.result[job]) == 1;

    for (int n = 1; n < fs.attempts[job]; n++)
        there |= fs.marker[job][n] == 1;
    return there;
}

void check_event(const struct event *e)
{
    int result = reg_true(&fs.result[e->job]);

    if (e->e == E_DONE && !had_result(e->job))
        violation("run %d: job %d is called done without a result", e->run, e->job);
    int newest = e->attempt == fs.attempts[e->job]; /* another end does not count */
    if (e->e == E_END && e->ok && result != 1 && newest && !self->zombie)
        violation("run %d: job %d ended well without a result", e->run, e->job);
    if (e->e == E_END && !e->ok && !plan.fails[e->job] && !self->term_at)
        violation("run %d: job %d is called failed", e->run, e->job);
    if (e->e == E_LOST && made_by(e->run, e->job))
        violation("run %d: job %d is called LOST while it runs", e->run, e->job);
    if (e->e == E_BLOCKED && well_in(e->run, e->by)) {
        violation("run %d: job %d is called blocked by job %d, which succeeded", e->run,
                  e->job, e->by);
    }
}

/* ---- the end ---- */

int check_hindered(int job)
{
    if (plan.fails[job])
        return 1;
    for (int k = 0; k < plan.dep_count[job]; k++) {
        if (check_hindered(plan.deps[job][k]))
            return 1;
    }
    return 0;
}

void check_final(int last_run)
{
    struct job_state state[JOBS_MAX];

    events_read_true(last_run, state);
    for (int j = 0; j < plan.jobs; j++) {
        int should = !check_hindered(j), is = reg_true(&fs.result[j]) == 1;
        if (should && !is)
            violation("job %d is lost: it has no result", j);
        if (!should && is)
            violation("job %d has a result and should not", j);
        if (!state[j].terminal || state[j].ok != should) {
            violation("run %d: job %d is %s, and should have %s", last_run, j,
                      state[j].terminal ? (state[j].ok ? "complete" : "failed")
                                        : "not over",
                      should ? "succeeded" : "failed");
        }
    }
}
