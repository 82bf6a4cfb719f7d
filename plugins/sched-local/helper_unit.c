/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/clock.h>
#include <kit/file.h>

#include "helper_queue.h"
#include "helper_record.h"

#define KILL_AFTER_MS 10000
#define RETRY_MS 2000

/* What a child says that could not become its unit. */
struct failure {
    size_t unit, index;
    int error;
    int recorded; /* its start is in the journal: it counts as started */
};

/* ---- starting ---- */

static int write_start(const struct queue *q, const struct q_unit *u, size_t index)
{
    struct repx_buf line REPX_AUTO_BUF = {0};

    record_line(&line, "ssnnn", "run", u->id, (int64_t)index, (int64_t)getpid(),
                (int64_t)process_start(getpid()));
    return repx_write_all(q->journal, line.data, line.len);
}

static void set_environment(const struct q_unit *u, size_t index)
{
    char number[24];

    (void)setenv("REPX_UNIT", u->id, 1);
    if (u->is_array) {
        (void)snprintf(number, sizeof(number), "%zu", index);
        (void)setenv("REPX_INDEX", number, 1);
    } else {
        (void)unsetenv("REPX_INDEX");
    }
}

/* In the child. It writes down its start itself: the record is there exactly when the
 * program is about to run, whenever the queue may be killed. A child whose queue died
 * before that steps back; the queue's lock, which it shares up to the exec, keeps the
 * next queue from reading the journal in between. */
static void become(const struct queue *q, size_t unit, size_t index, pid_t parent)
{
    struct q_unit *u = q->m.units + unit;
    struct failure f = {unit, index, 0, 0};
    sigset_t none;

    (void)setsid();
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    set_environment(u, index);
    if (getppid() != parent)
        _exit(127);
    if (write_start(q, u, index) < 0) {
        f.error = errno;
    } else {
        f.recorded = 1;
        if (chdir(u->workdir) == 0)
            (void)execvp(u->argv[0], u->argv);
        f.error = errno;
    }
    (void)!write(q->failed[1], &f, sizeof(f));
    _exit(127);
}

static void unit_account(struct queue *q, size_t unit, int sign)
{
    struct q_unit *u = q->m.units + unit;
    struct q_group *g = q->m.groups + q->m.batches[u->batch].group;

    q->cpus_used += sign * u->cpus;
    q->memory_used += sign * u->memory;
    g->memory_used += sign * u->memory;
    g->running += (size_t)sign;
}

static void own_add(struct queue *q, size_t unit, size_t index)
{
    if (q->own_count == q->own_cap) {
        q->own_cap = q->own_cap ? q->own_cap * 2 : 64;
        q->own = repx_grow(q->own, q->own_cap, sizeof(*q->own));
    }
    q->own[q->own_count++] = (struct q_place){unit, index};
    unit_account(q, unit, 1);
}

static void own_drop(struct queue *q, size_t at)
{
    unit_account(q, q->own[at].unit, -1);
    q->own[at] = q->own[--q->own_count];
}

int unit_start(struct queue *q, size_t unit, size_t index)
{
    struct q_index *x = q->m.units[unit].index + index;
    pid_t self = getpid();
    pid_t pid = fork();

    if (pid < 0) {
        q->retry_at = repx_now_ms() + RETRY_MS;
        x->queued = 1;
        list_add(&q->ready, unit, index);
        return 0;
    }
    if (pid == 0)
        become(q, unit, index, self);
    x->state = REPX_STATE_RUNNING;
    x->pid = pid;
    x->foreign = 0;
    own_add(q, unit, index);
    return 1;
}

/* ---- ends ---- */

static void ended(struct queue *q, size_t at, int status)
{
    if (q->ended.count == q->ends_cap) {
        q->ends_cap = q->ends_cap ? q->ends_cap * 2 : 64;
        q->ends = repx_grow(q->ends, q->ends_cap, sizeof(*q->ends));
    }
    q->ends[q->ended.count] = status;
    list_add(&q->ended, q->own[at].unit, q->own[at].index);
    own_drop(q, at);
}

static struct q_index *own_index(const struct queue *q, size_t at)
{
    return q->m.units[q->own[at].unit].index + q->own[at].index;
}

static int foreign_gone(struct q_index *x)
{
    if (x->pidfd >= 0) {
        struct pollfd p = {.fd = x->pidfd, .events = POLLIN};
        if (poll(&p, 1, 0) == 1) {
            (void)close(x->pidfd);
            x->pidfd = -1;
            return 1;
        }
        return 0;
    }
    return process_start(x->pid) != x->start;
}

/* Which of ours is that child? own_count for none. */
static size_t own_find(const struct queue *q, pid_t pid)
{
    size_t i = 0;

    while (i < q->own_count &&
           (own_index(q, i)->pid != pid || own_index(q, i)->foreign))
        i++;
    return i;
}

