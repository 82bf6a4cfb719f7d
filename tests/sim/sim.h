/* SPDX-License-Identifier: MIT */
/* sim.h: a world in which submission is explored: hosts, processes, a file system that shows
 * its clients old things, a scheduler that misbehaves, a clock, and one seed for all of it.
 *
 *     main.c      seeds, mutations, the command line
 *     world.c     clock, chance, processes that may die at any step
 *     files.c     what lies on the file system, as each host sees it
 *     slurm.c     the scheduler
 *     plan.c      what a seed is about: jobs, weather, faults
 *     client.c    a client that submits a run and follows it
 *     feed.c      feeder and handover of core/agent/submission.h, executed
 *     facts.c     judging the jobs of a run, executed
 *     job.c       a unit that starts, executed
 *     check.c     what must never happen, and what must be in the end
 *
 * A process is a coroutine: it calls sim_step before everything that others could see, and
 * there it may be stopped, killed, or made to wait for others. */
#ifndef REPX_SIM_H
#define REPX_SIM_H

#include <stddef.h>
#include <stdint.h>

#include "core/agent/submission.h"

#define JOBS_MAX 16
#define RUNS_MAX 24
#define KEYS_MAX 2048
#define UNITS_MAX 1024
#define HOSTS 4
#define PROCS 64
#define EVENTS_MAX 4096
#define EXECUTIONS_MAX 512
#define ATTEMPTS_MAX 64
#define MINUTE 60000

/* ---- chance and clock (world.c) ---- */

uint32_t chance(uint32_t n); /* 0..n-1 */
int one_in(uint32_t n);      /* 0: never */
int64_t between(int64_t a, int64_t b);
extern int64_t now; /* milliseconds */

/* ---- processes (world.c) ---- */

enum why_dead { ALIVE, ENDED, KILLED };

struct proc {
    void (*main)(struct proc *p);
    int64_t wake;
    int64_t term_at;         /* asked to end; 0: not */
    uint32_t steps, kill_at; /* killed before that step; 0: never */
    enum why_dead dead;
    int used, pid, host, status;
    int run;           /* client: its run */
    int unit, element; /* job: its unit of the scheduler */
    int wait;          /* client: stays to the end */
    int zombie;        /* job: given up by the scheduler, and goes on */
};

