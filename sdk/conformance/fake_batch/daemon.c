/* SPDX-License-Identifier: MIT */
/* daemon.c: starts what may start, and notes how it ended. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake.h"

#define SLOTS 8
#define LOOK_MS 10
#define IDLE_LOOKS 100
#define KILL_LOOKS 100 /* after the polite signal */

struct running {
    pid_t pid;
    struct fake_job *job;
    size_t at;
    unsigned kill_in; /* looks, 0: nobody asked */
};

struct daemon {
    int dir;
    const struct fake_product *product;
    struct fake_job **jobs; /* by id - 1 */
    int64_t count;
    size_t open; /* jobs before this one are over */
    struct running running[SLOTS];
    off_t news, cancels;
};

int fake_is_over(int32_t state)
{
    return state >= FAKE_DONE;
}

static void keep(struct daemon *d, const struct fake_job *job, size_t at)
{
    REPX_AUTO_FREE char *path = repx_format("jobs/%lld/state", (long long)job->id);
    REPX_AUTO_CLOSE int fd = openat(d->dir, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    const struct fake_index *s = job->states + at;

    if (fd >= 0 && pwrite(fd, s, sizeof(*s), (off_t)(at * sizeof(*s))) < 0)
        return;
}

static void set(struct daemon *d, struct fake_job *job, size_t at, int32_t state,
                int32_t exit)
{
    struct fake_index *s = job->states + at;

    s->state = state;
    s->exit = exit;
    if (state == FAKE_RUNNING) {
        s->begun = (int64_t)time(NULL);
    } else {
        s->ended = (int64_t)time(NULL);
    }
    keep(d, job, at);
}

/* ---- what is new ---- */

/* The record may have changed: its dependencies, its hold. */
static void look_again(struct daemon *d, int64_t id)
{
    struct fake_job *now = fake_read(d->dir, id), *old = d->jobs[id - 1];

    if (!now || !old)
        return;
    free(old->deps);
    old->deps = now->deps;
    old->dep_count = now->dep_count;
    old->hold = now->hold;
    now->deps = NULL;
    fake_job_free(now);
}

static void load(struct daemon *d)
{
    int64_t last = fake_last(d->dir);

    for (int64_t id = (int64_t)d->open + 1; id <= d->count; id++)
        look_again(d, id);
    if (last <= d->count)
        return;
    d->jobs = repx_grow(
        d->jobs, (size_t)last,
        sizeof(struct fake_job *)); /* NOLINT(bugprone-sizeof-expression): pointers */
    for (; d->count < last; d->count++)
        d->jobs[d->count] = fake_read(d->dir, d->count + 1);
}

static struct running *running_of(struct daemon *d, const struct fake_job *job,
                                  size_t at)
{
    for (size_t i = 0; i < SLOTS; i++) {
        if (d->running[i].pid && d->running[i].job == job && d->running[i].at == at)
            return d->running + i;
    }
    return NULL;
}

static void cancel_index(struct daemon *d, struct fake_job *job, size_t at)
{
    struct running *r = running_of(d, job, at);

    if (r && !r->kill_in) {
        (void)kill(-r->pid, SIGTERM);
        r->kill_in = KILL_LOOKS;
    } else if (!r && job->states[at].state == FAKE_PENDING) {
        set(d, job, at, FAKE_CANCELED, -1);
    }
}

static void cancel(struct daemon *d, int64_t id, int64_t index)
{
    struct fake_job *job = id > 0 && id <= d->count ? d->jobs[id - 1] : NULL;

    if (!job)
        return;
    for (size_t i = 0; i < FAKE_WIDTH(job); i++) {
        if (index < 0 || index - job->first == (int64_t)i)
            cancel_index(d, job, i);
    }
}

static void read_cancels(struct daemon *d)
{
    char text[4096];
    REPX_AUTO_CLOSE int fd = openat(d->dir, "cancels", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : pread(fd, text, sizeof(text) - 1, d->cancels);

    if (n <= 0)
        return;
    text[n] = 0;
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        char *rest;
        int64_t id = strtoll(line, &rest, 10);
        cancel(d, id, strtoll(rest, NULL, 10));
        d->cancels += end + 1 - line;
    }
}

/* ---- what may start ---- */

/* One index of what is waited for: 1 fine, 0 not yet, -1 never. */
static int met_index(const struct fake_index *s, int type)
{
    if (!fake_is_over(s->state))
        return 0;
    if (type == FAKE_ANY || type == FAKE_CORR_ANY)
        return 1;
    return s->state == FAKE_DONE ? 1 : -1;
}

/* NOLINTNEXTLINE(readability-function-cognitive-complexity): index by index */
static int met(const struct daemon *d, const struct fake_dep *dep, size_t at)
{
    const struct fake_job *job =
        dep->id > 0 && dep->id <= d->count ? d->jobs[dep->id - 1] : NULL;
    int64_t one = dep->index < 0 ? -1 : dep->index - (job ? job->first : 0);
    int result = 1;

    if (!job)
        return dep->type == FAKE_OK || dep->type == FAKE_CORR ? -1 : 1;
    if (dep->type == FAKE_CORR || dep->type == FAKE_CORR_ANY)
        one = (int64_t)(at < FAKE_WIDTH(job) ? at : 0);
    for (size_t i = 0; i < FAKE_WIDTH(job); i++) {
        if (one >= 0 && (int64_t)i != one)
            continue;
        int m = met_index(job->states + i, dep->type);
        if (m < 0)
            return -1;
        result = result && m;
    }
    return result;
}

static int ready(const struct daemon *d, const struct fake_job *job, size_t at)
{
    int result = !job->hold;

    for (size_t i = 0; i < job->dep_count; i++) {
        int m = met(d, job->deps + i, at);
        if (m < 0)
            return -1;
        result = result && m;
    }
    return result;
}

/* ---- a unit ---- */

static void put_environment(char *lines)
{
    char *rest = lines, *line;

    while ((line = strtok_r(rest, "\n", &rest)) != NULL)
        (void)putenv(repx_strdup(line));
}

static void become(const struct daemon *d, const struct fake_job *job, size_t at)
{
    struct repx_buf env = {0};
    char path[64];
    sigset_t none;

    (void)snprintf(path, sizeof(path), "jobs/%lld/script", (long long)job->id);
    int script = openat(d->dir, path, O_RDONLY);
    (void)setpgid(0, 0);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    if (job->workdir && *job->workdir && chdir(job->workdir) < 0)
        _exit(126);
    int out = open(job->output && *job->output ? job->output : "/dev/null",
                   O_WRONLY | O_CREAT | O_APPEND, 0644);
    int in = open("/dev/null", O_RDONLY);
    if (script < 0 || out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 ||
        dup2(out, 2) < 0)
        _exit(126);
    d->product->environment(job, job->first + (int64_t)at, &env);
    put_environment(env.data);
    (void)snprintf(path, sizeof(path), "/dev/fd/%d", script);
    const char *shell = job->shell && *job->shell ? job->shell : "/bin/sh";
    (void)execl(shell, shell, path, (char *)NULL);
    _exit(127);
}

static void start(struct daemon *d, struct running *r, struct fake_job *job, size_t at)
{
    pid_t pid = fork();

    if (pid == 0)
        become(d, job, at);
    if (pid < 0)
        return;
    (void)setpgid(pid, pid);
    *r = (struct running){.pid = pid, .job = job, .at = at};
    set(d, job, at, FAKE_RUNNING, -1);
}

static struct running *free_slot(struct daemon *d)
{
    for (size_t i = 0; i < SLOTS; i++) {
        if (!d->running[i].pid)
            return d->running + i;
    }
    return NULL;
}

/* 1 when something of the job is not over. */
static int serve(struct daemon *d, struct fake_job *job)
{
    int is_open = 0;

    for (size_t i = 0; i < FAKE_WIDTH(job); i++) {
        if (fake_is_over(job->states[i].state))
            continue;
        is_open = 1;
        if (job->states[i].state != FAKE_PENDING)
            continue;
        int can = ready(d, job, i);
        struct running *r = can > 0 ? free_slot(d) : NULL;
        if (can < 0 && !job->stays) {
            set(d, job, i, FAKE_NEVER, -1);
        } else if (r) {
            start(d, r, job, i);
        } else if (can > 0) {
            return 1; /* the others wait as well */
        }
    }
    return is_open;
}

static void reap(struct daemon *d)
{
    int status;

    for (size_t i = 0; i < SLOTS; i++) {
        struct running *r = d->running + i;
        if (!r->pid)
            continue;
        if (r->kill_in && --r->kill_in == 0) {
            (void)kill(-r->pid, SIGKILL);
            r->kill_in = KILL_LOOKS;
        }
        if (waitpid(r->pid, &status, WNOHANG) != r->pid)
            continue;
        (void)kill(-r->pid, SIGKILL); /* nothing of it is left */
        int exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        int32_t state = exit ? FAKE_FAILED : FAKE_DONE;
        set(d, r->job, r->at, r->kill_in ? FAKE_CANCELED : state, exit);
        r->pid = 0;
    }
}

/* ---- its life ---- */

/* 1 when something waits or runs. */
static int turn(struct daemon *d)
{
    struct stat st;
    int busy = 0;

    if (fstatat(d->dir, "news", &st, 0) < 0)
        return -1;
    if (st.st_size != d->news) {
        d->news = st.st_size;
        load(d);
    }
    read_cancels(d);
    reap(d);
    for (int64_t i = (int64_t)d->open; i < d->count; i++) {
        int is_open = d->jobs[i] && serve(d, d->jobs[i]);
        if (!is_open && (size_t)i == d->open)
            d->open++;
        busy |= is_open;
    }
    return busy;
}

static void end_all(struct daemon *d)
{
    for (size_t i = 0; i < SLOTS; i++) {
        if (d->running[i].pid)
            (void)kill(-d->running[i].pid, SIGKILL);
    }
}

/* Nobody added anything meanwhile: then the lock goes with us. */
static int may_go(struct daemon *d)
{
    struct stat st;
    int lock = fake_lock(d->dir, NULL);
    int same = fstatat(d->dir, "news", &st, 0) < 0 || st.st_size == d->news;

    if (!same)
        repx_close_fd(&lock);
    return same; /* the lock ends with the process */
}

void fake_daemon(int dir, const struct fake_product *product)
{
    struct daemon d = {.dir = dir, .product = product};
    int idle = 0;

    d.news = -1;
    for (;;) {
        int busy = turn(&d);
        if (busy < 0)
            break;
        idle = busy ? 0 : idle + 1;
        if (idle >= IDLE_LOOKS && may_go(&d))
            break;
        (void)poll(NULL, 0, LOOK_MS);
    }
    end_all(&d);
    _exit(0);
}
