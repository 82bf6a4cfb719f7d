/* SPDX-License-Identifier: MIT */
/* scheduler.h: who runs jobs on a target.
 *
 * One source is built twice: as sched-NAME.so for the client (it describes itself and
 * checks resources) and, with the kit's main, as the static helper
 * sched-NAME-linux-ARCH that runs on the target for every real call. So the functions
 * here call nothing but host services (host->run above all).
 *
 * A *unit* is what the scheduler sees: one batch job, or an array of them. It carries
 * one key, chosen by repx, that never names two submissions. */
#ifndef REPX_SCHEDULER_H
#define REPX_SCHEDULER_H

#include <repx/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define REPX_UNSET (-1) /* in any number of struct repx_resources */

/* Normalised resources: numbers are REPX_UNSET and texts NULL when unset. What a plugin
 * cannot honour and is set is an error of check and of submit. The core's, valid for the
 * call, as all that it points to. */
struct repx_resources {
    uint64_t size;          /* of the struct as the caller knows it */
    int64_t cpus;           /* per task */
    int64_t memory;         /* bytes per node */
    int64_t time;           /* seconds of wall clock; -2: unlimited */
    int64_t nodes;          /* how many */
    int64_t tasks;          /* in all */
    int64_t gpus;           /* per node */
    const char *queue;      /* partition */
    const char *account;    /* who pays */
    const char *qos;        /* quality of service */
    const char *constraint; /* features of nodes, in the scheduler's own words */
    int64_t exclusive;      /* 1: whole nodes, 0: shared ones, or REPX_UNSET */
    /* Options for this scheduler alone, one argument each, from sbatch_opts or
     * native.NAME of a rule. */
    const char *const *native;
    uint64_t native_count;  /* 0: none */
    int64_t memory_per_cpu; /* bytes, in place of memory; REPX_UNSET or 0: unset */
};

/* Which of them a plugin honours: bits of struct repx_scheduler_ops. */
#define REPX_HONOURS_CPUS 1u
#define REPX_HONOURS_MEMORY 2u
#define REPX_HONOURS_MEMORY_PER_CPU 4u
#define REPX_HONOURS_TIME 8u
#define REPX_HONOURS_NODES 16u
#define REPX_HONOURS_TASKS 32u
#define REPX_HONOURS_GPUS 64u
#define REPX_HONOURS_QUEUE 128u
#define REPX_HONOURS_ACCOUNT 256u
#define REPX_HONOURS_QOS 512u
#define REPX_HONOURS_CONSTRAINT 1024u
#define REPX_HONOURS_EXCLUSIVE 2048u
#define REPX_HONOURS_NATIVE 4096u
#define REPX_HONOURS_ALL 8191u

#define REPX_DEP_OK 1   /* afterok: every index ended well */
#define REPX_DEP_ANY 2  /* afterany: ended in whatever way */
#define REPX_DEP_CORR 3 /* aftercorr: my index i after its index i ended well */

/* A dependency on another unit: by the scheduler's id, or, when id is NULL, by the key
 * of a unit earlier in the same batch. */
struct repx_dep {
    uint32_t type;     /* REPX_DEP_*; an unknown one is refused */
    uint32_t reserved; /* 0 */
    const char *id;    /* "ID", or "ID_INDEX" where limits says index_ids; or NULL */
    const char *key;   /* when id is NULL */
};

/* What the scheduler is to run: one batch job, or an array. The core's, for the call. */
struct repx_unit {
    uint64_t size;    /* of the struct as the caller knows it */
    const char *key;  /* [a-z0-9]{13,32} */
    const char *name; /* for people: the job id, or the stage of an array */
    /* The program. argv is complete and runs as it stands on the submitting machine;
     * body is the same as POSIX shell text (no #! line) that chooses the agent by the
     * node's architecture, every value quoted. Use one of them. The unit's index within
     * its array is to be in the environment as REPX_INDEX, the scheduler's id of this
     * unit as REPX_UNIT (for an array element that of the array), for both forms. */
    const char *const *argv;         /* ends with NULL */
    const char *body;                /* zero-terminated */
    const char *workdir;             /* exists; names the key in its last component */
    uint64_t array;                  /* 0: no array; else indices 0..array-1 */
    const struct repx_dep *deps;     /* all are to be met */
    uint64_t dep_count;              /* 0: none */
    uint64_t dep_stride;             /* bytes from one to the next */
    struct repx_resources resources; /* of one index, for an array */
};

