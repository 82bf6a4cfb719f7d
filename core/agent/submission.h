/* SPDX-License-Identifier: MIT */
/* submission.h: what a submitter, a feeder and a job that starts do next. Pure: nothing here
 * reads, writes, waits or knows the time. Whoever executes asks `*_next` for one action, does
 * it, and tells `*_saw` what came of it; a process that dies forgets its machine, and what
 * lies on the file system and in the scheduler is all that the next one begins with.
 *
 *     judge      what is to be done about one job: facts in, a verdict out (no memory)
 *     handover   one unit on its way to the scheduler: intent, look-up, claim, record
 *     feeder     one process that feeds one run: lease, records, handovers, backstop
 *     entry      a unit that starts: claim, still meant, producers, script, feed
 *     mode       who submits what the first call could not (may nodes submit?)
 *
 * What is on the file system (docs/state-format.md): intent and outcome of every key in the
 * journal; S/sub/KEY/id, the claim, made with link(2) by whoever comes first and never
 * changed; S/live/<job>, which key a job's work goes by now, replaced only under the lease;
 * S/lease/feed; results below outputs; events. A key is handed over again only when the
 * scheduler had no room for it: should it turn up all the same, the claim decides. */
#ifndef REPX_AGENT_SUBMISSION_H
#define REPX_AGENT_SUBMISSION_H

#include <stddef.h>
#include <stdint.h>

/* The safeguards. Programs use submission_rules_all; a test may leave one out to see that it
 * is missed. */
struct submission_rules {
    unsigned claim : 1; /* submitter and job make and obey S/sub/KEY/id */
    unsigned
        look_up : 1; /* after a doubt the scheduler is asked before it is asked again */
    unsigned lease : 1;     /* one submitter at a time on a base path */
    unsigned producers : 1; /* a job looks itself whether its producers succeeded */
};
extern const struct submission_rules submission_rules_all;

/* ---- judge: one job of a run ------------------------------------------------------------ */

enum facts_end { END_NONE, END_WELL, END_BADLY }; /* events of this run */
enum facts_result {
    RESULT_NONE,
    RESULT_CURRENT,
    RESULT_STALE
}; /* markers, attempt.json */
enum facts_live {
    LIVE_NOBODY,
    LIVE_OURS,       /* S/live names this run */
    LIVE_OTHER_SAME, /* another run, same work key */
    LIVE_OTHER_WORK, /* another run, another work key */
};
enum facts_claim { CLAIMED_NOT, CLAIMED_BY_SUBMITTER, CLAIMED_BY_JOB, CLAIMED_VOID };
enum facts_row {
    ROW_NOT_ASKED,
    ROW_FAILED, /* the question failed: that is no answer */
    ROW_ABSENT, /* the scheduler does not know the key */
    ROW_ALIVE,  /* pending or running */
    ROW_OVER,
};

struct job_facts {
    enum facts_end end;
    enum facts_result result;
    int rerun_stale; /* a stale result does not count */
    enum facts_live live;
    enum facts_claim claim; /* of the key that S/live names */
    int maker_alive;        /* of a claim by the job: 1, 0, -1 not knowable here */
    int other_scheduler;    /* the claim names a scheduler that was not asked */
    enum facts_row row;     /* of the key that S/live names, asked by key */
};

enum verdict {
    VERDICT_DONE,   /* its result is there */
    VERDICT_ENDED,  /* it ended in this run, and not well: stays so */
    VERDICT_SUBMIT, /* nobody works on it: hand over under a new key */
    VERDICT_FOLLOW, /* the unit that S/live names works on it */
    VERDICT_ADOPT, /* the scheduler has it and no claim is there: a submitter died before
                      * it wrote the id down. Claim with the row's id, then as FOLLOW; if the
                      * claim turns out to be void, as SUBMIT */
    VERDICT_VOID, /* neither claim nor row: make the claim void, then as SUBMIT; if a job
                      * made it first, as FOLLOW */
    VERDICT_AFTER, /* other work on the same job id goes on: hand over, after its end */
    VERDICT_ASK,   /* the scheduler must be asked for the key (row), then judge again */
    VERDICT_UNKNOWN, /* what is true cannot be found out now: no submission at all */
};

