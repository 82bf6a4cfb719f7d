/* SPDX-License-Identifier: MIT */
/* runtime.h: how a script is started: natively, under bwrap, podman, docker
 * or charliecloud. docs/job-environment.md
 * is what scripts may rely on. A runtime that does not work is a failure with its name,
 * never another runtime. */
#ifndef REPX_AGENT_RUNTIME_H
#define REPX_AGENT_RUNTIME_H

#include <jansson.h>
#include <stdint.h>

#include "core/agent/agent.h"
#include "core/agent/job_process.h"

#define MOUNT_ISOLATED 0
#define MOUNT_SPECIFIC 1
#define MOUNT_HOST 2

struct runtime_request {
    struct site *site;
    const char *runtime;          /* "native", "bwrap", "podman", "docker", ... */
    const char *image;            /* tag, or NULL */
    const char *node_local;       /* absolute path for this node's copies, or NULL */
    const char *local_artifacts;  /* where to look for the image first, or NULL */
    const char *tools;            /* absolute path of the host tools' bin, or NULL */
    int mounts;                   /* MOUNT_* */
    const json_t *paths;          /* MOUNT_SPECIFIC: array of absolute paths */
    int batch;                    /* started by a batch scheduler: its variables pass */
    const char *script, *package; /* absolute; package: its directory, or NULL */
    const char *out, *repx;       /* absolute directories */
    const char *inputs, *parameters; /* absolute files */
    int out_fd, err_fd;
    int64_t limit_ms;
};

struct runtime_command;

/* Make sense of how a runtime's program ended: `said` is the end of the error log. */
typedef void runtime_ended(const struct runtime_request *q,
                           const struct runtime_command *c, const char *said,
                           struct outcome *o);

/* What to execute. */
struct runtime_command {
    char **argv, **env; /* end with NULL, owned */
    char *cwd;
    int status[2];        /* bwrap reports here; -1 otherwise */
    int spare_root;       /* see job_process.h */
    char *container;      /* of an engine: its name there; owned */
    runtime_ended *ended; /* or NULL */
};

/* Prepare the runtime and run the script: fills *o whatever happens; a script that did
 * not start has reason "not started: ...". The command line is added to *said when it
 * is not NULL. */
void runtime_run(const struct runtime_request *q, struct outcome *o,
                 struct repx_buf *said);

/* ---- parts ---- */

/* The environment of a script (runtime_env.c). path: value of PATH. home: of HOME, or
 * NULL for the user's own. Caller frees with strings_free. */
char **runtime_environment(const struct runtime_request *q, const char *path,
                           const char *home);
void strings_free(char **strings);
/* A list of strings that grows. */
struct strings {
    char **items;
    size_t count, room;
};
void strings_add(struct strings *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

int runtime_native(const struct runtime_request *q, struct runtime_command *c,
                   struct repx_err *err);
int runtime_bwrap(const struct runtime_request *q, struct runtime_command *c,
                  struct repx_err *err);
/* Did the script start under bwrap? 1 with its exit status in *o, 0 no. */
int runtime_bwrap_started(struct runtime_command *c, struct outcome *o);

/* podman or docker, as q->runtime says. */
int runtime_engine(const struct runtime_request *q, struct runtime_command *c,
                   struct repx_err *err);
int runtime_charliecloud(const struct runtime_request *q, struct runtime_command *c,
                         struct repx_err *err);

/* A program among the Lab's tools, in PATH, or in the system's usual places; package is
 * named when there is none (runtime_find.c). Caller frees. */
char *runtime_program(const struct runtime_request *q, const char *name,
                      const char *package, struct repx_err *err);
/* Is path the directory dir, or inside of it? */
int runtime_inside(const char *path, const char *dir);
/* Directories outside of base path and state that a script needs, to be bound read-only:
 * the i-th, or NULL. Copies on a node's own disk, say. Caller frees. */
#define OUTSIDE 2 /* at most */
char *runtime_outside(const struct runtime_request *q, size_t i);

/* The image's root directory, extracted if need be (runtime_rootfs.c). Caller frees. */
char *runtime_rootfs(const struct runtime_request *q, struct repx_err *err);
/* May the root be an overlay here (runtime_overlay.c)? Asked once, then remembered. */
int runtime_overlay(const struct runtime_request *q, const char *bwrap,
                    const char *rootfs);

#endif
