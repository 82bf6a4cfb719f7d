/* SPDX-License-Identifier: MIT */
/* client.c: a client: submits a run, and perhaps follows it to its end. */
#include <string.h>

#include <repx/scheduler.h>

#include "core/agent/truth.h"
#include "sim.h"

#define ASK_MS 10000
#define TRIES 6
#define PATIENCE_MS ((int64_t)24 * 60 * MINUTE)

struct follower {
    int run;
    int64_t gone[JOBS_MAX]; /* since when the scheduler has it no more; 0: it has */
    int key[JOBS_MAX];      /* of which that was said */
    struct job_state state[JOBS_MAX];
};

static int all_over(const struct follower *f)
{
    for (int j = 0; j < plan.jobs; j++) {
        if (!f->state[j].terminal)
            return 0;
    }
    return 1;
}

/* What can no longer run because a producer failed. */
static void block(struct follower *f)
{
    for (int j = 0; j < plan.jobs; j++) {
        for (int k = 0; k < plan.dep_count[j] && !f->state[j].terminal; k++) {
            int d = plan.deps[j][k];
            if (!f->state[d].terminal || f->state[d].ok)
                continue;
            f->state[j].terminal = 1;
            event_add(f->run, j, E_BLOCKED, (struct said){.by = d});
            live_drop(j, f->run, -1);
        }
    }
}

/* ---- ends that nobody wrote ---- */

/* By the markers. */
static void told(const struct follower *f, int job)
{
    sim_step("what became of job %d?", job);
    if (looks_again)
        reg_look_again(&fs.result[job]);
    int result = reg_read(&fs.result[job]);

    if (result == 1) {
        event_add(f->run, job, E_DONE, (struct said){0});
    } else if (result == 2) {
        event_add(f->run, job, E_END, (struct said){.ok = 0});
    } else {
        event_add(f->run, job, E_LOST, (struct said){0});
    }
}

static void end_lost(struct follower *f, int job)
{
    events_read(f->run, f->state);
    if (f->state[job].terminal)
        return;
    told(f, job);
    live_drop(job, f->run, -1); /* a link of the run that it was taken by stays */
}

static struct testimony testimony_of(const struct follower *f, int job, int64_t gone)
{
    int key = f->state[job].key - 1, element = element_of(key, job);
    uint32_t state = element < 0 ? 0 : slurm_state_of(key, element);
    struct testimony t = {.started = f->state[job].started,
                          .state = state,
                          .gone_ms = gone ? now - gone : -1,
                          .lost_ms = TRUTH_LOST_MS};

    if (state == REPX_STATE_NODE && one_in(2))
        t.said = "node failure";
    return t;
}

static int goes_on(uint32_t state)
{
    return state == REPX_STATE_PENDING || state == REPX_STATE_RUNNING;
}

static void missing(struct follower *f, int job)
{
    int key = f->state[job].key - 1;
    int64_t *gone = f->gone + job;
    struct testimony t = testimony_of(f, job, 0);

    if (goes_on(t.state) || key != f->key[job])
        *gone = 0;
    f->key[job] = key;
    if (!goes_on(t.state) && !*gone)
        *gone = now;
    t = testimony_of(f, job, *gone);
    struct truth truth = truth_of(&t);
    if (truth.verdict == TRUTH_LOST || truth.verdict == TRUTH_CANCELLED)
        end_lost(f, job);
}

/* Another run works on it: is that over? */
static int taken(struct follower *f, int job)
{
    sim_step("whose is job %d?", job);
    int there = reg_read(&fs.live[job]) - 1;

    if (there >= 0 && fs.keys[there].run != f->run)
        return 0;
    told(f, job);
    return 1;
}

static void look_harder(struct follower *f)
{
    int rc = slurm_status();

    events_read(f->run, f->state);
    for (int j = 0; j < plan.jobs; j++) {
        const struct job_state *s = f->state + j;
        if (s->terminal || !s->key)
            continue;
        if (s->taken && taken(f, j))
            continue;
        if (rc == 0) /* a question that failed is no answer */
            missing(f, j);
    }
}

/* Jobs of which nothing was ever written: their submission was broken off. */
static int silent(const struct follower *f)
{
    for (int j = 0; j < plan.jobs; j++) {
        if (!f->state[j].told)
            return !reg_read(&fs.runs[f->run].waiting);
    }
    return 0;
}

static void follow(int run)
{
    struct follower f = {.run = run};
    int64_t asked = now, until = now + PATIENCE_MS;

    for (;;) {
        events_read(run, f.state);
        block(&f);
        if (all_over(&f))
            return;
        if (now >= until) {
            violation("run %d hangs", run);
            return;
        }
        if (now - asked >= ASK_MS) {
            look_harder(&f);
            (void)feed(run, silent(&f) ? FEEDER_CLIENT : FEEDER_WATCH);
            asked = now;
        }
        sim_sleep(1000);
    }
}

static int run_make(void)
{
    if (fs.run_count == RUNS_MAX) {
        violation("too many runs");
        return 0;
    }
    fs.runs[fs.run_count].used = 1;
    return fs.run_count++;
}

void client_main(struct proc *p)
{
    p->run = run_make();
    say("run %d", p->run);
    if (feed(p->run, FEEDER_CLIENT) == 0 && p->wait)
        follow(p->run);
}

/* ---- whoever wants it all to be done ---- */

static int as_it_should_be(int run)
{
    struct job_state state[JOBS_MAX];

    events_read_true(run, state);
    for (int j = 0; j < plan.jobs; j++) {
        if (!state[j].terminal || state[j].ok == check_hindered(j))
            return 0;
    }
    return 1;
}

void user_main(struct proc *p)
{
    int run = 0;

    (void)p;
    faults_run(p);
    if (now < weather.calm)
        sim_sleep(weather.calm - now);
    say("from here on nothing goes wrong any more");
    for (int i = 0; i < TRIES && !violated[0]; i++) {
        struct proc *c =
            proc_start(one_in(2) ? 0 : HOSTS - 1, client_main, "the last client");
        if (!c)
            return;
        c->wait = 1;
        int pid = c->pid;
        while (pid_alive(pid))
            sim_sleep(1000);
        run = c->run;
        if (as_it_should_be(run))
            break;
    }
    check_final(run);
}
