/* SPDX-License-Identifier: MIT */
/* status_runs.h: ends that left nothing in a job's directory. */
#ifndef REPX_AGENT_STATUS_RUNS_H
#define REPX_AGENT_STATUS_RUNS_H

#include "core/agent/state.h"

/* A job of which neither markers nor claims say anything. */
struct untold {
    const char *id;
    int status;   /* JOB_UNKNOWN, until a run tells */
    char *reason; /* caller frees */
};

/* Take from the newest run that has the job how it ended there: cancelled before it
 * started, lost, refused, blocked (reason: id of the job that failed). Looks at the
 * events of the newest few runs only. */
void status_from_runs(struct site *site, struct untold *jobs, size_t count);

#endif