/* Facts are to be gathered in this order: end, live, result, claim, row; and result once more
 * after row whenever the verdict would be SUBMIT, VOID or AFTER: what ended in between has
 * its result there. Without a row (ROW_NOT_ASKED) the verdict is ASK where it matters. */
enum verdict submission_judge(const struct submission_rules *rules,
                              const struct job_facts *facts);

/* ---- handover: one unit (a job, an array, a phase) and its key ------------------------- */

#define HANDOVER_LOOKS 3 /* look-ups that must find nothing before a key is given up */
#define HANDOVER_LOOK_MS \
    2000 /* between them: what was asked for may appear a little later */
#define HANDOVER_TRIES \
    3 /* keys of one job in a row of which the scheduler knew nothing */

enum handover_state {
    HANDOVER_PLANNED,  /* in the plan, and nothing else */
    HANDOVER_INTENDED, /* key, jobs and array are in the journal, flushed */
    HANDOVER_PREPARED, /* S/sub/KEY, its table, S/live of each job */
    HANDOVER_HELD,     /* the lease was ours just now */
    HANDOVER_DOUBT,    /* asked, no answer */
    HANDOVER_PAUSE,    /* looked up without success; before the next look */
    HANDOVER_FORLORN,  /* nobody knows it: to be made void */
    HANDOVER_KNOWN,    /* its id is known (`id` is the executor's to keep) */
    HANDOVER_CLAIMED,  /* the claim names that id */
    HANDOVER_SURPLUS, /* submitted, but the key is void or another unit's: withdraw it */
    HANDOVER_NO_ROOM, /* the scheduler has it not, and would take it later */
    HANDOVER_NOT_WANTED,
    HANDOVER_GIVEN_UP, /* the claim is void */
    /* from here on nothing is left to do */
    HANDOVER_QUEUED,  /* in the scheduler, claimed, written down */
    HANDOVER_SPLIT,   /* replace it by its two halves, each a new handover */
    HANDOVER_LATER,   /* stays planned: waits for room */
    HANDOVER_REFUSED, /* refused for good */
    HANDOVER_VOID, /* this key never runs; its jobs may be handed over under another */
    HANDOVER_STOPPED, /* could not be written down or found out: nobody submits any more */
};

enum handover_act {
    HANDOVER_DO_INTEND,  /* journal `intend`, flushed -> OK, FAILED */
    HANDOVER_DO_PREPARE, /* S/sub/KEY, table, S/live -> OK, FAILED */
    HANDOVER_DO_HOLD,    /* is the lease still ours? touch it -> OK, FAILED */
    HANDOVER_DO_SUBMIT,  /* ask the scheduler -> ACCEPTED, REFUSED, ROOM, NO_ANSWER */
    HANDOVER_DO_LOOK_UP, /* ask it for the key -> FOUND, ABSENT, FAILED */
    HANDOVER_DO_WAIT,    /* HANDOVER_LOOK_MS -> OK */
    HANDOVER_DO_CLAIM,   /* link(2) a claim with the id -> OK, CLAIM_SAME, CLAIM_VOID,
                           * CLAIM_OTHER, FAILED */
    HANDOVER_DO_VOID, /* link(2) a void claim -> OK, CLAIM_VOID, CLAIM_OTHER, FAILED */
    HANDOVER_DO_WITHDRAW, /* cancel the unit of that id -> OK, FAILED */
    HANDOVER_DO_RECORD, /* journal and events say what became of it -> OK, FAILED. State
                           * CLAIMED: accepted; NO_ROOM: no room, S/live goes; NOT_WANTED:
                           * refused, S/live goes; GIVEN_UP: void, S/live goes */
    HANDOVER_DO_NOTHING, /* it is over: see the state */
};

enum handover_saw {
    HANDOVER_SAW_OK,
    HANDOVER_SAW_FAILED,
    HANDOVER_SAW_ACCEPTED, /* with an id */
    HANDOVER_SAW_REFUSED,
    HANDOVER_SAW_ROOM,      /* refused for room: it is not there */
    HANDOVER_SAW_NOT_TRIED, /* since one before it got no answer or no room: not there */
    HANDOVER_SAW_NO_ANSWER,  /* timed out, broken off, killed: it may be there */
    HANDOVER_SAW_FOUND,      /* with an id, whatever its state */
    HANDOVER_SAW_ABSENT,     /* the scheduler answered, and does not know it */
    HANDOVER_SAW_CLAIM_SAME, /* a claim is there with the very id */
    HANDOVER_SAW_CLAIM_VOID, /* a void claim is there */
    HANDOVER_SAW_CLAIM_OTHER, /* a claim is there with another id, which counts from now on */
};

