/* SPDX-License-Identifier: MIT */
/* plugin.h: what every repx plugin has: a descriptor, and the host that lends it services.
 *
 * Rules of the whole contract, said once:
 *  - structs hold fixed-width integers, pointers and sized buffers, and begin with their
 *    own size as their author's compiler saw it; they only ever grow at the end;
 *  - arrays cross as (pointer, count, stride), stride being the size of one element;
 *  - functions return 0 for success and -1 with *err filled, unless they say otherwise;
 *    on success *err is untouched;
 *  - memory belongs to whoever allocated it; what a function receives is only valid
 *    until it returns; what it hands out is valid until the next call on that handle;
 *  - strings are UTF-8, end with a zero byte, and are never NULL unless said so;
 *  - times are milliseconds; a deadline is a value of host->now_ms, 0 means none;
 *  - one handle is used by one thread at a time; only log, progress and canceled of the
 *    host may be called from other threads;
 *  - a plugin changes no signal state, no locale, no working directory, no environment,
 *    prints nothing, and never ends the process.
 *
 * Each function ends with three words on what it fails with, who may call it and from
 * which ABI on it is there:
 *  - "Errors": the codes that it gives a meaning of their own; any other is given up on
 *    and shown. "none": it cannot fail;
 *  - "Threads": "handle" is one thread at a time for that handle, several for several
 *    handles; "caller" is the thread that is inside the plugin just now; "any" is any
 *    thread, at any time between the first and the last call of the plugin;
 *  - "Since": major.minor of the ABI. A member that has a later one than the ABI of the
 *    other side lies behind the end of its struct, and is not to be touched: look at size.
 * Members without that word are there since 0.1. */
#ifndef REPX_PLUGIN_H
#define REPX_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#include <repx/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the caller may do about an error. Unknown codes count as REPX_E_FAILED. */
#define REPX_E_NONE 0
#define REPX_E_FAILED 1  /* give up and show the text */
#define REPX_E_USAGE 2   /* the user's arguments or configuration: show the text */
#define REPX_E_CORRUPT 3 /* bytes are not what they claim to be */
#define REPX_E_LINK 4    /* the connection is gone: connecting again may help */
#define REPX_E_TIMEOUT 5 /* no answer in time: the call may or may not have worked */
#define REPX_E_AUTH 6    /* ask the user; never retry by yourself */
#define REPX_E_BUSY 7    /* refused for room: wait, then the same again */
#define REPX_E_UNSUPPORTED 8 /* not offered here, or built for another version */
#define REPX_E_CANCELED 9    /* because the user said so */
#define REPX_E_NOENT 10      /* the thing asked for does not exist */

#define REPX_ERR_TEXT 2040

/* An error: a code and one line of text, outermost context first. The caller owns it;
 * initialise with {0}. Never needs freeing. */
struct repx_err {
    int32_t code;             /* REPX_E_* */
    uint32_t reserved;        /* 0 */
    char text[REPX_ERR_TEXT]; /* one line of UTF-8, zero-terminated */
};

/* Kinds of plugins. */
#define REPX_KIND_TRANSPORT 1
#define REPX_KIND_SCHEDULER 2
#define REPX_KIND_SYNC 3

/* The phase a sync plugin serves; 0 for the other kinds. */
#define REPX_PHASE_NONE 0
#define REPX_PHASE_BOOTSTRAP 1
#define REPX_PHASE_LAB 2
#define REPX_PHASE_IMAGE 3

/* Types of configuration keys. */
#define REPX_FIELD_STRING 1
#define REPX_FIELD_INT 2      /* min..max */
#define REPX_FIELD_BOOL 3     /* "true" or "false" */
#define REPX_FIELD_DURATION 4 /* text such as "30s", value in milliseconds */
#define REPX_FIELD_SIZE 5     /* text such as "2G", value in bytes */
#define REPX_FIELD_LIST 6     /* array of strings */

#define REPX_FIELD_REQUIRED 1u /* flags */
#define REPX_FIELD_SECRET 2u   /* never logged, never shown */

/* One configuration key. The core parses, checks and documents it. The texts are the
 * plugin's, for the life of the process. */
struct repx_field {
    const char *name;    /* [a-z0-9_]{1,64} */
    uint32_t type;       /* REPX_FIELD_STRING to REPX_FIELD_LIST */
    uint32_t flags;      /* REPX_FIELD_REQUIRED, REPX_FIELD_SECRET, or 0 */
    int64_t min, max;    /* of the number, in its unit; both 0: any */
    const char *initial; /* default as text, or NULL: unset */
    const char *help;    /* one line */
};

#define REPX_LOG_ERROR 0
#define REPX_LOG_WARN 1
#define REPX_LOG_INFO 2
#define REPX_LOG_DEBUG 3

/* A command run by the host where the plugin's code runs: for a scheduler's helper that
 * is the target. No shell is involved. The plugin owns the struct and what it sets there;
 * the host owns what it fills in. */
