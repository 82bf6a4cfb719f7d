/* SPDX-License-Identifier: MIT */
/* job_process.c: the supervisor's only loop: wait for the script, for a signal, or for
 * the time limit.
 *
 *     supervisor (subreaper)      script: session and process group of its own
 *       TERM, INT   ----------->  TERM to the group, KILL after kill_ms
 *       limit_ms    ----------->  the same
 *       dies        ----------->  KILL (PR_SET_PDEATHSIG)
 *
 * What the script leaves behind when it ends (background processes, daemons of a session
 * of their own) becomes our child and is killed: nothing writes after the end. */
#define _GNU_SOURCE /* wait4, pipe2 */
#include "job_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/clock.h>
#include <kit/file.h>

void outcome_finish(struct outcome *o)
{
    free(o->reason);
    *o = (struct outcome){0};
}

void outcome_set(struct outcome *o, const char *fmt, ...)
{
    va_list ap;
    char *text = repx_alloc(2048);

    va_start(ap, fmt);
    (void)vsnprintf(text, 2048, fmt, ap);
    va_end(ap);
    free(o->reason);
    o->reason = text;
    o->ok = 0;
}

static void signals_fill(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGCHLD);
}

void process_prepare(void)
{
    sigset_t set;

    signals_fill(&set);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGCHLD, SIG_DFL);
    (void)signal(SIGHUP, SIG_IGN);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

int process_asked(void)
{
    sigset_t set;

    if (sigpending(&set) < 0)
        return 0;
    if (sigismember(&set, SIGTERM))
        return SIGTERM;
    return sigismember(&set, SIGINT) ? SIGINT : 0;
}

/* ---- the child ---- */

static void child_signals(void)
{
    sigset_t none;

    (void)signal(SIGHUP, SIG_DFL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int child_fds(const struct process *p)
{
    int in = p->in_fd >= 0 ? p->in_fd : open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (in < 0 || dup2(in, 0) < 0 || dup2(p->out_fd, 1) < 0 || dup2(p->err_fd, 2) < 0)
        return -1;
    if (p->keep_fd >= 0 && fcntl(p->keep_fd, F_SETFD, 0) < 0)
        return -1;
    return 0;
}

/* Never returns: becomes the program, or tells errno through `tell` and ends. */
static void child_main(const struct process *p, pid_t parent, int tell)
{
    (void)setsid();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() == parent && child_fds(p) == 0 && chdir(p->cwd) == 0) {
        child_signals();
        (void)execve(p->argv[0], p->argv, p->env);
    }
    int why = errno;
    (void)repx_write_all(tell, &why, sizeof why);
    _exit(127);
}

/* Starts it; the pid, or -1. */
static pid_t start(const struct process *p, struct repx_err *err)
{
    int tell[2], why = 0;
    pid_t parent = getpid();

    if (pipe2(tell, O_CLOEXEC) < 0)
        return repx_fail_errno(err, "%s", p->argv[0]);
    pid_t pid = fork();
    if (pid == 0)
        child_main(p, parent, tell[1]);
    (void)close(tell[1]);
    if (pid < 0) {
        (void)close(tell[0]);
        return repx_fail_errno(err, "%s: fork", p->argv[0]);
    }
    ssize_t n;
    do {
        n = read(tell[0], &why, sizeof why);
    } while (n < 0 && errno == EINTR);
    (void)close(tell[0]);
    if (n <= 0)
        return pid;
    (void)waitpid(pid, NULL, 0);
    errno = why;
    if (why == ENOENT) {
        return repx_fail(err, REPX_E_NOENT,
                         "%s: No such file or directory: the script itself, or the "
                         "interpreter that its first line names",
                         p->argv[0]);
    }
    return repx_fail_errno(err, "%s", p->argv[0]);
}

/* ---- the watch ---- */

struct watch {
    const struct process *p;
    struct outcome *o;
    pid_t pid;
    int status;
    int ended;
    int64_t begun, kill_at; /* kill_at 0: not asked to end */
};

static void account(struct outcome *o, const struct rusage *r)
{
    int64_t mem = (int64_t)r->ru_maxrss * 1024;
    int64_t us = (int64_t)r->ru_utime.tv_usec + r->ru_stime.tv_usec;

    o->mem = mem > o->mem ? mem : o->mem;
    o->cpu_ms += ((int64_t)r->ru_utime.tv_sec + r->ru_stime.tv_sec) * 1000 + us / 1000;
}

/* Takes what has ended; 1 while there are more children. */
static int reap(struct watch *w)
{
    struct rusage usage;
    int status;

    for (;;) {
        pid_t pid = wait4(-1, &status, WNOHANG, &usage);
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid <= 0)
            return pid == 0;
        account(w->o, &usage);
        if (pid == w->pid) {
            w->status = status;
            w->ended = 1;
        }
    }
}

