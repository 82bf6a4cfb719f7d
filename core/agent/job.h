/* SPDX-License-Identifier: MIT */
/* job.h: the supervisor of one unit of work, and what its parts share.
 *
 *     claim -> cancelled? -> producers -> attempt -> runtime -> script -> end records
 *
 * The order of the records at the end is docs/state-format.md section 7. */
#ifndef REPX_AGENT_JOB_H
#define REPX_AGENT_JOB_H

#include <jansson.h>

#include "core/agent/agent.h"
#include "core/agent/job_process.h"
#include "core/agent/state.h"

/* One try: a directory of its own with `out` and `repx` in it. */
struct attempt {
    char *home; /* relative to B: "outputs/<id>", ".../scatter", ".../step-X" */
    char *dir;  /* relative to B: "<home>/attempts/<n>" */
    char *out;  /* absolute */
    char *repx; /* absolute */
    unsigned n;
    int record_fd; /* attempt.json, for its second line */
    int out_fd, err_fd;
};

struct unit {
    struct site *site;
    struct run *run;
    size_t index;
    json_t *plan; /* the job's plan line */
    json_t *made; /* producer -> its attempt to read, where J/out may be another's */
    const json_t *exe;   /* of this phase */
    const char *id;      /* job id */
    const char *phase;   /* "main", "scatter", "gather" or "step-NAME" */
    int64_t branch;      /* of a step, else -1 */
    const char *key;     /* submission key */
    const char *sched;   /* scheduler's name */
    const char *unit_id; /* the scheduler's id of this unit */
    int in_array;        /* one job of several in an array */
    /* After its end: hand over what waits for room; or NULL. */
    void (*feed)(struct site *site, const char *run);
};

/* ---- producers (job_producer.c) ---- */

/* 1 when all succeeded under their planned work keys, 0 with *by the one that did not, -1. */
int producers_ready(struct unit *u, size_t *by, struct repx_err *err);
/* How long another host's news may take. */
int64_t producer_wait_ms(const struct unit *u);

/* ---- input files (job_inputs.c) ---- */

/* Every `$out` in a template becomes `dir`. Caller frees. */
char *template_fill(const char *template, const char *dir);
/* inputs.json of the entry executable: an object of strings. Caller json_decref's. */
json_t *entry_inputs(const struct unit *u);
/* Add the plan's gather_inputs to it. */
void gather_inputs_add(const struct unit *u, json_t *inputs);
/* Write a value (NULL: null) as <a->dir>/repx/<name>. */
int attempt_write(const struct unit *u, const struct attempt *a, const char *name,
                  const json_t *value, struct repx_err *err);

/* inputs.json and parameters.json of the job, as its entry executable gets them. */
int attempt_files(const struct unit *u, struct attempt *a, struct repx_err *err);
/* Absolute path of <a->repx>/<name>. Caller frees. */
char *attempt_path(const struct attempt *a, const char *name);

/* ---- attempts (job_attempt.c) ---- */

/* The lowest free number below home, with out, repx and open logs. */
int attempt_make(const struct unit *u, const char *home, struct attempt *a,
                 struct repx_err *err);
/* Make home/out and home/repx lead to it, and write the first line of attempt.json; in:
 * digest of what a cached phase depends on, or NULL. */
int attempt_begin(const struct unit *u, struct attempt *a, const char *in,
                  struct repx_err *err);
/* Second line of attempt.json, then the marker. */
int attempt_end(const struct unit *u, struct attempt *a, const struct outcome *o,
                struct repx_err *err);
void attempt_finish(struct attempt *a);

/* ---- records (job_record.c) ---- */

/* An event of this unit with its phase, branch and (unless 0) attempt. */
json_t *event_of(const struct unit *u, const char *what, unsigned n);
/* {ok, exit, signal, reason, ms, mem, cpu_ms} */
json_t *outcome_json(const struct outcome *o);
int record_start(const struct unit *u, const struct attempt *a, struct repx_err *err);
/* n 0: there was no attempt. */
int record_end(const struct unit *u, unsigned n, const struct outcome *o,
               struct repx_err *err);
/* The job is over: completions.jsonl, event, S/live, and `stop` after a failure of a
 * run that wants it. */
int record_job_end(const struct unit *u, unsigned n, const struct outcome *o,
                   struct repx_err *err);

/* ---- running (job_script.c) ---- */

/* Run the phase's executable with its three arguments: out directory, inputs, parameters
 * (absolute paths). Fills *o, whatever happens. */
void script_run(const struct unit *u, const struct attempt *a, const char *inputs,
                const char *parameters, struct outcome *o);

/* ---- phases ---- */

/* Each returns the exit status of the supervisor. */
int phase_scatter(struct unit *u, struct repx_err *err); /* scatter.c */
int phase_step(struct unit *u, struct repx_err *err);    /* scatter_step.c */
int phase_gather(struct unit *u, struct repx_err *err);  /* scatter_gather.c */

/* One unit from claim to end, as job_main does it. */
int unit_run(struct unit *u, struct repx_err *err);
/* Fill *u for a phase of job `index`; u->site and u->run are set. */
int unit_open(struct unit *u, const char *phase, int64_t branch, struct repx_err *err);
void unit_close(struct unit *u);
/* B/.repx/state names the state directory where it is not B/.repx itself; NULL: it is.
 * Caller frees. */
char *state_path_read(const char *base);

#endif