extern struct proc procs[PROCS];
extern struct proc *self; /* the one that runs now */
struct proc *proc_start(int host, void (*main)(struct proc *p), const char *what);
void proc_kill(struct proc *p);
int pid_alive(int pid);
/* Something is about to be done that others could see. */
void sim_step(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void sim_sleep(int64_t ms);
/* Run everything until nothing is left to do or the time is over. -1: it hangs. */
int world_run(int64_t until);
void world_reset(uint64_t seed);
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
extern int telling;
/* The first thing that must not be ends the seed. */
void violation(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
extern char violated[512];

/* ---- files (files.c) ---- */

#define REG_HISTORY 8
/* One name on the file server; 0: it is not there. A host may see an older state, as long
 * as it has not looked again. */
struct reg {
    int count;
    int64_t at[REG_HISTORY];
    int value[REG_HISTORY];
    int64_t seen[HOSTS];
};
int reg_true(const struct reg *r);
int reg_read(struct reg *r); /* as this process's host sees it */
void reg_write(struct reg *r, int value);
void reg_look_again(struct reg *r); /* the directory was opened anew */

enum event_kind {
    E_DONE,
    E_TAKEN,
    E_SUBMITTED,
    E_REFUSED,
    E_START,
    E_END,
    E_BLOCKED,
    E_LOST,
    E_CANCELLED,
};
struct event {
    enum event_kind e;
    int run, job, key, ok, by, host, attempt;
    int64_t t;
};
struct said {
    int key, attempt, ok, by;
};
void event_add(int run, int job, enum event_kind e, struct said said);

/* What the events of a run say, as a host sees them. */
struct job_state {
    int terminal, ok, started, key, taken, attempt, told;
};
void events_read(int run, struct job_state state[JOBS_MAX]);
/* The same for somebody who sees all of it. */
void events_read_true(int run, struct job_state state[JOBS_MAX]);

struct key {
    int run, first, generation; /* what it is made from; first: of its jobs */
    int count, jobs[JOBS_MAX];  /* S/sub/KEY/table; count 0: a feeder job */
    int intended;
    struct reg made;     /* S/sub/KEY */
    enum facts_claim by; /* the claim, once `claimed` is there */
    int id, pid, host;
    struct reg claimed;
};
struct run {
    int used;
    struct reg waiting, wish; /* waiting: when it was written, in ms + 1 */
    int backstop;             /* its key + 1 */
};
struct files {
    struct key keys[KEYS_MAX];
    int key_count;
    struct run runs[RUNS_MAX];
    struct reg live[JOBS_MAX];    /* key + 1 */
    struct reg current[JOBS_MAX]; /* the attempt that counts */
    struct reg result[JOBS_MAX];  /* marker of that: 1 success, 2 failure */
    int marker[JOBS_MAX][ATTEMPTS_MAX];
    int attempts[JOBS_MAX];
    int run_count;
    struct reg lease; /* epoch + 1 */
    int lease_pid, lease_host, lease_epoch;
    int64_t lease_touched;
};
extern struct files fs;
extern struct event events[EVENTS_MAX];
extern int event_count;

int lease_try(void);  /* 1 taken, 0 held by another */
int lease_hold(void); /* touch it; 0: no longer ours */
void lease_leave(void);
/* link(2): 1 made, 0 there was one, -1 the answer makes no sense. */
int claim_link(int key, enum facts_claim by, int id);
enum facts_claim claim_look(int key, int *id);
void live_drop(int job, int run, int key); /* key -1: any of the run's */

/* ---- the scheduler (slurm.c) ---- */

enum unit_state { U_PENDING, U_RUNNING, U_OVER };
struct element {
    enum unit_state state;
    int ok, pid, killed;
    int64_t over_at, begin_at;
};
enum dep_type { DEP_OK, DEP_ANY, DEP_CORR };
struct dep {
    enum dep_type type;
    int id, element; /* element -1: all */
};
struct unit {
    int used, id, key, count, forgotten;
    struct dep deps[JOBS_MAX];
    int dep_count;
    int64_t seen_at; /* known to the controller from then on */
    struct element e[JOBS_MAX];
};
extern struct unit units[UNITS_MAX];
extern int unit_count;

enum handover_saw slurm_submit(int key, const struct dep *deps, int count, int *id);
/* One question for many keys; rows[i] and ids[i]. -1: it failed. */
int slurm_find(const int *keys, int count, enum facts_row *rows, int *ids);
void slurm_cancel(int id);
void slurm_amend(int id, const struct dep *deps, int count);
/* The queue as a whole. -1: the question failed; else what it says of one element of a key:
 * REPX_STATE_*, 0: it does not know it. */
int slurm_status(void);
uint32_t slurm_state_of(int key, int element);
void slurm_reset(void);
void slurm_tick(void);
int64_t slurm_next(void); /* when something may happen; INT64_MAX: nothing */
void slurm_process_over(struct proc *p);
void slurm_crash(void); /* what was accepted just now is forgotten, ids come again */
void slurm_hang(int64_t until);
void slurm_node_fails(int host, int zombies);

/* ---- one seed (plan.c) ---- */

struct plan {
    int jobs;
    int dep_count[JOBS_MAX], deps[JOBS_MAX][JOBS_MAX];
    int level[JOBS_MAX];
    int fails[JOBS_MAX];
    int64_t lasts[JOBS_MAX];
    int arrays;
};
struct weather {
    int64_t stale_ms;
    uint32_t lost_answer, late, nothing, twice, refuse,
        fail_query;  /* one in; 0 never */
    int room;        /* units with all their elements; 0: no limit */
    int64_t min_age; /* after which an ended unit is forgotten */
    int accounting;
    int nodes_submit;
    int64_t calm; /* from then on nothing goes wrong any more */
};
extern struct plan plan;
extern struct weather weather;
extern const struct submission_rules *rules;
/* Safeguards of whoever executes the machines. */
extern int looks_again; /* directories are opened anew under the lease */
extern int obeys_link;  /* without a link in S/live a job does not run */
extern int
    swaps; /* a link in S/live is replaced only if it is the one that was judged */
extern int fenced; /* an attempt that no longer counts leaves S/live alone */
void plan_make(void);
void faults_run(struct proc *p);

/* ---- programs ---- */

/* What is known of a job while its run is fed. */
struct known {
    int wanted; /* to be handed over */
    int bad;    /* cannot succeed in this run any more */
    int by;     /* because of that job */
    int unit;   /* id of who works on it, 0: nobody, or not known */
    int key, element;
    int link; /* key + 1 that S/live named when it was judged */
};

void client_main(struct proc *p); /* client.c */
void user_main(struct proc *p);   /* client.c: whoever wants it all to be done */
void job_main(struct proc *p);    /* job.c */
/* feed.c: -1 when it had to stop. */
int feed(int run, enum feeder_who who);
/* facts.c: judge all jobs, and do what a verdict asks for short of submitting. -1. */
int facts_know(int run, struct known known[JOBS_MAX]);
/* hand.c: hand over what is wanted, in topological order. */
enum feeder_saw hand_out(int run, struct known known[JOBS_MAX]);
/* The same for a feeder job that follows these. */
enum feeder_saw hand_backstop(int run, const struct known known[JOBS_MAX], int *id);
/* Which element of a key a job is. */
int element_of(int key, int job);

/* ---- check.c ---- */

struct execution {
    int job, key, pid, over, ok, excused;
};
extern struct execution executions[EXECUTIONS_MAX];
extern int execution_count;
int check_begin(int job, int key); /* returns its number */
void check_end(int number, int ok);
void check_excuse(int pid); /* it may be run again while it goes on */
void check_event(const struct event *e);
int check_hindered(int job); /* it, or what it needs, is to fail */
void check_final(int last_run);

#endif