static void ask_to_end(struct watch *w)
{
    if (w->kill_at)
        return;
    if (w->p->spare_root) {
        descendants_signal(w->pid, SIGTERM, 0);
    } else {
        (void)kill(-w->pid, SIGTERM);
    }
    w->kill_at = repx_now_ms() + w->p->kill_ms;
}

static int64_t next_wake(const struct watch *w, int64_t now)
{
    int64_t at = now + INT64_C(3600000);

    if (w->kill_at && w->kill_at < at)
        at = w->kill_at;
    if (!w->kill_at && w->p->limit_ms && w->begun + w->p->limit_ms < at)
        at = w->begun + w->p->limit_ms;
    return at > now ? at - now : 0;
}

static void on_clock(struct watch *w, int64_t now)
{
    if (w->kill_at && now >= w->kill_at) {
        (void)kill(-w->pid, SIGKILL);
        descendants_signal(w->pid, SIGKILL, 1);
        w->kill_at = now + 1000;
    } else if (!w->kill_at && w->p->limit_ms && now - w->begun >= w->p->limit_ms) {
        w->o->timed_out = 1;
        ask_to_end(w);
    }
}

static void wait_for_end(struct watch *w)
{
    sigset_t set;

    signals_fill(&set);
    while (!w->ended) {
        int64_t ms = next_wake(w, repx_now_ms());
        struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
        int got = sigtimedwait(&set, NULL, &t);
        if (got == SIGTERM || got == SIGINT) {
            w->o->asked = got;
            ask_to_end(w);
        }
        (void)reap(w);
        if (!w->ended)
            on_clock(w, repx_now_ms());
    }
}

/* Nothing that the script started outlives it. */
static void end_leftovers(struct watch *w)
{
    const struct timespec pause = {0, 2000000};

    (void)kill(-w->pid, SIGKILL);
    for (int tries = 0; reap(w) && tries < 1000; tries++) {
        descendants_signal(getpid(), SIGKILL, 0);
        (void)nanosleep(&pause, NULL);
    }
}

int process_run(const struct process *p, struct outcome *o, struct repx_err *err)
{
    struct watch w = {.p = p, .o = o, .begun = repx_now_ms()};

    w.pid = start(p, err);
    if (w.pid < 0)
        return -1;
    wait_for_end(&w);
    end_leftovers(&w);
    o->ms = repx_now_ms() - w.begun;
    o->exit = WIFEXITED(w.status) ? WEXITSTATUS(w.status) : -1;
    o->signal = WIFSIGNALED(w.status) ? WTERMSIG(w.status) : 0;
    o->ok = o->exit == 0 && !o->asked && !o->timed_out;
    return 0;
}

/* ---- tools ---- */

static char tool_path[] = "PATH=/usr/local/bin:/usr/bin:/bin",
            tool_locale[] = "LC_ALL=C";
static char *const tool_env[] = {tool_path, tool_locale, NULL};

static void tool_read(int fd, const struct tool_watch *watch, struct repx_buf *said)
{
    for (;;) {
        struct pollfd p = {fd, POLLIN, 0};
        if (watch && poll(&p, 1, 10000) == 0) {
            watch->tick(watch->ctx);
            continue;
        }
        char bytes[4096];
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        if (said->len < 65536)
            repx_buf_add(said, bytes, (size_t)n);
    }
}

int process_tool_env(char *const *argv, char *const *env,
                     const struct tool_watch *watch, struct repx_buf *said,
                     struct repx_err *err)
{
    int out[2], status = 0;

    if (pipe2(out, O_CLOEXEC) < 0)
        return repx_fail_errno(err, "%s", argv[0]);
    struct process p = {.argv = argv, .env = env, .cwd = "/", .in_fd = -1};
    p.out_fd = p.err_fd = out[1];
    p.keep_fd = -1;
    pid_t pid = start(&p, err);
    (void)close(out[1]);
    if (pid > 0) {
        tool_read(out[0], watch, said);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            continue;
    }
    (void)close(out[0]);
    if (pid < 0)
        return -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return repx_fail(err, REPX_E_FAILED, "%s: %s", argv[0],
                     said->len ? repx_buf_text(said) : "ended without a word");
}

int process_tool(char *const *argv, const struct tool_watch *watch,
                 struct repx_buf *said, struct repx_err *err)
{
    return process_tool_env(argv, tool_env, watch, said, err);
}
