/* SPDX-License-Identifier: MIT */
/* units_end.h: take units out of the scheduler's queue, by key. An id alone is no name: a
 * controller that lost its last second gives ids out again, and the job of that id is
 * somebody else's then. */
#ifndef REPX_AGENT_UNITS_END_H
#define REPX_AGENT_UNITS_END_H

#include "core/agent/scheduler_call.h"

/* {"id", "key"}, as an element of what units_end takes. */
json_t *unit_named(const char *id, const char *key);

/* Ask the scheduler to end those of `units` ([{"id", "key"}], stolen) that its queue, asked
 * just now, has under their keys. Our own queue gives no id twice and is not asked before.
 * 0, or -1 when the scheduler could not be asked: nothing is ended then. */
int units_end(struct scheduler *s, json_t *units, int64_t timeout_ms,
              struct repx_err *err);

#endif
