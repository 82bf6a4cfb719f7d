/* SPDX-License-Identifier: MIT */
/* pipeline.h: a run is four phases in a table; each asks what the target lacks, sends
 * that, and verifies. Doing it twice is safe, and resuming is doing it again. */
#ifndef REPX_PIPELINE_H
#define REPX_PIPELINE_H

#include <stddef.h>
#include <stdint.h>

#include <kit/err.h>

#include "core/lab/lab.h"
#include "core/pipeline/jobs.h"
#include "core/plan/plan.h"
#include "core/target/target.h"

#define RUN_ID_SIZE 32

struct pipeline_options {
    const char *const *specs;
    size_t spec_count;
    int keep_going;     /* --continue-on-failure */
    int detach;         /* do not watch the local queue */
    int wait;           /* watch also where a batch system needs nobody to */
    int rerun_stale;    /* --stale rerun */
    int verify;         /* read every byte on the target */
    int64_t jobs_limit; /* -j, or the target's local_concurrency; -1: unset */
    int64_t mem_limit;  /* --mem in bytes; -1: unset */
};

struct run_event;   /* watch.h */
struct status_call; /* jobs.h */

/* What the pipeline tells while it works. */
struct pipeline_listener {
    void *ctx;
    void (*phase)(void *ctx, unsigned number, const char *name, const char *summary);
    void (*synced)(void *ctx, const char *name, const struct sync_sent *sent);
    /* The status of every job of the plan before anything is submitted. */
    void (*status)(void *ctx, const struct plan *plan, const struct job_status *status);
    void (*event)(void *ctx, const struct run_event *event);
    /* Asked while waiting: 0 go on, 1 cancel what this run started, 2 leave at once. */
    int (*interrupted)(void *ctx);
};

struct pipeline {
    struct lab *lab;
    const struct plan *plan;
    struct target *target;
    const struct plugin_paths *paths;
    const struct pipeline_options *options;
    const struct pipeline_listener *listener;
    /* filled by the phases */
    struct session_call *root; /* the garbage collector's root, not yet answered */
    int root_early; /* it is made only if the target knows all that was expected */
    struct status_call *asked; /* the status, asked along with other questions */
    int64_t asked_ms;
    struct job_status *status; /* per plan job */
    uint64_t placed;           /* trees, by the phases before submit */
    size_t todo;               /* jobs that are not complete */
    size_t stale;              /* results of another work key that were kept */
    char run[RUN_ID_SIZE];     /* "" when nothing was submitted */
    size_t submitted, failed, blocked;
    int watched;    /* the run was followed to its end */
    size_t waiting; /* jobs without room in the scheduler: they wait on the target */
    char waiting_reason[200]; /* what the scheduler said, or "" */
};

struct phase {
    const char *name;
    const char *summary;
    int (*perform)(struct pipeline *p, struct repx_err *err);
};

extern const struct phase phase_bootstrap, phase_lab, phase_image, phase_submit;

/* All phases in order. The error names the phase. */
int pipeline_perform(struct pipeline *p, struct repx_err *err);
void pipeline_finish(struct pipeline *p);

/* Start asking for the status of the plan's jobs (p->asked) and for the root (p->root),
 * without waiting. With sets: a root only if the target knows them. */
void pipeline_ask_status(struct pipeline *p);
void pipeline_keep_root(struct pipeline *p, const struct digest *sets, size_t count);

/* The helper of the plan's scheduler for the target's architecture: its file here, and
 * its path below the target's base. Caller frees both, after a failure too. */
int pipeline_helper(struct target *target, const char *scheduler, char **file,
                    char **remote, struct digest *digest, struct repx_err *err);

/* The keys of the plugins that a run on that target uses, of its transport aside (which is
 * chosen when it connects): "FILE:LINE: ...", before anybody is contacted. */
int plugins_check_keys(const struct plugin_paths *paths,
                       const struct config_target *target, const char *scheduler,
                       struct repx_err *err);

/* Show the resources of every job that is to run to the scheduler plugin (check.c). */
int scheduler_check_plan(const struct pipeline *p, struct repx_err *err);

#endif