#define REPX_SUBMIT_ACCEPTED 1
#define REPX_SUBMIT_REFUSED 2 /* for good: text says why */
#define REPX_SUBMIT_ROOM 3    /* refused for room: wait, or halve the array */
#define REPX_SUBMIT_PERHAPS 4 /* no answer: ask find before anything else */

/* Takes the answers of submit. Of fixed size. */
struct repx_submit_sink {
    void *ctx; /* the first argument */
    /* For unit number i of the batch: REPX_SUBMIT_*. id is the scheduler's, NULL unless
     * accepted; text is one line for people, or NULL. Both are copied.
     * Errors: none. Threads: caller. Since: 0.1. */
    void (*answer)(void *ctx, uint64_t i, uint32_t result, const char *id,
                   const char *text);
};

/* States of a unit or of one index. Unknown values count as RUNNING. */
#define REPX_STATE_PENDING 1
#define REPX_STATE_RUNNING 2
#define REPX_STATE_DONE 3     /* ended, exit status 0 */
#define REPX_STATE_FAILED 4   /* ended otherwise; exit says how */
#define REPX_STATE_CANCELED 5 /* by a person or a dependency; reason says */
#define REPX_STATE_TIMEOUT 6
#define REPX_STATE_MEMORY 7
#define REPX_STATE_NODE 8  /* the node failed */
#define REPX_STATE_ENDED 9 /* gone from the queue; how it ended is not known */

/* One unit, or one index of it. The plugin's; its texts are copied by the sink. */
struct repx_status {
    uint64_t size;      /* sizeof(struct repx_status) */
    const char *id;     /* of the unit */
    const char *key;    /* NULL when the scheduler's answer does not tell */
    int64_t index;      /* within the array, -1: all of it that has not its own row */
    uint32_t state;     /* REPX_STATE_* */
    int32_t exit;       /* 0..255, 128 + signal, or -1: not known */
    const char *reason; /* the scheduler's own word, or "" */
    const char *node;   /* or "" */
    /* What a plugin may leave at zero. */
    const char *by;   /* who cancelled it: a user's name; NULL: not known */
    int64_t restarts; /* how often it was put back into the queue */
    int64_t memory;   /* peak bytes; 0: not known */
    /* With index -1: the indices that this row speaks for, "3-7,9"; NULL: all that have no
     * row of their own. */
    const char *indices;
};

/* Takes the rows of status and ended. Of fixed size. */
struct repx_status_sink {
    void *ctx; /* the first argument */
    /* One row, in any order; it is copied, and may be reused when row returns.
     * Errors: none. Threads: caller. Since: 0.1. */
    void (*row)(void *ctx, const struct repx_status *row);
};

#define REPX_SCOPE_MINE 1 /* all units of this user that carry a repx key */

/* Takes the answers of find. Of fixed size. */
struct repx_found_sink {
    void *ctx; /* the first argument */
    /* key is one of those that were asked for, id the scheduler's, state REPX_STATE_*. All
     * are copied.
     * Errors: none. Threads: caller. Since: 0.1. */
    void (*found)(void *ctx, const char *key, const char *id, uint32_t state);
};

/* What is known of a scheduler. The core's, filled in by the plugin, which sets size to that
 * of the struct as it knows it; texts are the plugin's, valid until its next call. */
struct repx_limits {
    uint64_t size;        /* sizeof(struct repx_limits) */
    int64_t array_max;    /* largest count of an array; 0: no arrays; -1 unknown */
    int64_t submit_max;   /* units or indices of one user at a time; -1 unknown */
    int64_t script_max;   /* bytes; -1 unknown */
    int64_t name_max;     /* characters; -1 unknown */
    int64_t poll_ms;      /* shortest sensible time between two status calls */
    int64_t node_submits; /* may compute nodes submit: 1 yes, 0 no, -1 unknown */
    int64_t remembers_s;  /* how long status knows units that ended; -1 unknown */
    /* 1: "ID_INDEX" names one index of an array in dependencies and in cancel. Only then
     * are jobs that others depend on put into arrays. */
    int64_t index_ids;
    /* Characters that a name may have beside letters and digits; NULL: any printable. */
    const char *name_chars;
    int64_t lanes; /* calls that may be at work at the same time; 0: one */
};

struct repx_scheduler_ops {
    uint64_t size; /* sizeof(struct repx_scheduler_ops) */

