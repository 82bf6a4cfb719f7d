/* SPDX-License-Identifier: MIT */
/* own.h: what the files of sched-pbs share. */
#ifndef PBS_OWN_H
#define PBS_OWN_H

#include <kit/records.h>
#include <kit/scheduler.h>

struct pbs {
    const struct repx_host *host;
    char *records; /* the scheduler's own directory on the target; "" in the client */
};

/* ---- pbs.c ---- */

/* Begin a command: its path, by the key bin_dir. */
void pbs_command(const struct pbs *s, struct repx_args *a, const char *program);
/* Resources as options of qsub; REPX_E_USAGE names what cannot be honoured. */
int pbs_resources(const struct pbs *s, struct repx_args *a,
                  const struct repx_resources *r, struct repx_err *err);
/* Run a command: 0 with its output in *run, whatever its status. */
int pbs_run(const struct pbs *s, const struct repx_args *a, struct repx_run *run,
            struct repx_err *err);
/* The command ran, but says that something is wrong. */
int pbs_fail(const struct repx_run *run, const char *command, struct repx_err *err);
/* Does it say that its server was not reached or did not answer? */
int pbs_unreachable(const char *errors);

/* "12", "12[]" of an array, "12[]_3" of one index. */
int pbs_id_ok(const char *id);
/* One of its indices, or all, as the commands want it. */
void pbs_id_put(struct repx_buf *to, const char *id);

/* ---- submit.c, query.c: the vtable ---- */
int32_t pbs_submit(void *self, const struct repx_unit *units, uint64_t count,
                   uint64_t stride, const struct repx_submit_sink *sink,
                   int64_t deadline_ms, struct repx_err *err);
int32_t pbs_amend(void *self, const char *id, const struct repx_dep *deps,
                  uint64_t count, uint64_t stride, int64_t deadline_ms,
                  struct repx_err *err);
int32_t pbs_status(void *self, uint32_t scope, const struct repx_status_sink *sink,
                   int64_t deadline_ms, struct repx_err *err);
int32_t pbs_find(void *self, const char *const *keys, uint64_t count, int64_t since,
                 const struct repx_found_sink *sink, int64_t deadline_ms,
                 struct repx_err *err);
int32_t pbs_cancel(void *self, const char *const *ids, uint64_t count,
                   int64_t deadline_ms, struct repx_err *err);
/* The key of a unit that is in the queue: 1, 0 when there is none, -1. */
int pbs_key_of(struct pbs *s, const char *id, char key[REPX_KEY_SIZE],
               int64_t deadline_ms, struct repx_err *err);

#endif
