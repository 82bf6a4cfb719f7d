/* SPDX-License-Identifier: MIT */
/* submit.h: handing the jobs of a run to the target's scheduler, exactly once each.
 *
 *     feed lease -> which jobs? -> journal `intend`, S/sub/KEY, S/live -> helper -> claim,
 *     journal `accepted`, event `submitted`
 *
 * Whatever was asked of the scheduler was written down before; so after a crash anywhere
 * the next submitter finds the key, asks the scheduler about it, and adopts the unit or
 * makes the key void. */
#ifndef REPX_AGENT_SUBMIT_H
#define REPX_AGENT_SUBMIT_H

#include <jansson.h>

#include "core/agent/state.h"

#define SUBMIT_RERUN_STALE 1u /* option: results of another work key do not count */

/* The worker of V_RUN_SUBMIT: submit all jobs of the run that need it, as far as there is
 * room, writing their event lines to `out`. Adds F_COUNT (jobs submitted), F_LEFT (jobs
 * that wait for room) and F_REASON to *fields. A run that waits for room already is fed when
 * that is due, and else left alone. */
int submit_run(struct site *site, const char *run_id, unsigned options, int out,
               struct repx_buf *fields, struct repx_err *err);

/* Called by a supervisor after the end of its unit: hand over what waits for room, of its
 * own run first. Never waits for room, nor for another who does the same. */
void submit_after(struct site *site, const char *run_id);
/* Called by a session whose run waits, perhaps for a job of another run that waits and that
 * nobody feeds any more: those that are due are fed, without waiting for anything. */
void submit_others(struct site *site, const char *run_id);
/* The feeder job of a run, with its key: waits for room. */
int submit_backstop(struct site *site, const char *run_id, const char *key,
                    struct repx_err *err);

/* The run was cancelled: nothing of it waits any more, and its feeder job goes. */
void submit_unfeed(struct site *site, struct run *run);

/* Called by the supervisor of phase scatter (submission key `key`), once the work list is
 * there: one array per step over `branches` branches, in the order of the step graph, and
 * then the gather waits for the end of the sink's array. With no branches the gather only
 * waits for the scatter, as it was submitted. May be called again after it failed half way.
 * Where jobs may not submit jobs a session is to do all that: 0 all is well, 1 the gather
 * must not start, so the scatter's unit is to fail, -1. */
int submit_branches(struct site *site, struct run *run, size_t index, const char *key,
                    size_t branches, struct repx_err *err);

#endif
