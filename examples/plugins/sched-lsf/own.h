/* SPDX-License-Identifier: MIT */
/* own.h: what the files of sched-lsf share. */
#ifndef LSF_OWN_H
#define LSF_OWN_H

#include <kit/records.h>
#include <kit/scheduler.h>

struct lsf {
    const struct repx_host *host;
    char *records; /* the scheduler's own directory on the target; "" in the client */
};

/* ---- lsf.c ---- */

/* Begin a command: its path, by the key bin_dir. */
void lsf_command(const struct lsf *s, struct repx_args *a, const char *program);
/* Resources as options of bsub; REPX_E_USAGE names what cannot be honoured. */
int lsf_resources(const struct lsf *s, struct repx_args *a,
                  const struct repx_resources *r, struct repx_err *err);
/* Run a command: 0 with its output in *run, whatever its status. */
int lsf_run(const struct lsf *s, const struct repx_args *a, struct repx_run *run,
            struct repx_err *err);
/* The command ran, but says that something is wrong. */
int lsf_fail(const struct repx_run *run, const char *command, struct repx_err *err);
/* Does it say that its server was not reached or did not answer? */
int lsf_unreachable(const char *errors);

/* "12", or "12_3" of one index. */
int lsf_id_ok(const char *id);
/* One of its indices, or all, as the commands want it. */
void lsf_id_put(struct repx_buf *to, const char *id);

/* ---- submit.c, query.c: the vtable ---- */
int32_t lsf_submit(void *self, const struct repx_unit *units, uint64_t count,
                   uint64_t stride, const struct repx_submit_sink *sink,
                   int64_t deadline_ms, struct repx_err *err);
int32_t lsf_amend(void *self, const char *id, const struct repx_dep *deps,
                  uint64_t count, uint64_t stride, int64_t deadline_ms,
                  struct repx_err *err);
int32_t lsf_status(void *self, uint32_t scope, const struct repx_status_sink *sink,
                   int64_t deadline_ms, struct repx_err *err);
int32_t lsf_find(void *self, const char *const *keys, uint64_t count, int64_t since,
                 const struct repx_found_sink *sink, int64_t deadline_ms,
                 struct repx_err *err);
int32_t lsf_cancel(void *self, const char *const *ids, uint64_t count,
                   int64_t deadline_ms, struct repx_err *err);
/* The key of a unit that is in the queue: 1, 0 when there is none, -1. */
int lsf_key_of(struct lsf *s, const char *id, char key[REPX_KEY_SIZE],
               int64_t deadline_ms, struct repx_err *err);

#endif