void units_reap(struct queue *q)
{
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        size_t i = own_find(q, pid);
        if (i < q->own_count)
            ended(q, i, status);
    }
    for (size_t i = q->own_count; i > 0; i--) {
        if (own_index(q, i - 1)->foreign && foreign_gone(own_index(q, i - 1)))
            ended(q, i - 1, -1);
    }
}

/* What children said that did not become their units. */
static void failures_apply(struct queue *q)
{
    struct failure f;

    while (read(q->failed[0], &f, sizeof(f)) == (ssize_t)sizeof(f)) {
        struct q_unit *u = q->m.units + f.unit;
        struct q_index *x = u->index + f.index;
        if (f.recorded) {
            REPX_AUTO_FREE char *why =
                repx_format("cannot start: %s: %s", u->argv[0], strerror(f.error));
            order_end(q, f.unit, f.index, REPX_STATE_FAILED, 127, why);
        } else {
            x->state = REPX_STATE_PENDING;
            x->queued = 1;
            x->pid = 0;
            list_add(&q->ready, f.unit, f.index);
            q->retry_at = repx_now_ms() + RETRY_MS;
        }
    }
}

void units_apply(struct queue *q)
{
    failures_apply(q);
    for (size_t i = 0; i < q->ended.count; i++) {
        struct q_place p = q->ended.at[i];
        const struct q_unit *u = q->m.units + p.unit;
        int status = q->ends[i];
        if (u->index[p.index].state != REPX_STATE_RUNNING)
            continue; /* a failed start */
        if (u->index[p.index].foreign && !u->canceled) {
            order_end(q, p.unit, p.index, REPX_STATE_ENDED, -1, "");
        } else if (u->canceled) {
            order_end(q, p.unit, p.index, REPX_STATE_CANCELED, -1, "cancelled");
        } else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            order_end(q, p.unit, p.index, REPX_STATE_DONE, 0, "");
        } else {
            order_end(q, p.unit, p.index, REPX_STATE_FAILED,
                      WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
                      "");
        }
    }
    q->ended.head = q->ended.count = 0;
    order_settle(q);
}

/* ---- an earlier queue's ---- */

static int pidfd_of(pid_t pid)
{
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    (void)pid;
    return -1;
#endif
}

static void adopt(struct queue *q, size_t unit, size_t index, int same)
{
    struct q_index *x = q->m.units[unit].index + index;

    x->foreign = 1;
    x->pidfd = same && x->pid > 0 ? pidfd_of(x->pid) : -1;
    if (same && x->pid > 0 && x->start && process_start(x->pid) == x->start) {
        own_add(q, unit, index);
        if (q->m.units[unit].canceled)
            x->kill_at = repx_now_ms() + KILL_AFTER_MS;
        return;
    }
    if (x->pidfd >= 0)
        (void)close(x->pidfd);
    x->pidfd = -1;
    order_end(q, unit, index, REPX_STATE_ENDED, -1, "");
}

void units_adopt(struct queue *q)
{
    int same = q->m.host && q->m.boot && strcmp(q->m.host, q->host) == 0 &&
               strcmp(q->m.boot, q->boot) == 0;

    for (size_t i = 0; i < q->m.unit_count; i++) {
        for (size_t k = 0; k < q->m.units[i].count; k++) {
            if (q->m.units[i].index[k].state == REPX_STATE_RUNNING)
                adopt(q, i, k, same);
        }
    }
}

/* ---- cancel ---- */

static void unit_signal(const struct q_index *x, int sig)
{
    if (x->pid <= 0 || (x->foreign && process_start(x->pid) != x->start))
        return;
    if (sig == SIGKILL)
        (void)kill(-x->pid, sig);
    (void)kill(x->pid, sig);
}

void unit_cancel(struct queue *q, size_t unit, const char *reason)
{
    struct repx_buf line REPX_AUTO_BUF = {0};
    struct q_unit *u = q->m.units + unit;

    if (u->canceled || u->left == 0)
        return;
    u->canceled = 1;
    record_line(&line, "ss", "cancel", u->id);
    journal_add(q, &line);
    for (size_t i = 0; i < u->count; i++) {
        struct q_index *x = u->index + i;
        if (x->state == REPX_STATE_PENDING) {
            order_end(q, unit, i, REPX_STATE_CANCELED, -1, reason);
        } else if (x->state == REPX_STATE_RUNNING) {
            unit_signal(x, SIGTERM);
            x->kill_at = repx_now_ms() + KILL_AFTER_MS;
        }
    }
}

int64_t units_kill(struct queue *q, int64_t now)
{
    int64_t next = 0;

    for (size_t i = 0; i < q->own_count; i++) {
        struct q_index *x = own_index(q, i);
        if (x->kill_at && x->kill_at <= now) {
            unit_signal(x, SIGKILL);
            x->kill_at = now + KILL_AFTER_MS;
        }
        if (x->kill_at && (!next || x->kill_at < next))
            next = x->kill_at;
    }
    return next;
}
