/* SPDX-License-Identifier: MIT */
/* run_report.h: what `repx run` tells while it works and at the end. */
#ifndef REPX_CLI_RUN_REPORT_H
#define REPX_CLI_RUN_REPORT_H

#include "core/pipeline/pipeline.h"
#include "core/pipeline/watch.h"
#include "core/plugin/host.h"

struct run_report {
    const struct plan *plan;
    const struct ui *ui;
    int timing, json;
    int rerun_stale; /* results of other work are to be made again */
    size_t *number;  /* per plan index: 1.. among those to run, 0: complete before */
    unsigned char *state;   /* per plan index: JOB_* as last told */
    unsigned char *counted; /* per plan index: it is among the counts below */
    size_t todo, ok, failed, blocked, running, submitted, refused;
    struct repx_buf failures; /* sections for the end */
};

void report_begin(struct run_report *r, const char *target, const char *scheduler);
struct pipeline_listener report_listener(struct run_report *r);
/* The closing lines. rc and *err: how the pipeline ended; returns the command's. */
int report_end(struct run_report *r, const struct pipeline *p, int rc,
               struct repx_err *err);
void report_finish(struct run_report *r);

/* --dry-run */
void report_plan(const struct plan *plan, int json);

#endif
