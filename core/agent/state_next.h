/* SPDX-License-Identifier: MIT */
/* state_next.h: who works on a job after the one that does now, with another work key, and
 * the tables of arrays as a whole. */
#ifndef REPX_AGENT_STATE_NEXT_H
#define REPX_AGENT_STATE_NEXT_H

#include "core/agent/state.h"

/* S/next/<job>, as live_get, live_set and live_clear have S/live/<job>. */
int next_get(struct site *site, const char *job, char **run, size_t *index,
             char key[27], struct repx_err *err);
int next_set(struct site *site, const char *job, const char *run, size_t index,
             const char *key, struct repx_err *err);
void next_clear(struct site *site, const char *job, const char *run, const char *key);
/* What came first has ended: S/next/<job> becomes S/live/<job>. 1 when there was one. */
int next_promote(struct site *site, const char *job);

/* Jobs in KEY's table, 0 when it has none (state_array.c). */
size_t array_count(struct site *site, const char *key);

#endif
