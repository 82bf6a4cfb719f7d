/* SPDX-License-Identifier: MIT */
/* job_process.h: one program in a session of its own, watched until all of it is gone. */
#ifndef REPX_AGENT_JOB_PROCESS_H
#define REPX_AGENT_JOB_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#include <kit/buf.h>
#include <kit/err.h>

struct process {
    char *const *argv; /* argv[0] is the path of the program */
    char *const *env;
    const char *cwd;
    int in_fd; /* -1: /dev/null */
    int out_fd, err_fd;
    int keep_fd;      /* one more descriptor that the program inherits, or -1 */
    int64_t limit_ms; /* end it after that long; 0: never */
    int64_t kill_ms;  /* from TERM to KILL */
    int spare_root;   /* TERM goes to descendants only: the program's own death would
                          kill them at once */
};

/* How it ended. */
struct outcome {
    int ok;
    int exit;      /* -1 when a signal ended it */
    int signal;    /* 0 when none did */
    int asked;     /* the signal that asked us to end it, or 0 */
    int timed_out; /* limit_ms passed */
    int again;    /* no end: the scheduler took it back, and starts it again or says why
                      it does not; reason tells what happened */
    char *reason; /* of section 8 of docs/state-format.md; NULL when ok. Owned. */
    int64_t ms, mem, cpu_ms;
};
void outcome_finish(struct outcome *o);
/* ok 0 and a reason. */
void outcome_set(struct outcome *o, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Signals that end a unit (TERM, INT) are held back from here on, so that none gets lost
 * before there is a script to pass it to; HUP is ignored; orphans become our children. */
void process_prepare(void);
/* The signal that asks us to end and has come already, or 0; it stays pending. */
int process_asked(void);

/* Run it to its end, and end whatever it leaves behind. Returns 0 and fills exit, signal,
 * asked, timed_out and the figures of *o; -1 when it could not be started. */
int process_run(const struct process *p, struct outcome *o, struct repx_err *err);

/* Called about every 10 s while a tool runs. */
struct tool_watch {
    void (*tick)(void *ctx);
    void *ctx;
};

/* Run a tool for ourselves, with its output and errors (the first 64 KiB of both
 * together) in *said; watch may be NULL. 0 when it ended with status 0. */
int process_tool(char *const *argv, const struct tool_watch *watch,
                 struct repx_buf *said, struct repx_err *err);
/* The same with an environment of its own. */
int process_tool_env(char *const *argv, char *const *env,
                     const struct tool_watch *watch, struct repx_buf *said,
                     struct repx_err *err);

/* Send a signal to all below a process, deepest last; to itself too when `root`. */
void descendants_signal(pid_t pid, int signal, int root);

#endif
