/* SPDX-License-Identifier: MIT */
/* state.h: a Lab while it is read, and what its parts do. Only core/lab sees this. */
#ifndef REPX_LAB_STATE_H
#define REPX_LAB_STATE_H

#include "doc.h"
#include "lab.h"
#include "source.h"

#define LAB_TEXT_MAX ((size_t)1 << 30) /* a metadata file */

struct lab_file { /* a line of the manifest */
    size_t entry;
    const char *path;
    uint8_t digest[REPX_DIGEST_LEN];
};

struct lab_raw_run {
    const char *name, *image, *file;
    const char **jobs; /* ids */
    size_t job_count;
};

struct lab_state {
    struct lab lab; /* first: a struct lab is the beginning of its state */
    struct arena arena;
    struct intern names;
    struct source source;
    int entries_checked;
    struct repx_err *err; /* of the call in progress */
    /* while reading; freed at the end of lab_open */
    struct lab_file *files;
    size_t file_count, file_cap;
    const char *metadata;     /* the root metadata */
    const char *reading;      /* id of the job being read */
    struct lab_job *raw_jobs; /* in reading order, repetitions and all */
    const char **raw_files;   /* the run file of each */
    size_t raw_count, raw_cap;
    struct lab_raw_run *raw_runs;
    size_t raw_run_count;
    struct lab_job *jobs;   /* lab.jobs */
    const char **job_files; /* of each job in lab.jobs: where it was defined */
};

/* An error about a job: "FILE: jobs.ID: ...". */
int state_fail(struct lab_state *s, size_t job, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Read a metadata file by `read`, all of it. */
int state_read(struct lab_state *s, const char *file,
               int (*read)(struct doc *d, void *to), void *to, struct repx_err *err);
/* A path in a metadata file (a doc field of type string): cleaned, and what it leads to
 * must be there, inside the Lab. *at may be NULL. */
int state_path(struct doc *d, const char **path, size_t *at);

/* manifest.c: find lab/ *lab-metadata.json in the index; read it; compare digests. */
int lab_manifest_read(struct lab_state *s, struct repx_err *err);
int manifest_check(struct lab_state *s, struct repx_err *err);

/* root.c: root metadata with its runs and groups; host-tools/. */
int root_read(struct lab_state *s, struct doc_strings *runs, struct repx_err *err);
int host_tools_find(struct lab_state *s, struct repx_err *err);

/* run.c: one run file; then all jobs and runs in order. */
int run_read(struct lab_state *s, const char *file, struct repx_err *err);
int runs_settle(struct lab_state *s, struct repx_err *err);
/* job.c: one job object. */
int job_read(struct doc *d, const char *id, struct lab_job *job);

/* graph.c: what jobs need of each other; fills deps. */
int graph_check(struct lab_state *s, struct repx_err *err);
const struct lab_output *state_output(const struct lab_exe *exe, const char *name);
/* steps.c: the step graph of a scatter-gather job; sets job->sink. */
int steps_check(struct lab_state *s, size_t job, struct lab_job *j);

#endif
