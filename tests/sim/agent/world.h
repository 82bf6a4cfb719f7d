/* SPDX-License-Identifier: MIT */
/* world.h: one seed: processes of the agent that take turns, and a scheduler for them.
 *
 *     main.c       seeds, what each is about, what must be true in the end
 *     turns.c      clock, chance, turns: every process is forked, and only one runs at a time
 *     scheduler.c  what a scheduler's helper would answer, and which job starts when
 *     program.c    what the processes do: clients, cancellers, supervisors
 *
 * All but scheduler_call and script_run is the agent's own code, on a directory of its own.
 * What two processes share is in one piece of shared memory. */
#ifndef REPX_SIM_AGENT_WORLD_H
#define REPX_SIM_AGENT_WORLD_H

#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCS 1024
#define UNITS 1024
#define DEPS 32
#define ELEMENTS 16
#define EXECUTIONS 2048
#define JOBS 3
#define RUNS 8 /* of the first clients, and from LAST on of who stays to the end */
#define LAST 4

enum kind { CLIENT, CANCELLER, JOB };

struct proc {
    enum kind kind;
    int used, over, killed, status;
    pid_t pid;
    sem_t go;
    int64_t began, wake; /* virtual ms */
    uint32_t steps, kill_at, stop_at;
    int run;           /* client, canceller */
    int unit, element; /* job */
    int64_t asked;     /* job: to end, and when it is killed; 0: not */
    int in_script;
};

enum unit_state { U_PENDING, U_RUNNING, U_DONE, U_FAILED, U_CANCELED, U_NODE };
struct element {
    enum unit_state state;
    int64_t begin, ended; /* begin: not before; 0: its dependencies are not satisfied */
    int proc;
};
struct dep {
    char type[5];
    int unit, element; /* element -1: all; unit 0: long forgotten */
};
struct queued { /* its id is its place, from 1 on */
    char key[33], phase[40], run[32], job[24];
    int array, count, deps_count;
    struct dep deps[DEPS];
    struct element e[ELEMENTS];
};

struct execution {
    int job, run, proc, over, ok;
    int64_t branch;
    char phase[40];
};

struct world {
    int64_t epoch, now;
    uint64_t seed, chance;
    sem_t driver;
    struct proc procs[PROCS];
    int proc_count;
    struct queued units[UNITS + 1];
    int unit_count;
    struct execution executions[EXECUTIONS];
    int execution_count;
    /* what this seed is about */
    int works; /* each of the first runs has other work for the last job */
    int branches, steps, room, stubborn, killing, requeues, switching;
    int lost, nothing, breaks, deaf; /* one in; 0: never */
    int64_t calm, remembers;         /* ms */
    int64_t cancelled[RUNS];         /* since then; 0: not */
    int finished;                    /* the last client, with all done */
    char violated[512];
    char base[64];
};
extern struct world *world;
extern struct proc *self; /* NULL: whoever gives the turns */
extern int telling;

/* ---- turns.c ---- */
uint32_t chance(uint32_t n);
int one_in(int n);
int64_t between(int64_t a, int64_t b);
int is_calm(void);
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void violation(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Others may have their turn, at least that long. */
void rest(int64_t ms);
/* Something is about to be done that others could see. */
void step(void);
struct proc *proc_start(enum kind kind, int64_t in_ms, int (*main)(void));
/* Give turns until nobody is left, or something is wrong. */
void world_turn(void);
int64_t virtual_ms(void);

/* ---- scheduler.c ---- */
int64_t scheduler_tick(void); /* start what may start; when the next may */
void scheduler_over(struct proc *p);
const char *scheduler_left(void); /* what is in the queue, or NULL */

/* ---- program.c ---- */
int client_main(void);
int last_client_main(void);
int canceller_main(void);
int job_start(int unit, int element); /* in the new process */
extern const char *const run_ids[RUNS];
/* Safeguards that a test may leave out. */
extern int no_lease, no_mark;

#endif
