/* SPDX-License-Identifier: MIT */
/* submit_own.h: what the parts of submission share (submit*.c only). */
#ifndef REPX_AGENT_SUBMIT_OWN_H
#define REPX_AGENT_SUBMIT_OWN_H

#include "core/agent/scheduler_call.h"
#include "core/agent/state.h"
#include "core/agent/state_next.h"
#include "core/agent/submission.h"
#include "core/agent/submit.h"

/* What is to be done about a job of the run. */
enum decision {
    DECIDE_NEW,     /* submit it */
    DECIDE_DONE,    /* its result is there */
    DECIDE_TAKEN,   /* another run's unit works on it */
    DECIDE_OURS,    /* a unit of this run does already */
    DECIDE_LATER,   /* it waits for room, or for one that does */
    DECIDE_REFUSED, /* the scheduler does not want it */
    DECIDE_BLOCKED, /* a producer can no longer succeed */
    DECIDE_ENDED,   /* it ended in this run, and not well */
};

struct decided {
    enum decision what;
    char key[27];   /* of the unit that consumers wait for */
    char *unit;     /* its id; NULL: none, or not known yet */
    size_t width;   /* of the array of jobs it was put into; 0: none */
    size_t index;   /* within that */
    size_t by;      /* blocked: the job that failed */
    int stale;      /* done, but under another work key */
    int replaces;   /* what other work made of it, and others may be reading */
    int needed;     /* wanted, or a job that is to run uses it */
    int halfway;    /* only its scatter was handed over: the rest is a client's */
    int anew;       /* its scatter is done, and its branches wait to be handed over */
    int missing;    /* S/live names a unit of this run for it, and that is not there */
    unsigned tries; /* keys of it that the scheduler knew nothing of */
    json_t *
        after; /* ids of units of other work on the same job, which come first; or NULL */
    char *scatter; /* scatter-gather: id of what was submitted for the first phase */
    char scatter_key[27];
    char seen[27]; /* the key that S/live named when it was judged; "": none */
};

/* One unit on its way to the scheduler. */
struct pending {
    size_t job;
    char key[27];
    const char *phase;
    size_t array;
    size_t first;    /* of a step: the branch that index 0 means */
    size_t *members; /* an array of jobs: which; `job` is the first. NULL: none */
    json_t *unit;    /* as the helper gets it */
    struct handover h;
    uint32_t result; /* REPX_SUBMIT_*; 0: no answer */
    char *id, *text;
    char *surplus; /* an id that another claim is in the way of, or NULL */
};

struct submission {
    struct site *site;
    struct run *run;
    struct scheduler scheduler;
    unsigned options;
    int out;   /* event lines for the client; -1: nobody */
    int fresh; /* nobody submitted for this run before */
    int journal;
    struct repx_buf lines; /* of the journal, not yet written */
    json_t **plan;
    struct decided *jobs;
    struct run_state state;
    struct event_reader *reader;
    struct run *other; /* whose jobs were compared last, or NULL */
    json_t *readers;   /* submit_readers.c; NULL until somebody asks */
    struct pending *batch;
    size_t batch_count, batch_cap;
    size_t batch_most; /* asked for at once, at most */
    size_t *asked;     /* place in the request -> in the batch */
    size_t asked_count;
    json_t *steps; /* part of a step -> {id, key, n}: accepted; or NULL: nobody asks */
    json_t *given; /* ids of what was accepted in this round, in order */
    char *refusal; /* why a branch's unit was refused last, or NULL */
    char *room;    /* what was said when there was no room, or NULL */
    int has_backstop; /* the scheduler has limits, and jobs that submit jobs */
    int on_node;      /* this is a job of the scheduler's, not a session */
    int nodes;        /* may those submit? enum mode_nodes */
    int full;         /* one found no room: no more is asked for in this round */
    int trust;        /* what this run has submitted is taken for being there */
    int again;     /* one was given up: its job comes again, what waits for it, too */
    int stopped;   /* what is true could not be found out or written down */
    int overtaken; /* so it was, since what S/live said was no longer true */
    size_t queued; /* jobs of this run that were in the scheduler before */
    int64_t limits[3]; /* submit_limits.c */
    int limits_asked;
    int told; /* where the run will pause */
    size_t submitted, refused;
};

int submission_open(struct submission *s, struct site *site, struct run *run,
                    struct repx_err *err);
void submission_close(struct submission *s);
/* Write an event of the run and show it to the client; steals it. */
int submission_event(struct submission *s, json_t *event, struct repx_err *err);

