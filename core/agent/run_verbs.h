/* SPDX-License-Identifier: MIT */
/* run_verbs.h: the verbs of runs (core/wire/verbs.h, "runs"), each with its worker. */
#ifndef REPX_AGENT_RUN_VERBS_H
#define REPX_AGENT_RUN_VERBS_H

#include "core/agent/agent.h"

/* V_RUN_CREATE (run_verbs_create.c): the run's directory is written beside its place
 * and renamed there whole, after every line was checked. */
int run_create_begin(struct call *c, const void *msg, size_t n, struct repx_err *err);
int run_create_data(struct call *c, const void *bytes, size_t n, struct repx_err *err);
int run_create_end(struct call *c, struct repx_err *err);
void run_create_drop(struct call *c);

/* V_STATUS (status.c). */
int status_begin(struct call *c, const void *msg, size_t n, struct repx_err *err);
int status_data(struct call *c, const void *bytes, size_t n, struct repx_err *err);
int status_end(struct call *c, struct repx_err *err);
void status_drop(struct call *c);

/* Worker of V_RUN_WATCH (run_watch.c): event lines of the run to `out`, from line
 * `offset` on, until every job has ended. Finds out by itself what no event tells: jobs
 * that can no longer run, units that are gone without an end, work of other runs that
 * this one follows, a submission that was broken off. Adds F_STATUS. */
int run_watch(struct site *site, const char *run_id, int64_t offset, int out,
              struct repx_buf *fields, struct repx_err *err);

/* Worker of V_RUN_CANCEL (run_verbs_cancel.c). Adds F_COUNT, units asked to end. */
int run_cancel(struct site *site, const char *run_id, struct repx_buf *fields,
               struct repx_err *err);

#endif
