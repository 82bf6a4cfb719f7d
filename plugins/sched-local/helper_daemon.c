/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE

#include "helper_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "helper_model.h"
#include "helper_record.h"

#define LOCK_TRIES \
    100 /* of 10 ms: a queue that is about to end needs that long at most */

#define BEGIN_MS 5000

struct lease {
    char *host, *boot;
    pid_t pid;
    uint64_t start;
    time_t touched, now; /* both by the clock of the file's server */
};

static void lease_free(struct lease *l)
{
    free(l->host);
    free(l->boot);
}

/* 1 with *l filled, 0 when there is none or it says nothing. */
static int lease_read(int dir, struct lease *l)
{
    struct repx_buf text REPX_AUTO_BUF = {0};
    const char *f[RECORD_FIELDS];
    struct stat st;
    size_t at = 0;

    *l = (struct lease){0};
    if (fstatat(dir, "lease", &st, 0) < 0 ||
        repx_read_file(dir, "lease", 4096, &text, NULL) < 0 || text.len == 0 ||
        record_next(text.data, text.len, &at, f) < 5 || strcmp(f[0], "queue") != 0)
        return 0;
    l->host = repx_strdup(f[1]);
    l->boot = repx_strdup(f[2]);
    l->pid = (pid_t)record_number(f[3], 0);
    l->start = (uint64_t)record_number(f[4], 0);
    l->touched = st.st_mtime;
    l->now = time(NULL);
    return 1;
}

/* Does the lease name a queue that may be alive? */
static int lease_alive(const struct lease *l)
{
    REPX_AUTO_FREE char *host = host_name();
    REPX_AUTO_FREE char *boot = boot_id();

    if (strcmp(l->host, host) != 0)
        return l->now - l->touched < LEASE_FRESH_S;
    return strcmp(l->boot, boot) == 0 && l->pid > 0 && l->start &&
           process_start(l->pid) == l->start;
}

void lease_write(int dir, struct repx_err *err)
{
    struct repx_buf text REPX_AUTO_BUF = {0};
    REPX_AUTO_FREE char *host = host_name();
    REPX_AUTO_FREE char *boot = boot_id();

    record_line(&text, "sssnn", "queue", host, boot, (int64_t)getpid(),
                (int64_t)process_start(getpid()));
    (void)repx_write_file(dir, "lease", text.data, text.len, 0600, err);
}

void lease_touch(int dir)
{
    (void)utimensat(dir, "lease", NULL, 0);
}

void lease_remove(int dir)
{
    (void)unlinkat(dir, "lease", 0);
}

int queue_become(int dir, int *lock, struct repx_err *err)
{
    struct lease l;
    int rc = -1;

    *lock = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*lock < 0)
        return repx_fail_errno(err, "lock");
    for (int i = 0; i < LOCK_TRIES && rc < 0; i++) {
        rc = flock(*lock, LOCK_EX | LOCK_NB);
        if (rc < 0 && errno != EWOULDBLOCK && errno != EINTR)
            rc = 0; /* a file system without locks: the lease alone decides */
        if (rc < 0)
            (void)poll(NULL, 0, 10);
    }
    if (rc < 0)
        return 0;
    int alive = lease_read(dir, &l) && lease_alive(&l);
    lease_free(&l);
    if (alive)
        return 0;
    lease_write(dir, NULL);
    return 1;
}

/* ---- starting ---- */

static void detach(const char *path, int report)
{
    char *const argv[] = {repx_strdup("sched-local"), repx_strdup("queue"),
                          repx_strdup(path), NULL};
    int null = open("/dev/null", O_RDWR);

    if (null < 0 || dup2(null, 0) < 0 || dup2(report, 1) < 0 || dup2(null, 2) < 0)
        _exit(1);
    if (close_range(3, ~0u, 0) < 0) {
        for (int fd = 3; fd < 1024; fd++)
            (void)close(fd);
    }
    if (chdir("/") < 0)
        _exit(1);
    (void)execv("/proc/self/exe", argv);
    _exit(1);
}

/* The queue closes its end when it has begun, and says before why it cannot. One that
 * takes its time is left to it. */
static int began(int report, struct repx_err *err)
{
    struct pollfd p = {.fd = report, .events = POLLIN};
    char why[400];
    int rc;

    do {
        rc = poll(&p, 1, BEGIN_MS);
    } while (rc < 0 && errno == EINTR);
    ssize_t n = rc > 0 ? read(report, why, sizeof(why)) : 0;
    if (n <= 0)
        return 0;
    return repx_fail(err, REPX_E_FAILED, "the queue cannot begin: %.*s", (int)n, why);
}

int queue_start(int dir, const char *path, struct repx_err *err)
{
    struct lease l;
    sigset_t none;
    int status, report[2];

    int alive = lease_read(dir, &l) && lease_alive(&l);
    lease_free(&l);
    if (alive)
        return 0;
    if (pipe2(report, O_CLOEXEC) < 0)
        return repx_fail_errno(err, "cannot start the queue: pipe");
    pid_t pid = fork();
    if (pid < 0) {
        (void)repx_fail_errno(err, "cannot start the queue: fork");
        (void)close(report[0]);
        (void)close(report[1]);
        return -1;
    }
    if (pid == 0) {
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)signal(SIGPIPE, SIG_DFL);
        if (setsid() < 0 || (pid = fork()) != 0)
            _exit(pid < 0);
        detach(path, report[1]);
    }
    (void)close(report[1]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    int rc = began(report[0], err);
    (void)close(report[0]);
    return rc;
}
