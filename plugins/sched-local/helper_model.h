/* SPDX-License-Identifier: MIT */
/* helper_model.h: what the files of the queue's directory say.
 *
 *     spool/NAME   requests: a batch of units, a cancel or an amend; whole by rename
 *     batch/NAME   batches that the queue took (renamed from spool)
 *     journal      what happened to their units; appended by the queue and, for starts,
 *                  by the child that is about to become the unit
 *     lock, lease  who is the queue: flock on this host, a record for other hosts
 *     log          standard output and error of queue and units
 *
 * NAME sorts by time. Journal lines:
 *     queue HOST BOOT PID START           from here on units are that queue's
 *     run   ID INDEX PID START            the process of an index, before its exec
 *     end   ID INDEX STATE EXIT SECONDS REASON
 *     cancel ID                           somebody asked for its end
 *     amend ID {TYPE DEP}...              new dependencies, at most 5 */
#ifndef REPX_LOCAL_MODEL_H
#define REPX_LOCAL_MODEL_H

#include <sys/types.h>

#include <repx/scheduler.h>

#include <kit/buf.h>
#include <kit/err.h>

#define QUEUE_FILE_MAX ((size_t)256 << 20)
#define QUEUE_MEMORY_DEFAULT ((int64_t)1 << 30)
#define QUEUE_REMEMBERS_S 600

struct q_index {
    uint8_t state;   /* REPX_STATE_* */
    uint8_t queued;  /* is in the list of what may start */
    uint8_t foreign; /* running, but started by an earlier queue */
    int32_t exit;
    pid_t pid;
    uint64_t start;  /* of the process, in clock ticks since boot */
    int64_t kill_at; /* 0, or when TERM becomes KILL (monotonic) */
    int pidfd;       /* foreign: readable at its end; -1 */
};

struct q_dep {
    uint32_t type;
    size_t unit; /* number, or SIZE_MAX: not known (any more), counts as ended well */
};

struct q_unit {
    char *id, *key, *name, *workdir;
    char **argv;
    size_t argc;
    size_t batch;
    int is_array;
    size_t count; /* indices; 1 without array */
    int64_t cpus, memory;
    struct q_dep *deps;
    size_t dep_count;
    size_t *users; /* units that depend on this one */
    size_t user_count;
    struct q_index *index;
    size_t left; /* indices not ended */
    size_t bad;  /* indices that ended, and not well */
    int canceled;
    int64_t last_s; /* when an index ended last, seconds since 1970 */
    char *reason;   /* of a cancel, or NULL */
};

struct q_batch {
    char *name;
    size_t group;
    size_t first, count; /* units */
};

/* Units of one run share its limits. */
struct q_group {
    char *run;
    int64_t jobs, memory; /* 0: what the machine has */
    int fail_fast;
    size_t running;
    int64_t memory_used;
};

struct q_model {
    struct q_unit *units;
    size_t unit_count, unit_cap;
    struct q_batch *batches;
    size_t batch_count, batch_cap;
    struct q_group *groups;
    size_t group_count, group_cap;
    size_t *slots; /* hash of ids: unit number + 1 */
    size_t slot_count;
    char *host, *boot; /* of the queue whose journal lines come now */
};

void model_finish(struct q_model *m);
size_t model_find(const struct q_model *m, const char *id); /* SIZE_MAX: none */

/* Add a batch file's units; text is changed. Not whole or not valid: REPX_E_CORRUPT and
 * nothing was added. A batch of that name that is there already is not added again. */
int model_add_batch(struct q_model *m, const char *name, char *text, size_t n,
                    struct repx_err *err);
/* Apply the journal's lines; what makes no sense is skipped. text is changed. */
void model_apply_journal(struct q_model *m, char *text, size_t n);

/* Read spool, batch and journal of the directory, changing nothing. */
int model_read(struct q_model *m, int dir, struct repx_err *err);
/* Names in a subdirectory, sorted; hidden ones left out. Caller frees with names_free. */
int names_read(int dir, const char *sub, char ***names, size_t *count,
               struct repx_err *err);
void names_free(char **names, size_t count);

/* Start time of a process, in clock ticks since boot; 0 when it is gone (or a zombie). */
uint64_t process_start(pid_t pid);
char *boot_id(void);
char *host_name(void);

static inline int state_ended(uint8_t state)
{
    return state >= REPX_STATE_DONE;
}

#endif