    /* workdir is the scheduler's own directory on the target ("" in the client), where it
     * may keep files between calls. On success *self goes to every other function and is
     * released by close; on failure nothing is left to release. host stays valid until
     * close returns. Asks nobody.
     * Errors: REPX_E_USAGE (keys that do not fit together). Threads: any. Since: 0.1. */
    int32_t (*open)(void **self, const struct repx_host *host, const char *workdir,
                    struct repx_err *err);

    /* Release it; takes NULL. What is in the queue stays there.
     * Errors: none. Threads: handle. Since: 0.1. */
    void (*close)(void *self);

    /* Would submit accept these resources? Runs in the client, asks nobody.
     * Errors: REPX_E_USAGE (says which one it cannot give). Threads: handle. Since: 0.1. */
    int32_t (*check)(void *self, const struct repx_resources *resources,
                     struct repx_err *err);

    /* What the scheduler bears, as far as that can be asked for.
     * Errors: REPX_E_TIMEOUT, REPX_E_BUSY. Threads: handle. Since: 0.1. */
    int32_t (*limits)(void *self, struct repx_limits *limits, int64_t deadline_ms,
                      struct repx_err *err);

    /* Submit count units, stride bytes apart, in order, and answer each exactly once, as
     * soon as its answer is known. -1 only when nothing was tried; every unit not answered
     * then is not submitted. Submitting a key again is an error of the caller's: after a
     * doubt it asks find first. At the deadline the rest is answered with
     * REPX_SUBMIT_PERHAPS or, when it was not tried, REPX_SUBMIT_ROOM.
     * Errors: REPX_E_USAGE, REPX_E_TIMEOUT, REPX_E_BUSY. Threads: handle. Since: 0.1. */
    int32_t (*submit)(void *self, const struct repx_unit *units, uint64_t count,
                      uint64_t stride, const struct repx_submit_sink *sink,
                      int64_t deadline_ms, struct repx_err *err);

    /* Rows for the units of a scope (REPX_SCOPE_*), by one query however many they are. A
     * unit that the scheduler does not know has no row; a query that failed is -1, never a
     * state. Rows that came before a failure count.
     * Errors: REPX_E_TIMEOUT, REPX_E_BUSY, REPX_E_UNSUPPORTED (that scope). Threads:
     * handle. Since: 0.1. */
    int32_t (*status)(void *self, uint32_t scope, const struct repx_status_sink *sink,
                      int64_t deadline_ms, struct repx_err *err);

    /* Which of these count keys does the scheduler know, among units submitted since then
     * (seconds since 1970, 0: ever)? Keys it does not know get no answer. A key is known
     * from the moment submit handed it over.
     * Errors: REPX_E_TIMEOUT, REPX_E_BUSY. Threads: handle. Since: 0.1. */
    int32_t (*find)(void *self, const char *const *keys, uint64_t count, int64_t since,
                    const struct repx_found_sink *sink, int64_t deadline_ms,
                    struct repx_err *err);

    /* Ask these count units ("ID", or "ID_INDEX" where limits says index_ids) to end,
     * running or not. Those that ended already are no error.
     * Errors: REPX_E_TIMEOUT, REPX_E_BUSY. Threads: handle. Since: 0.1. */
    int32_t (*cancel)(void *self, const char *const *ids, uint64_t count,
                      int64_t deadline_ms, struct repx_err *err);

    /* Optional; scatter-gather needs it. Replace the dependencies of a unit that still
     * waits by these count ones, stride bytes apart; count 0: it may start. One that waits
     * no more is left as it is, with REPX_E_NOENT where the scheduler tells that.
     * Errors: REPX_E_TIMEOUT, REPX_E_BUSY, REPX_E_NOENT. Threads: handle. Since: 0.1. */
    int32_t (*amend)(void *self, const char *id, const struct repx_dep *deps,
                     uint64_t count, uint64_t stride, int64_t deadline_ms,
                     struct repx_err *err);

    /* Optional. Rows, as of status, for the units of this user that ended since then
     * (seconds since 1970), from what the scheduler remembers longer than its queue does:
     * its accounts. By one query, or two.
     * Errors: REPX_E_UNSUPPORTED (a site that keeps none), REPX_E_TIMEOUT, REPX_E_BUSY.
     * Threads: handle. Since: 0.1. */
    int32_t (*ended)(void *self, int64_t since, const struct repx_status_sink *sink,
                     int64_t deadline_ms, struct repx_err *err);

    /* REPX_HONOURS_*: the resources that this scheduler honours. One that is set and is not
     * among them is refused before check is asked. 0: check decides alone. */
    uint64_t honours;
};

#ifdef __cplusplus
}
#endif

#endif
