/* SPDX-License-Identifier: MIT */
/* state.h: the records of docs/state-format.md. All readers treat bytes as hostile. */
#ifndef REPX_AGENT_STATE_H
#define REPX_AGENT_STATE_H

#include <jansson.h>
#include <stdint.h>

#include "core/agent/agent.h"

/* ---- runs and plans (state_run.c) ---- */

struct run {
    char *id;
    json_t *record; /* run record, checked */
    int dir;        /* S/runs/<id> */
    int plan_fd;
    int event_fd;      /* opened by the first event_write, else -1 */
    uint64_t *offsets; /* count + 1, little endian as on disk (mapped) */
    size_t count;
};
/* Is it a run id (docs/state-format.md 1)? */
int run_id_ok(const char *id);
struct run *run_open(struct site *site, const char *id, struct repx_err *err);
void run_close(struct run *run);
/* Plan line i, parsed and checked: every key of section 2 has the right type, every id and
 * path is safe. Caller json_decref's. */
json_t *run_plan(const struct run *run, size_t i, struct repx_err *err);
/* Check one run record or plan line; the fuzz targets' entry. */
json_t *run_record_parse(const char *line, size_t n, struct repx_err *err);
json_t *plan_line_parse(const char *line, size_t n, struct repx_err *err);
json_t *event_parse(const char *line, size_t n, struct repx_err *err);
json_t *claim_parse(const char *line, size_t n, struct repx_err *err);
json_t *lease_parse(const char *line, size_t n, struct repx_err *err);
json_t *journal_parse(const char *line, size_t n, struct repx_err *err);
json_t *attempt_parse(const char *line, size_t n, struct repx_err *err);

/* Now, in the milliseconds of `t`. */
int64_t state_now_ms(void);

/* ---- room for the last words (state_reserve.c) ---- */

/* Keep a little room, unless it is kept already; not being able to is no failure. */
void reserve_make(const struct site *site);
/* A record could not be written: errno tells why. Is it to be tried again, since there may be
 * room now? *tries counts, from 0; errno stays. */
int reserve_try(const struct site *site, unsigned *tries);

/* ---- events (state_event.c) ---- */

/* Append to S/runs/<run>/events/<host>; adds v and t; steals `event`. */
int event_write(struct site *site, struct run *run, json_t *event,
                struct repx_err *err);

/* Reads all event files of a run from where it stopped last. */
struct event_reader *event_reader_open(struct site *site, const struct run *run,
                                       struct repx_err *err);
/* Calls each new line (without newline, parsed). Returns the number of them or -1. */
int64_t event_reader_poll(struct event_reader *r,
                          void (*each)(void *ctx, const json_t *event, const char *line,
                                       size_t n),
                          void *ctx, struct repx_err *err);
void event_reader_close(struct event_reader *r);

/* What the events and the plan say together about every job of the run. */
struct run_state {
    size_t count;
    uint8_t *status;   /* JOB_* of verbs.h per plan index */
    uint8_t *terminal; /* ended */
    char **reason; /* or NULL; of JOB_BLOCKED: index of the job that failed, as text */
    uint32_t *attempt; /* the newest attempt known, 0: none */
    size_t left;       /* jobs not terminal */
    size_t failed;     /* jobs that ended otherwise than well */
    size_t *deps; /* producers, filled by the first run_state_block that needs them */
    size_t *deps_at;   /* count + 1 */
    size_t blocked_at; /* `failed` when run_state_block looked last */
};
void run_state_init(struct run_state *s, size_t count);
void run_state_event(struct run_state *s, const json_t *event);
/* Mark what can no longer run because a producer failed; calls `blocked` for each new. */
int run_state_block(struct run_state *s, const struct run *run,
                    void (*blocked)(void *ctx, size_t i, size_t by), void *ctx,
                    struct repx_err *err);
void run_state_finish(struct run_state *s);

/* ---- claims, leases, live links (state_claim.c) ---- */

/* docs/state-format.md 1: "k" + 25 characters. */
void submission_key(const char *run, const char *job, const char *phase,
                    unsigned generation, char key[27]);
#define GENERATIONS_MAX 10000 /* of one phase of one job in one run */
/* The key of the last generation that was begun: 1; 0 there is none. */
int sub_last_key(const struct site *site, const char *run, const char *job,
                 const char *phase, char key[27]);
/* Create S/sub/KEY. */
int sub_create(struct site *site, const char *key, struct repx_err *err);
#define CLAIM_SUBMITTER 1
#define CLAIM_JOB 2
#define CLAIM_VOID 3
/* Make the claim, or find the one there: *claim (caller json_decref's) is what counts now.
 * Returns 1 when it is ours, 0 when it was there before, -1. */
