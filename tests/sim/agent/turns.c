/* SPDX-License-Identifier: MIT */
/* turns.c: processes are real, and take turns: whoever runs stops before each thing that
 * others could see, and may be stopped there for long, or killed. Time is counted, not
 * spent. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim/agent/world.h"

#define TURN_S 60 /* of real time: a process that takes longer hangs */
#define HANGS_MS (INT64_C(8) * 3600 * 1000)

struct world *world;
struct proc *self;
int telling;

/* ---- chance ---- */

uint32_t chance(uint32_t n)
{
    world->chance =
        world->chance * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return n ? (uint32_t)(world->chance >> 33) % n : 0;
}

int one_in(int n)
{
    return n > 0 && chance((uint32_t)n) == 0;
}

int64_t between(int64_t a, int64_t b)
{
    return a + (int64_t)chance((uint32_t)(b - a + 1));
}

int is_calm(void)
{
    return world->now >= world->calm;
}

/* ---- telling ---- */

__attribute__((format(printf, 2, 0))) static void tell(const char *what,
                                                       const char *fmt, va_list args)
{
    char text[400];

    (void)vsnprintf(text, sizeof(text), fmt, args);
    (void)printf("%9.3f %s%d %s%s\n", (double)world->now / 1000, self ? "p" : "-",
                 self ? (int)(self - world->procs) : 0, what, text);
    (void)fflush(stdout);
}

void say(const char *fmt, ...)
{
    va_list args;

    if (!telling)
        return;
    va_start(args, fmt);
    tell("", fmt, args);
    va_end(args);
}

void violation(const char *fmt, ...)
{
    va_list args, again;

    va_start(args, fmt);
    va_copy(again, args);
    if (telling)
        tell("WRONG: ", fmt, again);
    if (!world->violated[0])
        (void)vsnprintf(world->violated, sizeof(world->violated), fmt, args);
    va_end(again);
    va_end(args);
}

/* ---- in a process ---- */

static void die(void)
{
    say("is killed");
    self->over = self->killed = 1;
    (void)sem_post(&world->driver);
    (void)raise(SIGKILL);
}

void rest(int64_t ms)
{
    self->wake = world->now + ms;
    (void)sem_post(&world->driver);
    while (sem_wait(&self->go) < 0 && errno == EINTR)
        continue;
    if (self->asked && world->now >= self->asked)
        die();
}

void step(void)
{
    if (!self)
        return;
    self->steps++;
    if (self->steps == self->kill_at && !is_calm())
        die();
    if (self->steps == self->stop_at && !is_calm()) {
        say("is stopped");
        rest(between(1000, 180000));
    } else if (one_in(world->switching)) {
        rest(0);
    }
}

struct proc *proc_start(enum kind kind, int64_t in_ms, int (*main)(void))
{
    struct proc *p = world->procs + world->proc_count;

    if (world->proc_count == PROCS) {
        violation("more than %d processes", PROCS);
        return NULL;
    }
    *p = (struct proc){.kind = kind, .used = 1, .began = world->now};
    p->wake = world->now + in_ms;
    (void)sem_init(&p->go, 1, 0);
    world->proc_count++;
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid != 0) {
        p->pid = pid;
        p->over = pid < 0;
        if (pid < 0)
            violation("no more processes can be made");
        return p;
    }
    self = p;
    while (sem_wait(&p->go) < 0 && errno == EINTR)
        continue;
    p->began = world->now;
    p->status = main();
    p->over = 1;
    (void)sem_post(&world->driver);
    (void)pause(); /* for the end */
    _exit(0);
}

/* ---- whose turn it is ---- */

int64_t virtual_ms(void)
{
    return world->epoch + world->now;
}

static struct proc *next_proc(void)
{
    struct proc *next = NULL;
    uint32_t equals = 0;

    for (int i = 0; i < world->proc_count; i++) {
        struct proc *p = world->procs + i;
        int64_t wake = p->wake < world->now ? world->now : p->wake;
        int64_t best = next && next->wake > world->now ? next->wake : world->now;
        if (p->over)
            continue;
        equals = next && wake == best ? equals + 1 : 1;
        if (!next || wake < best || (wake == best && chance(equals) == 0))
            next = p;
    }
    return next;
}

