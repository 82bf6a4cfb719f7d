/* SPDX-License-Identifier: MIT */
/* records.h: what a scheduler forgets, or has no word for, kept by its plugin in files.
 *
 * A unit's working directory holds repx.id, repx.array (count), repx.deps (what must have
 * ended well before it runs: lines "ok ID", "ok ID_INDEX", "corr ID") and, from its script,
 * repx.end or repx.end.INDEX: exit status, or "dependency". Links below the scheduler's own
 * directory lead there: key/KEY from before it is submitted, id/ID from then on. Links whose
 * directory is gone are removed once a day.
 *
 * So a scheduler only has to hold a job until others have ended, well or not: the script
 * that is made here sees to the rest. All must be on a file system that the nodes share, as
 * a base path is. */
#ifndef REPX_KIT_RECORDS_H
#define REPX_KIT_RECORDS_H

#include "scheduler.h"

#define REPX_ID_SIZE 64

/* Before it is submitted. 1 when this key was prepared before, by whoever that was. */
int repx_records_prepare(const char *records, const struct repx_unit *u,
                         const struct repx_buf *deps, struct repx_err *err);
int repx_records_accepted(const char *records, const struct repx_unit *u,
                          const char *id, struct repx_err *err);
/* Replace and read repx.deps of a unit. */
int repx_records_deps(const char *records, const char *key, const struct repx_buf *deps,
                      struct repx_err *err);
int repx_records_deps_read(const char *records, const char *key, struct repx_buf *deps);
/* A unit that the scheduler knows no more: 1 with its id and state, 0. */
int repx_records_find(const char *records, const char *key, char id[REPX_ID_SIZE],
                      uint32_t *state);

/* The job's script up to and with the unit's program; $repx_status is its exit status then.
 * id and index: shell words that give the unit's id and its index from 0. */
void repx_records_script(const char *records, const struct repx_unit *u, const char *id,
                         const char *index, struct repx_buf *to);

#endif