/* Read the run's events, as far as there are new ones, into s->state. */
int submission_events(struct submission *s, struct repx_err *err);

/* Begin a round: read what is true of each job, and decide. */
int submission_know(struct submission *s, struct repx_err *err);
/* Hand over all that is to be, until there is no room. */
int submission_give(struct submission *s, struct repx_err *err);
size_t submission_count(const struct submission *s, enum decision what);

/* ---- submit_decide.c ---- */
/* Fill s->jobs: results, live work of this and other runs, dead work. */
int submission_decide(struct submission *s, struct repx_err *err);

/* Is it the key of the last scatter of this job in that run? */
int submission_is_scatter(const struct submission *s, const char *run, size_t job,
                          const char *key);

/* A plan line of another run, or NULL. Caller json_decref's. */
json_t *submission_other_plan(struct submission *s, const char *run, size_t index);

/* ---- submit_readers.c ---- */
/* Texts of the links of those of other runs who read that job's result, or NULL. Borrowed. */
const json_t *submission_readers(struct submission *s, const char *job);
/* They are looked for again in the next round. */
void submission_readers_forget(struct submission *s);

/* ---- submit_unit.c ---- */
/* Put a unit into the batch. deps is stolen. branch: -1, or explicit. */
int submission_add(struct submission *s, size_t job, const char *phase, size_t array,
                   json_t *deps, struct repx_err *err);
/* The branches first..first+count-1 of a step. deps is stolen. */
int submission_add_branches(struct submission *s, size_t job, const char *phase,
                            const size_t span[2], json_t *deps, struct repx_err *err);
/* The name of a part of a step in keys and s->steps: the phase, and "+FIRST" unless it is
 * the first part. Caller frees. */
char *submission_part(const char *phase, size_t first);
/* An array of jobs, phase main, all with the resources of the first. deps is stolen. */
int submission_add_array(struct submission *s, const size_t *members, size_t count,
                         json_t *deps, struct repx_err *err);
/* The feeder job. deps is stolen. */
int submission_add_feeder(struct submission *s, json_t *deps, struct repx_err *err);
/* The stage in a job id, "<digest>-<stage>"; "" when it is not of that form. */
const char *submission_stage(const char *id);
/* {"type", "id" or "key"} */
json_t *submission_dep(const char *type, const char *id, const char *key);

/* ---- submit.c ---- */
/* Put job i into the batch, and ask for the batch when it is full. */
int submit_job(struct submission *s, size_t i, struct repx_err *err);
/* -1 when the run was cancelled meanwhile. */
int submission_cancelled(const struct submission *s, struct repx_err *err);
/* It waits for nothing that failed and uses nothing stale: 1. 0 with its end written. */
int submit_may(struct submission *s, size_t i, struct repx_err *err);

/* ---- submit_branches.c ---- */
/* The scatter of this job is done, and its branches were left to whoever feeds: they are
 * handed over as far as there is room, and after the last of them the gather. */
int submission_branches(struct submission *s, size_t job, struct repx_err *err);

/* ---- submit_gather.c ---- */
/* The unit of that part of the job in this run that is on its way, by what the scheduler
 * says: its key, and its id (NULL: there is none; caller frees). -1 when it cannot be asked. */
/* NOLINTNEXTLINE(readability-function-size): one of them is the error */
int submission_alive(struct submission *s, size_t index, const char *part, char key[27],
                     char **id, struct repx_err *err);
/* Under the lease: the gather that S/live names for the job. 1 with *id (caller frees); 0: it
 * was never submitted, and its key is void now; -1. */
int submission_gather_find(struct submission *s, size_t index, char **id,
                           struct repx_err *err);
/* Is it past waiting? Then its branches were handed over before: the scheduler has started
 * the scatter once more. -1 when it cannot be asked. */
int submission_gather_began(struct submission *s, const char *key,
                            struct repx_err *err);
/* Has whoever submitted it, or the gather itself, said what it goes by? */
int submission_gather_claimed(struct submission *s, size_t index);
/* Submit the gather alone: 1; 0 it is to be tried later; -1. deps is stolen. */
int submission_gather_submit(struct submission *s, size_t index, json_t *deps,
                             struct repx_err *err);

/* ---- submit_hold.c ---- */
/* The branches of a job wait: leave the request for them, let its scatter (with this key)
 * stand for the job, and take back its gather and all that was submitted to follow that.
 * Only under the feed lease. */