struct repx_run {
    uint64_t size;           /* sizeof(struct repx_run) */
    const char *const *argv; /* ends with NULL; argv[0] is looked up in PATH */
    const char *const
        *env;            /* "K=V" to add to the environment, ends with NULL; or NULL */
    const char *workdir; /* where it runs; NULL: where the plugin's process is */
    const void *input;   /* written to its standard input, then closed; or NULL */
    uint64_t input_len;  /* bytes */
    int64_t deadline_ms; /* then it is killed, and the call fails with REPX_E_TIMEOUT */
    uint64_t output_max; /* more output than this is an error; 0: 64 MiB */
    /* filled in by the host; valid until the next run */
    int32_t status;      /* exit status, or 128 + signal */
    int32_t reserved;    /* 0 */
    const char *out;     /* standard output, zero-terminated */
    uint64_t out_len;    /* bytes, without that zero */
    const char *errors;  /* standard error, cut at 64 KiB, zero-terminated */
    uint64_t errors_len; /* bytes, without that zero */
    /* When not NULL, standard output goes here piece by piece, as it comes, and is not
     * kept: for answers of any length. output_max does not count then. bytes: n of them,
     * not zero-terminated, valid until it returns.
     * Errors: none. Threads: called from run, in its thread. Since: 0.1. */
    void (*output)(void *ctx, const char *bytes, uint64_t n);
    void *output_ctx; /* its first argument */
    /* When not NULL: a text of its messages at which there is no use in waiting longer. It
     * is killed then, and the call fails with REPX_E_TIMEOUT. */
    const char *stop_at;
};

/* What the core lends to every plugin, from the first call into it to the last. Pass ctx as
 * the first argument. The core owns the struct and what it points to. */
struct repx_host {
    uint64_t
        size;  /* of the struct as the core knows it: what lies behind is not there */
    void *ctx; /* the core's own */
    /* One line for the user, without newline, prefixed by the core with the plugin's name.
     * level: REPX_LOG_*; text is copied.
     * Errors: none. Threads: any. Since: 0.1. */
    void (*log)(void *ctx, uint32_t level, const char *text);
    /* How far the current work is: done of total, total 0 when unknown. unit: "bytes",
     * "files" or "jobs".
     * Errors: none. Threads: any. Since: 0.1. */
    void (*progress)(void *ctx, const char *unit, uint64_t done, uint64_t total);
    /* 1 once the user asked to stop, 0 before. What is at work then ends soon, with
     * REPX_E_CANCELED.
     * Errors: none. Threads: any. Since: 0.1. */
    int32_t (*canceled)(void *ctx);
    /* A descriptor that becomes readable when canceled() turns 1, or -1: there is none. It
     * is the core's: poll it, never read or close it.
     * Errors: none. Threads: caller. Since: 0.1. */
    int32_t (*cancel_fd)(void *ctx);
    /* Milliseconds of a monotonic clock: what deadlines are told in. Never negative.
     * Errors: none. Threads: caller. Since: 0.1. */
    int64_t (*now_ms)(void *ctx);
    /* The value of a configuration key as text, or its default; NULL when unset, and for a
     * key that the plugin has not declared. index is 0; for lists that of the element, NULL
     * past the end. The core's, valid as long as the host.
     * Errors: none. Threads: caller. Since: 0.1. */
    const char *(*config_text)(void *ctx, const char *key, uint64_t index);
    /* The same as a number: a whole one, 0 or 1 for bool, milliseconds for duration, bytes
     * for size. 1 when set, 0 when unset or no number: *value is untouched then.
     * Errors: none. Threads: caller. Since: 0.1. */
    int32_t (*config_number)(void *ctx, const char *key, int64_t *value);
    /* Ask the user without echo. prompt is one line. answer has room for len bytes, is cut
     * at len - 1 and zero-terminated; it is the plugin's to wipe.
     * Errors: REPX_E_AUTH when nobody can be asked, REPX_E_CANCELED. Threads: caller.
     * Since: 0.1. */
    int32_t (*secret)(void *ctx, const char *prompt, char *answer, uint64_t len,
                      struct repx_err *err);
    /* Run a command and wait for its end. NULL but in a scheduler's helper. Returns 0 when
     * the command ran, whatever its status. What it filled in is valid until the next run.
     * Errors: REPX_E_TIMEOUT (killed at the deadline, or at stop_at: it may have worked),
     * REPX_E_NOENT (no such program), REPX_E_FAILED (more output than output_max).
     * Threads: caller. Since: 0.1. */
    int32_t (*run)(void *ctx, struct repx_run *run, struct repx_err *err);
};

#define REPX_PLUGIN_MAGIC UINT64_C(0x3176786570657252)

/* The descriptor, constant for the life of the process, as is all that it points to. */
struct repx_plugin {
    uint64_t size;       /* sizeof(struct repx_plugin); more than 64 KiB is refused */
    uint64_t magic;      /* REPX_PLUGIN_MAGIC */
    uint32_t abi_major;  /* REPX_ABI_MAJOR */
    uint32_t abi_minor;  /* REPX_ABI_MINOR */
    uint32_t kind;       /* REPX_KIND_* */
    uint32_t phase;      /* REPX_PHASE_* */
    const char *name;    /* without kind: "ssh", [a-z][a-z0-9-]{0,31} */
    const char *version; /* the plugin's own */
    const char *vendor;  /* who made it */
    const char *license; /* SPDX expression or "proprietary" */
    const char *summary; /* one line */
    const void *vtable;  /* struct repx_transport_ops, _scheduler_ops or _sync_ops */
    uint64_t
        vtable_size; /* bytes, as its first member says; more than 64 KiB is refused */
    const struct repx_field
        *fields;           /* the configuration keys; NULL when there are none */
    uint64_t field_count;  /* at most 1024 */
    uint64_t field_stride; /* bytes from one to the next */
};

#if defined(_WIN32)
#    define REPX_EXPORT
#else
#    define REPX_EXPORT __attribute__((visibility("default")))
#endif
/* The one symbol that a plugin exports: its descriptor, the same each time, never NULL. No
 * side effects: it opens, starts, prints and changes nothing.
 * Errors: none. Threads: any. Since: 0.1. */
REPX_EXPORT const struct repx_plugin *repx_plugin_v0(void);

#ifdef __cplusplus
}
#endif

#endif
