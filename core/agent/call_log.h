/* SPDX-License-Identifier: MIT */
/* call_log.h: every call of a scheduler is written down, S/calls/<scheduler>/<host>; so all
 * verbs and processes of the user share one budget (call_budget.h), and `repx stats` can
 * tell what was asked. */
#ifndef REPX_AGENT_CALL_LOG_H
#define REPX_AGENT_CALL_LOG_H

#include <jansson.h>

#include "core/agent/agent.h"
#include "core/agent/call_budget.h"

#define CALL_ANSWERED 0
#define CALL_FAILED 1
#define CALL_TIMED_OUT 2

/* A call as it is written. commands: {name: {n, ms, bytes}} as the helper told it, or NULL
 * (then it counts as one). */
struct call_note {
    const char *verb;
    int64_t ms;
    int outcome; /* CALL_* */
    const json_t *commands;
};

/* Nothing fails because it could not be written down. */
void call_log_write(struct site *site, const char *scheduler,
                    const struct call_note *note);

/* Calls `each` with every record of a scheduler, file by file. `recent` reads only the end
 * of each file. */
void call_log_read(struct site *site, const char *scheduler, int recent,
                   void (*each)(void *ctx, const json_t *record), void *ctx);
/* Commands that a record stands for, at least 1. */
int64_t call_log_cost(const json_t *record);

/* Calls of a verb within the last so many ms; *was gets bit 1 << CALL_* of each outcome. */
int64_t call_log_asked(struct site *site, const char *scheduler, const char *verb,
                       int64_t within_ms, unsigned *was);

struct budget call_log_budget(struct site *site, const char *scheduler);

/* Of all schedulers of the base path: what was asked, a line of JSON for each. The worker
 * of V_STATS. */
int call_stats(struct site *site, int out, struct repx_err *err);

#endif
