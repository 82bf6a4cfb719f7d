/* SPDX-License-Identifier: MIT */
/* pull.h: results and logs of jobs from a target into a directory here:
 *
 *     list (digests) -> compare with what is here -> one stream of what is lacking
 *
 * DIR/.repx-pull remembers what was put there, so that a file somebody changed is told from
 * one the target has a newer version of; DIR/.repx-part holds files that have not arrived
 * whole. What the target says is hostile: paths and links are checked, and nothing is
 * written through a link. */
#ifndef REPX_PIPELINE_PULL_H
#define REPX_PIPELINE_PULL_H

#include "core/target/target.h"
#include "core/wire/results.h"

/* ---- what is there (pull_list.c) ---- */

struct pull_job {
    char *id;
    int status;           /* JOB_* */
    struct results files; /* paths relative to the job: out/..., repx/... */
};

struct pull_jobs {
    struct pull_job *items;
    size_t count;
};

/* In the order of ids. Every path passes repx_path_is_inside and begins with out/ or repx/. */
int pull_list(struct target *target, const char *const *ids, size_t count,
              struct pull_jobs *jobs, struct repx_err *err);
void pull_jobs_free(struct pull_jobs *jobs);

/* ---- bytes (pull_read.c) ---- */

struct pull_part {
    char *path; /* below outputs/ */
    uint64_t offset, length;
};

/* What comes of the parts, in their order. -1 ends it all. broken: why the rest of this one
 * does not come, or NULL. */
struct pull_sink {
    void *ctx;
    int (*bytes)(void *ctx, size_t part, const void *bytes, size_t n,
                 struct repx_err *err);
    int (*end)(void *ctx, size_t part, const char *broken, struct repx_err *err);
};
int pull_read(struct target *target, const struct pull_part *parts, size_t count,
              const struct pull_sink *sink, struct repx_err *err);

/* ---- the directory here (pull_dir.c) ---- */

struct pull_dir {
    int fd;
    int parts;           /* .repx-part */
    struct results then; /* what the last pull left */
    struct results now;  /* what this one has seen in place */
};

int pull_dir_open(struct pull_dir *d, const char *path, struct repx_err *err);
/* Writes DIR/.repx-pull, after what it speaks of is on disk. */
int pull_dir_save(struct pull_dir *d, struct repx_err *err);
void pull_dir_close(struct pull_dir *d);

#define PULL_ABSENT 0
#define PULL_SAME 1    /* what the target has */
#define PULL_OURS 2    /* what an earlier pull left: may be replaced */
#define PULL_CHANGED 3 /* somebody here changed it */
#define PULL_BLOCKED 4 /* something of another kind is in the way */
/* State of DIR/<path> compared with the target's entry. */
int pull_dir_state(struct pull_dir *d, const char *path, const struct result *entry);
/* Directory of path, made when it is missing, never through a link; *leaf points into path. */
int pull_dir_parent(const struct pull_dir *d, const char *path, int make,
                    const char **leaf);
/* Note that DIR/<path> is as the entry says. */
void pull_dir_note(struct pull_dir *d, const char *path, const struct result *entry);
/* May a link at <job>/<path> have that target? Relative, ".." only in front and not above
 * the first component of path. */
int pull_link_is_inside(const char *path, const char *target);

/* ---- all of it (pull.c) ---- */

struct pull_request {
    const char *const *ids;
    size_t count;
    const char *glob; /* or NULL */
    const char *dir;
    int force;
    const struct ui *ui; /* for progress */
};

#define PULL_KEPT 0        /* changed here */
#define PULL_BROKEN_FILE 1 /* could not be had whole */
#define PULL_REFUSED 2     /* would leave the directory */
struct pull_note {
    int what;
    char *path;
    char *text; /* printable */
};

struct pull_report {
    size_t jobs, without; /* asked for; of these without results */
    size_t chosen;        /* files and the like that the pattern matches */
    size_t files, current;
    uint64_t bytes, resumed;
    struct pull_note *notes;
    size_t note_count;
};

/* Also after -1 the report tells what was done. */
int pull_perform(struct target *target, const struct pull_request *request,
                 struct pull_report *report, struct repx_err *err);
void pull_report_free(struct pull_report *report);

#endif
