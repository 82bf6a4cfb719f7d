/* SPDX-License-Identifier: MIT */
/* job_json.h: JSON for scripts, written as RepX writes it: two spaces, keys sorted,
 * numbers as short as they can be without changing. */
#ifndef REPX_AGENT_JOB_JSON_H
#define REPX_AGENT_JOB_JSON_H

#include <jansson.h>

#include <kit/buf.h>

void json_pretty(const json_t *value, struct repx_buf *to);
void json_compact(const json_t *value, struct repx_buf *to);

#endif
