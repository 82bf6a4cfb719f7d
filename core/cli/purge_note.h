/* SPDX-License-Identifier: MIT */
/* purge_note.h: a warning in time, for targets whose site takes files away by age
 * (`purge_days`). */
#ifndef REPX_CLI_PURGE_NOTE_H
#define REPX_CLI_PURGE_NOTE_H

#include "core/config/config.h"
#include "core/json/json.h"
#include "core/pipeline/jobs.h"

/* Of the results that a run found complete. */
void purge_note_plan(const struct plan *plan, const struct job_status *status);
/* Of one run as V_RUN_LIST and V_RUN_SHOW tell it; `again`: others were warned of. Returns
 * whether it warned. */
int purge_note_run(const struct config_target *target, const struct json *run,
                   int again);

#endif
