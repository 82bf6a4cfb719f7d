/* SPDX-License-Identifier: MIT */
/* world.c: clock, chance and processes. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "sim.h"

#define STACK ((size_t)128 * 1024)
#define STEPS_MAX 400000

int64_t now;
int telling;
char violated[512];
struct proc procs[PROCS];
struct proc *self;

static uint64_t dice;
static int next_pid;
static uint32_t hurry; /* one step in so many lets others go first */
static ucontext_t scene, contexts[PROCS];
static char *stacks[PROCS];

/* ---- chance ---- */

uint32_t chance(uint32_t n)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return n ? (uint32_t)(dice >> 16) % n : 0;
}

int one_in(uint32_t n)
{
    return n && chance(n) == 0;
}

int64_t between(int64_t a, int64_t b)
{
    return a + (int64_t)chance((uint32_t)(b - a + 1));
}

/* ---- telling ---- */

__attribute__((format(printf, 1, 0))) static void tell(const char *fmt, va_list ap)
{
    char text[256];

    (void)vsnprintf(text, sizeof(text), fmt, ap);
    if (self) {
        printf("# %9.3f  %d@%d  %s\n", (double)now / 1000, self->pid, self->host, text);
    } else {
        printf("# %9.3f  %s\n", (double)now / 1000, text);
    }
}

void say(const char *fmt, ...)
{
    va_list ap;

    if (!telling)
        return;
    va_start(ap, fmt);
    tell(fmt, ap);
    va_end(ap);
}

void violation(const char *fmt, ...)
{
    va_list ap;

    if (violated[0])
        return;
    va_start(ap, fmt);
    (void)vsnprintf(violated, sizeof(violated), fmt, ap);
    va_end(ap);
    say("VIOLATION: %s", violated);
}

/* ---- processes ---- */

static void leave(void)
{
    struct proc *p = self;

    (void)swapcontext(&contexts[p - procs], &scene);
}

static void begin(void)
{
    self->main(self);
    self->dead = ENDED;
    for (;;)
        leave();
}

static int slot_free(void)
{
    for (int i = 0; i < PROCS; i++) {
        if (!procs[i].used)
            return i;
    }
    return -1;
}

static void context_make(int i)
{
    if (!stacks[i])
        stacks[i] = malloc(STACK);
    (void)getcontext(&contexts[i]);
    contexts[i].uc_stack.ss_sp = stacks[i];
    contexts[i].uc_stack.ss_size = STACK;
    contexts[i].uc_link = NULL;
    makecontext(&contexts[i], begin, 0);
}

struct proc *proc_start(int host, void (*main)(struct proc *p), const char *what)
{
    int i = slot_free();

    if (i < 0) {
        violation("too many processes");
        return NULL;
    }
    context_make(i);
    procs[i] = (struct proc){.main = main, .wake = now, .used = 1, .host = host};
    procs[i].pid = ++next_pid;
    say("process %d begins on host %d: %s", procs[i].pid, host, what);
    return procs + i;
}

void proc_kill(struct proc *p)
{
    if (!p->used || p->dead)
        return;
    say("process %d is killed", p->pid);
    p->dead = KILLED;
}

int pid_alive(int pid)
{
    for (int i = 0; i < PROCS; i++) {
        if (procs[i].used && procs[i].pid == pid)
            return !procs[i].dead;
    }
    return 0;
}

void sim_step(const char *fmt, ...)
{
    va_list ap;

    now += chance(4);
    self->steps++;
    if (self->kill_at && self->steps >= self->kill_at && now < weather.calm)
        proc_kill(self);
    if (self->dead || one_in(hurry))
        leave();
    if (!telling)
        return;
    va_start(ap, fmt);
    tell(fmt, ap);
    va_end(ap);
}

void sim_sleep(int64_t ms)
{
    self->wake = now + ms;
    leave();
}

/* ---- the loop ---- */

static void bury(struct proc *p)
{
    say("process %d is gone", p->pid);
    p->used = 0;
    slurm_process_over(p);
}

/* One of those that could go on, or NULL with the time when one could. */
static struct proc *choose(int64_t *next)
{
    struct proc *ready[PROCS];
    uint32_t n = 0;

    *next = INT64_MAX;
    for (int i = 0; i < PROCS; i++) {
        struct proc *p = procs + i;
        if (p->used && p->dead)
            bury(p);
        if (!p->used)
            continue;
        if (p->wake <= now) {
            ready[n++] = p;
        } else if (p->wake < *next) {
            *next = p->wake;
        }
    }
    return n ? ready[chance(n)] : NULL;
}

int world_run(int64_t until)
{
    int64_t next;

    for (int steps = 0; !violated[0] && now < until; steps++) {
        struct proc *p = choose(&next);
        if (steps > STEPS_MAX)
            return -1;
        slurm_tick();
        if (!p) {
            int64_t theirs = slurm_next();
            if (next == INT64_MAX && theirs == INT64_MAX)
                return 0;
            next = theirs < next ? theirs : next;
            now = next > now ? next : now;
            continue;
        }
        self = p;
        (void)swapcontext(&scene, &contexts[p - procs]);
        self = NULL;
    }
    return violated[0] ? 0 : -1;
}

void world_reset(uint64_t seed)
{
    dice = (seed + 1) * 0x9e3779b97f4a7c15u;
    dice ^= dice >> 29;
    if (!dice)
        dice = 1;
    for (int i = 0; i < 8; i++)
        (void)chance(2);
    now = 1000;
    next_pid = 100;
    violated[0] = 0;
    memset(procs, 0, sizeof(procs));
    self = NULL;
    hurry = 2 + chance(6);
}
