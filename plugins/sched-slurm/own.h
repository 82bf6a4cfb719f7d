/* SPDX-License-Identifier: MIT */
/* own.h: what the files of sched-slurm share. */
#ifndef REPX_SLURM_OWN_H
#define REPX_SLURM_OWN_H

#include <repx/scheduler.h>

#include <kit/buf.h>
#include <kit/err.h>
#include <kit/scheduler.h>

struct slurm {
    const struct repx_host *host;
};

/* ---- args.c ---- */

/* Resources as options of sbatch; REPX_E_USAGE names what cannot be honoured. */
int args_resources(struct repx_args *a, const struct repx_resources *r,
                   struct repx_err *err);
/* "afterok:1:2,aftercorr:3" of dependencies that all have ids; -1 on a strange id. */
int dependency_text(struct repx_buf *to, const struct repx_dep *deps, uint64_t count,
                    uint64_t stride, struct repx_err *err);

/* ---- run.c ---- */

/* Run a command of Slurm: 0 with its output in *run, whatever its status. */
int slurm_run(const struct slurm *s, const char *const *argv, const char *input,
              int64_t deadline_ms, struct repx_run *run, struct repx_err *err);
/* Run one that lists jobs, with more variables in its environment (may be NULL), and read
 * its rows as they come, however many they are. A list that breaks off or makes no sense
 * fails, rather than being a shorter one. */
struct held;
struct slurm_row;
struct slurm_rows {
    int (*parse)(char *line, struct slurm_row *row);
    void (*each)(void *ctx, const struct slurm_row *row); /* those with a key */
    void *ctx;
    struct held *held;    /* what is to be let go, or NULL */
    uint64_t count, read; /* lines, and those that were rows */
    int no_accounting;    /* it failed for that */
};
int slurm_read(const struct slurm *s, const char *const *argv, const char *const *env,
               int64_t deadline_ms, struct slurm_rows *rows, struct repx_err *err);
void slurm_take_row(void *rows, char *line); /* one line */
/* The command ran, but said that something is wrong: the error of its message. */
int slurm_fail(const struct repx_run *run, const char *command, struct repx_err *err);
/* Its messages as one line, without "sbatch: error: ". Caller frees. */
char *slurm_message(const char *errors);

/* ---- held.c ---- */

struct slurm_row;

/* Ids that are to be released; all zero at first. */
struct held {
    struct repx_buf ids;
    size_t count;
};
/* Take a row whose unit Slurm holds after a launch that failed. */
void held_note(struct held *h, const struct slurm_row *row);
/* Let them go, in one call, if there are any; frees *h. */
void held_release(const struct slurm *s, struct held *h, int64_t deadline_ms);

/* ---- submit.c, query.c: the vtable ---- */
int32_t slurm_submit(void *self, const struct repx_unit *units, uint64_t count,
                     uint64_t stride, const struct repx_submit_sink *sink,
                     int64_t deadline_ms, struct repx_err *err);
int32_t slurm_status(void *self, uint32_t scope, const struct repx_status_sink *sink,
                     int64_t deadline_ms, struct repx_err *err);
int32_t slurm_find(void *self, const char *const *keys, uint64_t count, int64_t since,
                   const struct repx_found_sink *sink, int64_t deadline_ms,
                   struct repx_err *err);
int32_t slurm_ended(void *self, int64_t since, const struct repx_status_sink *sink,
                    int64_t deadline_ms, struct repx_err *err);
int32_t slurm_cancel(void *self, const char *const *ids, uint64_t count,
                     int64_t deadline_ms, struct repx_err *err);
int32_t slurm_amend(void *self, const char *id, const struct repx_dep *deps,
                    uint64_t count, uint64_t stride, int64_t deadline_ms,
                    struct repx_err *err);

#endif
