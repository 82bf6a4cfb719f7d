/* SPDX-License-Identifier: MIT */
/* fake.h: repx-fake-batch, a small batch system that speaks as Slurm, PBS, LSF or Grid Engine.
 *
 * One program under many names: DIR/bin holds a link to it for each command of one product
 * (repx-fake-batch --setup PRODUCT DIR makes them), and everything it remembers is in DIR:
 *
 *     calls          every command with its arguments, one a line
 *     fault          what to act out: lines "COMMAND KIND [TIMES]" (fault.c)
 *     rows           so many more jobs are shown than there are
 *     forget         queries show nothing that has ended
 *     jobs/ID/       job (its record), script, state (one struct fake_index each)
 *
 * Units really run, by a daemon that the first submission starts and that ends when there
 * is nothing to do or DIR is gone. */
#ifndef REPX_FAKE_H
#define REPX_FAKE_H

#include <stdint.h>
#include <sys/types.h>

#include <kit/alloc.h>
#include <kit/buf.h>
#include <kit/err.h>

/* ---- jobs (store.c) ---- */

#define FAKE_OK 1       /* ended well */
#define FAKE_ANY 2      /* ended */
#define FAKE_CORR 3     /* the same index ended well */
#define FAKE_CORR_ANY 4 /* the same index ended */

struct fake_dep {
    int type;
    int64_t id, index; /* -1: all of it */
};

#define FAKE_PENDING 0
#define FAKE_RUNNING 1
#define FAKE_DONE 2
#define FAKE_FAILED 3
#define FAKE_CANCELED 4
#define FAKE_NEVER 5 /* what it depends on failed */

struct fake_index {
    int32_t state, exit; /* exit: status, or 128 + signal */
    int64_t begun, ended;
};

struct fake_job {
    int64_t id, first, count; /* indices first..; count 0: no array */
    int64_t submitted;
    int64_t stays; /* it waits for ever when what it depends on failed */
    int64_t hold;
    char *name, *comment, *workdir, *shell, *output, *queue, *account;
    struct fake_dep *deps;
    size_t dep_count;
    struct fake_index *states; /* of each index; of no array one */
};

#define FAKE_WIDTH(job) ((job)->count ? (size_t)(job)->count : 1)

void fake_job_free(struct fake_job *job);

/* All that follows is relative to DIR. -1 with *err. */
int fake_lock(int dir, struct repx_err *err); /* a descriptor, to be closed */
/* Write a new job; its id is set. The caller holds the lock. */
int fake_add(int dir, struct fake_job *job, const struct repx_buf *script,
             struct repx_err *err);
/* Write the record again. */
int fake_write(int dir, const struct fake_job *job, struct repx_err *err);
/* NULL: there is no such job. */
struct fake_job *fake_read(int dir, int64_t id);
int64_t fake_last(int dir); /* the highest id; 0: none */
/* Ask the daemon to end it, or one of its indices. */
int fake_cancel(int dir, int64_t id, int64_t index, struct repx_err *err);
/* There is something new for the daemon; start it when it does not run. */
int fake_wake(int dir, struct repx_err *err);
uint64_t fake_number(int dir, const char *name); /* of a small file, or 0 */

/* ---- the daemon (daemon.c) ---- */

struct fake_product;
void fake_daemon(int dir, const struct fake_product *product);

/* ---- a command (main.c) ---- */

struct fake_call {
    int dir;
    const struct fake_product *product;
    char **argv; /* after the command's name; ends with NULL */
    struct repx_buf in, out, err;
    int keep_out; /* out may not be written before the end */
};

/* One option after the other. */
struct fake_option {
    const char *name; /* as written: "-N", "--job-name" */
    int has_value;
};
/* The next option in *name with *value ("" when it has none): 1. 0 at the first word that
 * is no option; -1: no such option, said in call->err. */
int fake_next(struct fake_call *call, const struct fake_option *options,
              const char **name, const char **value);
void fake_say(struct fake_call *call, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A line of standard error. Returns status. */
int fake_refuse(struct fake_call *call, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Call `each` for every job in the order of ids, and for those that `rows` makes up. */
void fake_each(struct fake_call *call,
               void (*each)(struct fake_call *call, const struct fake_job *job));
/* Submit: lock, add, wake. -1 after a line of error. */
int fake_submit(struct fake_call *call, struct fake_job *job,
                const struct repx_buf *script);
int fake_is_over(int32_t state);

/* ---- products ---- */

#define FAKE_VERB_SUBMIT 1
#define FAKE_VERB_QUERY 2
#define FAKE_VERB_HISTORY 3
#define FAKE_VERB_CANCEL 4
#define FAKE_VERB_AMEND 5
#define FAKE_VERB_LIMITS 6

struct fake_command {
    const char *name;
    int verb;
    int reads_input;
    int (*run)(struct fake_call *call); /* its exit status */
};

struct fake_product {
    const char *name;
    const struct fake_command *commands; /* ends with a NULL name */
    /* What it says, each with the status of the command. */
    const char *down, *lost, *room, *refused;
    int down_status, lost_status, room_status, refused_status;
    const char *garbage;
    /* Environment of one index: "NAME=value" lines into *to. */
    void (*environment)(const struct fake_job *job, int64_t index, struct repx_buf *to);
};

extern const struct fake_product fake_slurm, fake_pbs, fake_lsf, fake_gridengine;

/* ---- faults (fault.c) ----
 *
 * COMMAND is submit, query, history, cancel, amend, limits or any. KINDS:
 *   hang     never answers, and does nothing
 *   down     cannot reach its server: does nothing, and says so
 *   late     does it, then never answers
 *   lost     does it, then says that it lost the connection
 *   twice    does it once, and answers twice
 *   garbage  does it, and answers with what makes no sense
 *   cut      does it, and the answer breaks off in the middle
 *   room     refuses for room
 *   refused  refuses for good
 *   slow     does it after a tenth of a second */
struct fake_fault {
    char kind[16]; /* "" for none */
};
void fake_fault_take(struct fake_call *call, int verb, struct fake_fault *fault);
/* Before the command: 1 when it is not to be run, with *status. */
int fake_fault_before(struct fake_call *call, const struct fake_fault *fault, int verb,
                      int *status);
void fake_fault_after(struct fake_call *call, const struct fake_fault *fault,
                      int *status);

#endif
