/* SPDX-License-Identifier: MIT */
/* plan.c: what a seed is about. */
#include <string.h>

#include "sim.h"

struct plan plan;
struct weather weather;

static int level_of(int j)
{
    int level = 0;

    for (int k = 0; k < plan.dep_count[j]; k++) {
        int above = plan.level[plan.deps[j][k]] + 1;
        level = above > level ? above : level;
    }
    return level;
}

/* Everything of one level waits for all, for its counterpart, or for some of the level above. */
static void deps_make(int j, int width)
{
    int first = j - j % width - width;

    if (first < 0)
        return;
    for (int k = first; k < first + width; k++) {
        if (plan.arrays == 1 ? k == j - width : one_in(2) || plan.arrays == 2)
            plan.deps[j][plan.dep_count[j]++] = k;
    }
}

static void jobs_make(void)
{
    int width = 1 + (int)chance(4);

    memset(&plan, 0, sizeof(plan));
    plan.jobs = 1 + (int)chance(JOBS_MAX);
    plan.arrays = (int)chance(3);
    for (int j = 0; j < plan.jobs; j++) {
        deps_make(j, width);
        plan.level[j] = level_of(j);
        plan.lasts[j] = one_in(5) ? between(20000, 200000) : between(10, 8000);
    }
    if (one_in(6))
        plan.fails[chance((uint32_t)plan.jobs)] = 1;
}

/* How likely a misbehaviour is: most seeds know only some of them. */
static uint32_t rate(void)
{
    static const uint32_t rates[] = {0, 0, 0, 30, 8, 3};

    return rates[chance(6)];
}

void plan_make(void)
{
    static const int64_t ages[] = {5000, 60000, 300000};
    static const int64_t stale[] = {0, 0, 3000, 30000};

    jobs_make();
    weather = (struct weather){.stale_ms = stale[chance(4)]};
    weather.lost_answer = rate();
    weather.late = rate();
    weather.nothing = rate();
    weather.twice = rate();
    weather.fail_query = rate();
    weather.refuse = one_in(10) ? 8 : 0;
    weather.room = one_in(3) ? 10 + (int)chance(4) : 0;
    weather.min_age = ages[chance(3)];
    weather.accounting = one_in(2);
    weather.nodes_submit = !one_in(4);
    weather.calm = now + between(5000, 200000);
}

/* ---- faults ---- */

static struct proc *any_proc(void)
{
    struct proc *found[PROCS];
    uint32_t n = 0;

    for (int i = 0; i < PROCS; i++) {
        if (procs[i].used && !procs[i].dead && procs + i != self)
            found[n++] = procs + i;
    }
    return n ? found[chance(n)] : NULL;
}

static void stop_for_a_while(void)
{
    struct proc *p = any_proc();

    if (!p)
        return;
    int64_t until = now + between(100, 200000);
    say("process %d is stopped until %.3f", p->pid, (double)until / 1000);
    p->wake = p->wake > until ? p->wake : until;
}

static void another_client(void)
{
    struct proc *p = proc_start(one_in(2) ? 0 : HOSTS - 1, client_main, "a client");

    if (!p)
        return;
    p->wait = one_in(3);
    if (one_in(2))
        p->kill_at = 1 + chance(one_in(2) ? 30 : 300);
}

static void fault(void)
{
    struct proc *p;

    switch (chance(8)) {
    case 0:
        slurm_crash();
        return;
    case 1:
        slurm_hang(now + between(1000, 60000));
        return;
    case 2:
    case 3:
        another_client();
        return;
    case 4:
        stop_for_a_while();
        return;
    case 5:
        slurm_node_fails(1 + (int)chance(HOSTS - 2), one_in(2));
        return;
    default:
        p = any_proc();
        if (p)
            proc_kill(p);
    }
}

void faults_run(struct proc *p)
{
    (void)p;
    another_client();
    if (one_in(3))
        another_client();
    for (uint32_t n = 1 + chance(8); n > 0; n--) {
        sim_sleep(one_in(2) ? between(1, 2000) : between(1, 40000));
        if (now >= weather.calm)
            return;
        fault();
    }
}
