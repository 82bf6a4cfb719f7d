/* SPDX-License-Identifier: MIT */
/* state_once.h: records that exactly one process makes, without flock or O_EXCL, which
 * network file systems get wrong: a file of one's own, whole, is linked to the name. */
#ifndef REPX_AGENT_STATE_ONCE_H
#define REPX_AGENT_STATE_ONCE_H

#include <stdint.h>

#include "core/agent/state.h"

/* Make S/<dir>/<name> hold the record (one line). 1 made, 0 it is there already, -1. */
int once_make(struct site *site, const char *dir, const char *name,
              const json_t *record, struct repx_err *err);
/* The same with the file server's clock: *now_s gets the new file's mtime in seconds,
 * whatever the result. */
int once_make_at(struct site *site, const char *dir, const char *name,
                 const json_t *record, int64_t *now_s, struct repx_err *err);
/* A name no other process uses, for temporary files: ".<what>.<host>.<pid>.<n>".
 * Caller frees. */
char *once_name(const struct site *site, const char *what);

#endif