int claim_make(struct site *site, const char *key, int by, const char *sched,
               const char *id, json_t **claim, struct repx_err *err);
json_t *claim_read(struct site *site, const char *key,
                   struct repx_err *err); /* or NULL, NOENT */
int claim_there(const struct site *site,
                const char *key); /* is there one, of any kind? */

/* Take S/lease/<name>, waiting up to wait_ms. *epoch gets its number. */
int lease_take(struct site *site, const char *name, int64_t wait_ms, uint64_t *epoch,
               struct repx_err *err);
/* Does somebody hold it now? A look only: whoever asks must not rely on it for long. */
int lease_is_held(struct site *site, const char *name);
void lease_drop(struct site *site, const char *name);
/* The holder says at least every 20 s that it lives. -1: the lease is no longer ours. */
int lease_touch(struct site *site, const char *name, struct repx_err *err);
/* Is a process of a record (host, boot, pid, start) alive? 1, 0, -1 not knowable here. */
int record_alive(struct site *site, const json_t *record);
/* A record of this process: host, boot, pid, start, t, and v. */
json_t *record_self(const struct site *site);

/* S/live/<job>: who works on it. 1 with *run, *index and *key (caller frees run), 0 nobody. */
int live_get(struct site *site, const char *job, char **run, size_t *index,
             char key[27], struct repx_err *err);
int live_set(struct site *site, const char *job, const char *run, size_t index,
             const char *key,
             struct repx_err *err); /* replaces; only under the feed lease */
/* The same in the place of the link of key `seen` ("": of none) and of no other: 1, or 0
 * when another was made since that was read. Who was stopped for longer than his lease
 * lasts does not undo what others did meanwhile. */
struct live_link {
    const char *run;
    size_t index;
    const char *key;
};
int live_take(struct site *site, const char *job, const struct live_link *to,
              const char *seen, struct repx_err *err);
/* What an NFS client remembers of a directory is dropped when that is opened anew. */
void dir_look_again(int at, const char *dir);
/* What an NFS client remembers of S/live and S/next is dropped when these are opened anew. */
void live_look_again(struct site *site);
/* Remove it if it is this run's; and this key's, unless key is NULL. */
void live_clear(struct site *site, const char *job, const char *run, const char *key);

/* ---- arrays of jobs (state_array.c) ---- */

/* Write S/sub/KEY/table: what each index means. */
int array_write(struct site *site, const char *key, const size_t *jobs, size_t count,
                struct repx_err *err);
/* The job of an index: 1 with *job, 0 when KEY is no array of jobs, -1. */
int array_job(struct site *site, const char *key, int64_t index, int64_t *job,
              struct repx_err *err);
/* The index of a job within KEY, -1 when KEY is no array of jobs or has not that one. */
int64_t array_index(struct site *site, const char *key, size_t job);
/* Id of one index as people and schedulers name it, "ID_INDEX"; the id itself when index
 * is -1. Caller frees. */
char *array_unit(const char *id, int64_t index);

/* ---- cancelling one job (state_cancel.c) ---- */

/* A supervisor's word for a TERM that repx did not cause, until accounts tell by whom. */
#define CANCELLED_OUTSIDE "cancelled outside repx"

/* Note in S/sub/KEY/cancel that these jobs of a run (their indices in its plan) are to end
 * by the wish of a user of repx. Only under the feed lease. */
int cancel_mark(struct site *site, const char *key, const size_t *jobs, size_t count,
                struct repx_err *err);
/* Is the job among them? */
int cancel_marked(struct site *site, const char *key, size_t job);

/* ---- results (state_result.c) ---- */

/* What markers, completions.jsonl and attempt.json say of a job: JOB_SUCCEEDED, JOB_FAILED or
 * JOB_UNKNOWN; *stale is 1 when the result names another work key than `key` (NULL: any). */
int result_status(struct site *site, const char *job, const char *key, int *stale,
                  char **reason);
/* Another host may have changed what this one remembers. */
int site_is_nfs(const struct site *site);
/* Opening its directories anew makes an NFS client drop what it remembers of them. */
void result_look_again(struct site *site, const char *job);
/* The two lines of <dir>/attempt.json, dir relative to `at`; NULL for what is not there.
 * Caller json_decref's both. */
void attempt_read(int at, const char *dir, json_t **first, json_t **second);
/* The number of the attempt that J/repx leads to; 0: none of ours. */
unsigned attempt_current(const struct site *site, const char *job);
/* Of the attempts that succeeded under that work key the last, whichever one counts; 0. */
unsigned attempt_of_work(const struct site *site, const char *job, const char *key);
int completion_append(struct site *site, const char *job, int ok, struct repx_err *err);

#endif
