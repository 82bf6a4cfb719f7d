/* SPDX-License-Identifier: MIT */
/* follow.h: what people and clients without the Lab are told of runs (docs/following.md). */
#ifndef REPX_AGENT_FOLLOW_H
#define REPX_AGENT_FOLLOW_H

#include "core/agent/state.h"

/* ---- run_find.c ---- */

/* Ids of all runs of the base path, newest first. Caller frees each and the array. */
char **run_ids(struct site *site, size_t *count, struct repx_err *err);
void run_ids_free(char **ids, size_t count);
/* The run that an id, its unique beginning (also of what follows the time) or "last"
 * names; NULL with REPX_E_NOENT or REPX_E_USAGE. Caller frees. */
char *run_find(struct site *site, const char *text, struct repx_err *err);

/* ---- run_summary.c ---- */

#define SUMMARY_FIRST 64 /* failures that are remembered in their order */

struct summary {
    struct site *site;
    struct run *run;
    struct run_state state;
    struct event_reader *reader;
    int64_t *started, *ended; /* t per job, 0: not yet */
    int64_t *submitted;       /* t of the newest submission, 0: none */
    int64_t *left;    /* t when it left the queue without a record of its end, or 0 */
    int64_t *index;   /* within an array of jobs, else -1 */
    char (*keys)[27]; /* of the unit of each job, "" before */
    size_t first[SUMMARY_FIRST], first_count;
    size_t before;    /* complete when the run was submitted */
    json_t *waiting;  /* the scheduler's reason -> how many jobs; NULL: never asked */
    size_t gone;      /* neither in the queue nor ended, by that answer */
    int64_t asked_t;  /* when that answer came, 0: never */
    char *ask_error;  /* why the last question failed, or NULL */
    int64_t ask_next; /* the budget does not allow one for so many ms */
};

int summary_open(struct summary *s, struct site *site, struct run *run,
                 struct repx_err *err);
void summary_close(struct summary *s);
/* Read new events. How many, or -1. */
int64_t summary_poll(struct summary *s, struct repx_err *err);
/* Jobs in each JOB_* state; `counts` has JOB_BLOCKED + 1 of them. */
void summary_counts(const struct summary *s, size_t *counts);
json_t *summary_states(const struct summary *s);
/* When the result of the first job that succeeded was made, by the clock that a purge goes by:
 * its file's. ms, 0: none. */
int64_t summary_made(const struct summary *s);
/* The part of the run record that every answer begins with. */
json_t *summary_head(const struct run *run);
/* {`count`, `first`: ids}: results that are no longer what their manifests say. */
json_t *summary_purged(const struct summary *s);
/* One more job for that reason; after several different ones for "other". */
void summary_count(json_t *words, const char *word);
/* Everything of one screen. Reads the plan lines of the few jobs it names. */
json_t *summary_json(const struct summary *s);

/* ---- run_queue.c ---- */

/* Why jobs wait, by one question to the scheduler, or the answer of a question of at most
 * max_age_ms ago, whoever asked it. When asking fails, the last answer stays. */
void summary_ask(struct summary *s, int64_t max_age_ms);

/* ---- workers ---- */

/* One line of JSON to `out`; steals it. */
int follow_line(int out, json_t *value, struct repx_err *err);
int run_list(struct site *site, int64_t limit, int out, struct repx_err *err);
int run_show(struct site *site, const char *text, int64_t options, int out,
             struct repx_buf *fields, struct repx_err *err);
int run_jobs(struct site *site, const char *text, int out, struct repx_buf *fields,
             struct repx_err *err);
int jobs_cancel(struct site *site, const char *run, char *ids, int out,
                struct repx_buf *fields, struct repx_err *err);
int job_explain(struct site *site, const char *job, int out, struct repx_err *err);

#endif