int submission_hold(struct submission *s, size_t job, const char *scatter,
                    struct repx_err *err);
/* Find the requests of the run: marks their jobs `anew`. */
void submission_requests(struct submission *s);
/* Does the request for a job that is `anew` stand? S/live, as it was read, names `key`
 * (NULL: nobody or another run). One that was fulfilled is removed. */
int submission_request_stands(struct submission *s, size_t job, int there,
                              const char *key);

/* ---- submit_deps.c ---- */
/* What job i waits for: its producers' units, as far as these have not ended. All jobs of an
 * array are one dependency, on the array. */
json_t *submission_deps(const struct submission *s, size_t i);
/* The one producer that i waits for, when it is a job of an array that was submitted just
 * now: consumers of all jobs of that array may follow it index by index. Else -1. */
int64_t submission_parallel(const struct submission *s, size_t i);

/* ---- submit_array.c ---- */
/* The largest array worth asking for; 0: none. */
size_t submission_array_max(struct submission *s);
/* The largest array for that many branches, at most their number. */
size_t submission_branches_max(struct submission *s, size_t count);
/* Submit all jobs that need it, those of equal shape as arrays of at most `most`. */
int submission_arrays(struct submission *s, size_t most, struct repx_err *err);

/* ---- submit_halve.c ---- */
/* Number `at` of the batch, an array of jobs, found no room: its halves take its place. */
int submission_halve(struct submission *s, size_t at, struct repx_err *err);

/* ---- submit_limits.c ---- */
/* The scheduler's limit of arrays, as it was told lately (-1: it was not), and for later. */
int64_t submission_limit_known(const struct submission *s, const char *what);
void submission_limit_keep(const struct submission *s, const char *what, int64_t n);
/* What the scheduler says of itself, asked for once in a while: "array_max" (0: no arrays),
 * "index_ids", "submit_max" (0: not known). -1: nobody knows. */
int64_t submission_limit(struct submission *s, const char *what);
/* The largest array worth asking for after what was refused lately. */
size_t submission_learned(const struct submission *s, size_t most);
/* May jobs submit jobs? What the run record says, or what was seen; enum mode_nodes. */
int submission_nodes(const struct submission *s);

/* ---- submit_prepare.c ---- */
/* What must be on the target before unit number `at` of the batch is asked for. */
int submission_prepare(struct submission *s, size_t at, struct repx_err *err);

/* ---- submit_batch.c ---- */
/* Hand over everything in the batch, and write down what came of it. Afterwards the batch
 * is empty: what found no room is DECIDE_LATER. -1 when what is true could not be found out
 * or written down. */
int submission_flush(struct submission *s, struct repx_err *err);

/* Forget what is left in the batch: what was intended and never asked for is found by
 * whoever comes next. -1 when all had to stop. */
int submission_drop(struct submission *s);

/* ---- submit_ask.c ---- */
/* Ask the scheduler for keys: object key -> {"id", "state"}; NULL on failure. */
json_t *submission_find(struct submission *s, json_t *keys, struct repx_err *err);
/* The same of one key: 1 with *row (the caller json_decref's it); 0 there is none, *row is
 * NULL; -1. */
int submission_find_one(struct submission *s, const char *key, json_t **row,
                        struct repx_err *err);
/* Does a row (NULL: no) say that the unit waits or runs? */
int row_is_alive(const json_t *row);
/* Hand the units that are next to be submitted to the scheduler; each has seen its answer
 * afterwards. */
void submission_ask(struct submission *s, struct repx_err *err);
/* Look up those in doubt. */
void submission_look_up(struct submission *s, struct repx_err *err);

/* ---- submit_records.c ---- */
/* Write down what became of a unit, as its state says. */
int submission_record(struct submission *s, struct pending *p, struct repx_err *err);
/* A job of the run will not be submitted any more. */
int submission_refuse(struct submission *s, size_t job, const char *text,
                      struct repx_err *err);
/* The jobs of a unit: how many, and which. */
size_t pending_count(const struct pending *p);
size_t pending_job(const struct pending *p, size_t i);
int pending_is_step(const struct pending *p);
/* The feeder job, which is no job of the plan. */
int pending_is_feeder(const struct pending *p);

/* ---- submit_journal.c ---- */
int journal_write(struct submission *s, int durable, struct repx_err *err);
/* Add a line; steals it. */
void journal_line(struct submission *s, const char *what, const char *key,
                  json_t *more);

#endif