struct handover {
    enum handover_state state;
    size_t array;         /* jobs that may be cut in two; 0 or 1: cannot be */
    unsigned looks;       /* that found nothing */
    unsigned failures;    /* look-ups that failed in a row */
    unsigned shelved : 1; /* without having been tried: never SPLIT */
    unsigned instead : 1; /* SURPLUS: another unit has the key, and is queued */
};

struct handover handover_begin(size_t array);
enum handover_act handover_next(const struct submission_rules *rules,
                                const struct handover *h);
/* It was not asked for yet and is not to be now: it waits for room, with the others. */
int handover_may_shelve(const struct handover *h);
void handover_shelve(struct handover *h);
/* An observation that does not fit the action is a failure. */
void handover_saw(const struct submission_rules *rules, struct handover *h,
                  enum handover_saw saw);
int handover_over(const struct handover *h);

/* ---- feeder: one process that feeds one run --------------------------------------------- */

enum feeder_who {
    FEEDER_CLIENT, /* a session submits the run: waits for the lease, and a minute for
                      * room when there is none for a single unit */
    FEEDER_WATCH, /* a session that follows the run: only when a feed is due, never waits */
    FEEDER_JOB, /* a supervisor at its end: the same, unless it is the last of its run
                      * and there is no room for a feeder job: it stays for a while */
    FEEDER_BACKSTOP, /* the feeder job: waits for room */
};

#define FEEDER_REST_MS 5000 /* after a round that found no room: nobody tries before */
#define FEEDER_WAIT_MS 5000 /* of who waits for room */
#define FEEDER_CLIENT_ROUNDS 12 /* a session that found no room at all, for nothing */
#define FEEDER_BACKSTOP_ROUNDS 120 /* without any room: then it gives up */
#define FEEDER_ROUNDS 100          /* of the others, because of wishes */

enum feeder_state {
    FEEDER_BEGIN,
    FEEDER_WISH,    /* the wish for a feed is to be left before the lease is tried */
    FEEDER_TRY,     /* the lease is to be taken */
    FEEDER_HAVE,    /* the lease is ours; the wish is to be taken away */
    FEEDER_KNOW,    /* records are to be read, all jobs judged */
    FEEDER_GUARD,   /* units will have to wait: a backstop is to be there first */
    FEEDER_GIVE,    /* handovers in topological order, until one finds no room */
    FEEDER_KEEP,    /* what waits, and why, is to be written down */
    FEEDER_LEAVE,   /* the lease is to be dropped */
    FEEDER_GLANCE,  /* did somebody leave a wish meanwhile? */
    FEEDER_REST,    /* wait and try again */
    FEEDER_OVER,    /* done */
    FEEDER_STOPPED, /* could not: the next session or supervisor tries */
};

enum feeder_act {
    FEEDER_DO_LOOK, /* does the run wait for room, and is a feed due? -> YES, NO */
    FEEDER_DO_WISH, /* create S/waiting/<run>.wish -> OK, FAILED (both go on) */
    FEEDER_DO_LEASE, /* take S/lease/feed -> OK, BUSY, FAILED. CLIENT and BACKSTOP wait */
    FEEDER_DO_UNWISH, /* remove S/waiting/<run>.wish -> OK */
    FEEDER_DO_KNOW, /* read records, judge -> NONE (nothing is to be handed over), FITS
                         * (as far as is known all of it will be taken), MORE (it will not,
                         * or it is not the first time), FAILED */
    FEEDER_DO_BACKSTOP, /* a feeder job is queued already, or is handed over now, as any unit:
                         * -> OK, ROOM (all goes on without), FAILED */
    FEEDER_DO_GIVE,  /* handovers -> NONE (nothing is left), MORE (some were taken, some
                         * found no room), ROOM (none was taken), ALONE (nor has the scheduler
                         * any other unit of the run, which would feed at its end), FAILED */
    FEEDER_DO_KEEP,  /* write, or when nothing is left remove, S/waiting/<run>; a
                         * backstop is amended to follow what was handed over -> OK, FAILED */
    FEEDER_DO_LEAVE, /* drop the lease -> OK */
    FEEDER_DO_GLANCE, /* is there a wish? -> YES, NO */
    FEEDER_DO_WAIT,   /* FEEDER_WAIT_MS -> OK, BUSY (a JOB: another stays already) */
    FEEDER_DO_NOTHING,
};

