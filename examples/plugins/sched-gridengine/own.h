/* SPDX-License-Identifier: MIT */
/* own.h: what the files of sched-gridengine share. */
#ifndef GRIDENGINE_OWN_H
#define GRIDENGINE_OWN_H

#include <kit/records.h>
#include <kit/scheduler.h>

#define GE_ID_SIZE REPX_ID_SIZE

struct gridengine {
    const struct repx_host *host;
    char *records; /* the scheduler's own directory on the target; "" in the client */
    char *user;    /* as Grid Engine knows us; NULL until asked */
};

/* ---- args.c ---- */

/* Begin a command: its path, by the key bin_dir. */
void ge_command(const struct gridengine *g, struct repx_args *a, const char *program);
/* Resources as options of qsub; REPX_E_USAGE names what cannot be honoured. */
int ge_resources(const struct gridengine *g, struct repx_args *a,
                 const struct repx_resources *r, struct repx_err *err);
/* "12" or, one index of an array, "12_3". */
int ge_id_ok(const char *id);

/* ---- gridengine.c ---- */

/* Run a command: 0 with its output in *run, whatever its status. */
int ge_run(const struct gridengine *g, const struct repx_args *a, struct repx_run *run,
           struct repx_err *err);
/* The command ran, but says that something is wrong. */
int ge_fail(const struct repx_run *run, const char *command, struct repx_err *err);
/* Does it say that the qmaster was not reached or did not answer? */
int ge_unreachable(const char *errors);

/* ---- submit.c, query.c: the vtable ---- */
int32_t ge_submit(void *self, const struct repx_unit *units, uint64_t count,
                  uint64_t stride, const struct repx_submit_sink *sink,
                  int64_t deadline_ms, struct repx_err *err);
int32_t ge_amend(void *self, const char *id, const struct repx_dep *deps,
                 uint64_t count, uint64_t stride, int64_t deadline_ms,
                 struct repx_err *err);
int32_t ge_status(void *self, uint32_t scope, const struct repx_status_sink *sink,
                  int64_t deadline_ms, struct repx_err *err);
int32_t ge_find(void *self, const char *const *keys, uint64_t count, int64_t since,
                const struct repx_found_sink *sink, int64_t deadline_ms,
                struct repx_err *err);
int32_t ge_cancel(void *self, const char *const *ids, uint64_t count,
                  int64_t deadline_ms, struct repx_err *err);
int32_t ge_ended(void *self, int64_t since, const struct repx_status_sink *sink,
                 int64_t deadline_ms, struct repx_err *err);
/* The key of a unit that is in the queue: 1, 0 when there is none, -1. */
int ge_key_of(struct gridengine *g, const char *id, char key[REPX_KEY_SIZE],
              int64_t deadline_ms, struct repx_err *err);

#endif
