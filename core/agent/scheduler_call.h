/* SPDX-License-Identifier: MIT */
/* scheduler_call.h: the target's scheduler, through its helper (docs/scheduler-helper.md). */
#ifndef REPX_AGENT_SCHEDULER_CALL_H
#define REPX_AGENT_SCHEDULER_CALL_H

#include <jansson.h>

#include <kit/helper_run.h>

#include "core/agent/agent.h"

struct scheduler {
    struct site *site;
    char *name;
    char *helper;  /* absolute path */
    char *workdir; /* S/queue for the local one, else S/sched-NAME */
    json_t *config;
    const char *noted; /* verb that calls are written down as; NULL: their own */
    struct repx_run_output output;
};

/* The scheduler of a run record; fails when there is no helper for this machine. */
int scheduler_open(struct scheduler *s, struct site *site, const json_t *record,
                   struct repx_err *err);
void scheduler_close(struct scheduler *s);

/* One call: `request` (stolen) gets v, config and timeout_ms; `line` is called with each
 * answer. -1 with the helper's own error and code; a helper that was killed or broke the
 * protocol is REPX_E_FAILED, one that took too long REPX_E_TIMEOUT. Answers that came
 * before the failure were delivered. Every call is written down for the budget
 * (call_log.h). Whoever only wants to know how jobs are asks through queue_ask.h, which
 * keeps to the budget and shares answers; calls made here are never refused. */
int scheduler_call(struct scheduler *s, const char *verb, json_t *request,
                   int64_t timeout_ms, void (*line)(void *ctx, const json_t *answer),
                   void *ctx, struct repx_err *err);

/* The lines of an answer, as the helper wrote them: calls `line` with each. 1 when the last
 * one is an error (then in *err), 0, or -1 when something is no answer. */
int scheduler_answer(const char *name, const char *text, size_t n,
                     void (*line)(void *ctx, const json_t *answer), void *ctx,
                     struct repx_err *err);

/* Results of submit and states, as the protocol names them; unknown results count as
 * perhaps, unknown states as running. */
uint32_t scheduler_result(const char *name);
uint32_t scheduler_state(const char *name);

#endif