enum feeder_saw {
    FEEDER_SAW_OK,
    FEEDER_SAW_FAILED,
    FEEDER_SAW_YES,
    FEEDER_SAW_NO,
    FEEDER_SAW_BUSY,
    FEEDER_SAW_NONE,
    FEEDER_SAW_FITS,
    FEEDER_SAW_MORE,
    FEEDER_SAW_ROOM,
    FEEDER_SAW_ALONE,
};

struct feeder {
    enum feeder_state state;
    enum feeder_who who;
    unsigned nodes : 1; /* compute nodes may submit, as far as is known */
    unsigned
        guarded : 1;     /* a backstop is queued, or there was no room for one either */
    unsigned placed : 1; /* it is queued */
    unsigned some : 1;   /* units were taken in this round */
    unsigned left : 1;   /* something waits */
    unsigned alone : 1;  /* nobody else of the run is in the queue */
    unsigned failed : 1;
    unsigned rounds;
};

struct feeder feeder_begin(enum feeder_who who, int nodes);
enum feeder_act feeder_next(const struct submission_rules *rules,
                            const struct feeder *f);
void feeder_saw(const struct submission_rules *rules, struct feeder *f,
                enum feeder_saw saw);
int feeder_over(const struct feeder *f);

/* ---- entry: a unit that starts ---------------------------------------------------------- */

enum entry_state {
    ENTRY_BEGIN,
    ENTRY_MINE,     /* the claim is ours */
    ENTRY_MEANT,    /* S/live names this key (or nobody, and no end is there) */
    ENTRY_WANTED,   /* the run goes on */
    ENTRY_READY,    /* producers succeeded */
    ENTRY_HINDERED, /* a producer did not: blocked */
    ENTRY_UNWANTED, /* the run was cancelled or stopped */
    ENTRY_ENDED,    /* the end is written: what waits for room may come */
    ENTRY_OVER,
    ENTRY_BROKEN, /* what is true could not be found out */
};

enum entry_act {
    ENTRY_DO_CLAIM, /* read the claim, make it when there is none -> YES, NO, FAILED */
    ENTRY_DO_MEANT, /* -> YES, NO, FAILED. Stale reads are waited out by the executor */
    ENTRY_DO_WANTED,    /* -> YES, NO */
    ENTRY_DO_PRODUCERS, /* each succeeded under the planned work key? -> YES, NO, FAILED */
    ENTRY_DO_RUN,       /* attempt, script, end records -> YES, NO: both are an end */
    ENTRY_DO_BLOCKED,   /* event, S/live goes -> YES */
    ENTRY_DO_CANCELLED, /* event, S/live goes -> YES */
    ENTRY_DO_FEED,      /* a feeder (FEEDER_JOB) for the runs that wait -> YES */
    ENTRY_DO_NOTHING,
};

enum entry_saw { ENTRY_SAW_YES, ENTRY_SAW_NO, ENTRY_SAW_FAILED };

struct entry {
    enum entry_state state;
    unsigned first : 1; /* its producers are other jobs: phase main or scatter */
};

struct entry entry_begin(int first);
enum entry_act entry_next(const struct submission_rules *rules, const struct entry *e);
void entry_saw(const struct submission_rules *rules, struct entry *e,
               enum entry_saw saw);
int entry_over(const struct entry *e);

/* ---- mode: who submits -------------------------------------------------------------------- */

enum mode_nodes { NODES_UNKNOWN = -1, NODES_NO = 0, NODES_YES = 1 };

struct mode {
    unsigned supervisors : 1; /* feed at their end, a backstop behind them */
    unsigned client : 1;      /* an attached client feeds; without one the run pauses */
    unsigned branches : 1;    /* scatters submit their branches; else a client does */
    unsigned pauses : 1;      /* `run` says so before it submits */
};

/* The table of docs/feeding.md. */
struct mode submission_mode(enum mode_nodes nodes, int fits, int scatters);

#endif