/* It has said that it is over, or is to be. */
static void reap(const struct proc *p)
{
    if (p->pid <= 0)
        return;
    (void)kill(p->pid, SIGKILL);
    (void)waitpid(p->pid, NULL, 0);
}

static void give(struct proc *p)
{
    struct timespec until;

    (void)sem_post(&p->go);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += TURN_S;
    while (sem_timedwait(&world->driver, &until) < 0) {
        if (errno == EINTR)
            continue;
        violation("process %d hangs or has crashed", (int)(p - world->procs));
        p->over = p->killed = 1;
        break;
    }
    if (!p->over)
        return;
    reap(p);
    (void)sem_destroy(&p->go);
    if (p->kind == JOB)
        scheduler_over(p);
}

static void end_all(void)
{
    for (int i = 0; i < world->proc_count; i++) {
        struct proc *p = world->procs + i;
        if (!p->over)
            reap(p);
    }
}

void world_turn(void)
{
    for (;;) {
        int64_t job = scheduler_tick();
        struct proc *p = next_proc();
        int64_t at = p && p->wake > world->now ? p->wake : world->now;
        if ((!p && job == INT64_MAX) || world->violated[0])
            break;
        if (world->now > HANGS_MS) {
            violation("eight hours, and it has not ended");
            break;
        }
        if (!p || (job > world->now && job < at)) {
            world->now = job;
            continue;
        }
        world->now = at;
        give(p);
    }
    end_all();
}

/* ---- what the agent's code calls instead ---- */

/* NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the linker's names */

int __real_poll(struct pollfd *fds, nfds_t n, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int ms);
int __real_nanosleep(const struct timespec *t, struct timespec *left);
int __wrap_nanosleep(const struct timespec *t, struct timespec *left);
int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
ssize_t __real_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
int __real_linkat(int from, const char *a, int to, const char *b, int flags);
int __wrap_linkat(int from, const char *a, int to, const char *b, int flags);
int __real_symlinkat(const char *target, int fd, const char *path);
int __wrap_symlinkat(const char *target, int fd, const char *path);
int __real_renameat(int from, const char *a, int to, const char *b);
int __wrap_renameat(int from, const char *a, int to, const char *b);
int __real_unlinkat(int fd, const char *path, int flags);
int __wrap_unlinkat(int fd, const char *path, int flags);
int __real_mkdirat(int fd, const char *path, mode_t mode);
int __wrap_mkdirat(int fd, const char *path, mode_t mode);

int __wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
    if (!self || n)
        return __real_poll(fds, n, ms);
    rest(ms);
    return 0;
}

int __wrap_nanosleep(const struct timespec *t, struct timespec *left)
{
    if (!self)
        return __real_nanosleep(t, left);
    rest(t->tv_sec * 1000 + t->tv_nsec / 1000000 + 1);
    return 0;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
    if (!self)
        return __real_clock_gettime(clock, t);
    t->tv_sec = virtual_ms() / 1000;
    t->tv_nsec = virtual_ms() % 1000 * 1000000;
    return 0;
}

ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
    step();
    return __real_write(fd, bytes, n);
}

int __wrap_linkat(int from, const char *a, int to, const char *b, int flags)
{
    step();
    return __real_linkat(from, a, to, b, flags);
}

/* Only links in S/live are made so, and to replace one is as good as one step. */
int __wrap_symlinkat(const char *target, int fd, const char *path)
{
    return __real_symlinkat(target, fd, path);
}

int __wrap_renameat(int from, const char *a, int to, const char *b)
{
    step();
    return __real_renameat(from, a, to, b);
}

int __wrap_unlinkat(int fd, const char *path, int flags)
{
    step();
    return __real_unlinkat(fd, path, flags);
}

int __wrap_mkdirat(int fd, const char *path, mode_t mode)
{
    step();
    return __real_mkdirat(fd, path, mode);
}

/* NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming) */
