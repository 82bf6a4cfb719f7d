/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* NSIG */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc.h"
#include "clock.h"
#include "file.h"

#define OUTPUT_MAX (4u << 20)
#define ERRORS_KEPT 8192u
#define STEP_MS 20

/* The child's side of the three pipes; -1: /dev/null, or our own. */
struct ends {
    int in, out, err;
};

static void shut(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static int cloexec_pipe(int fd[2], int is_socket)
{
    if ((is_socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, fd) : pipe(fd)) < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        if (fcntl(fd[i], F_SETFD, FD_CLOEXEC) < 0)
            return -1;
    }
    return 0;
}

/* One pipe, if wanted: ours and theirs are its two ends. */
static int open_pipe(int wanted, int to_child, int *ours, int *theirs)
{
    int fd[2] = {-1, -1};

    if (!wanted)
        return 0;
    if (cloexec_pipe(fd, to_child) < 0)
        return -1;
    *ours = fd[to_child ? 1 : 0];
    *theirs = fd[to_child ? 0 : 1];
    return 0;
}

/* Between fork and exec: nothing but system calls. */
static void become(const struct ends *e, const char *const *argv, uint32_t how,
                   int report)
{
    const int from[3] = {e->in, e->out, e->err};
    struct sigaction act = {.sa_handler = SIG_DFL};
    sigset_t none;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int sig = 1; sig < NSIG; sig++)
        (void)sigaction(sig, &act, NULL);
    if (!(how & REPX_CHILD_TERMINAL)) {
        act.sa_handler = SIG_IGN;
        (void)sigaction(SIGINT, &act, NULL);
        (void)sigaction(SIGQUIT, &act, NULL);
    }
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    for (int i = 0; i < 3; i++) {
        int fd = from[i] >= 0 ? from[i] : null;
        if (from[i] < 0 && (how & REPX_CHILD_TERMINAL))
            continue;
        if (dup2(fd, i) < 0)
            break;
    }
    /* exec does not write to the texts; its prototype is older than const. */
    union {
        const char *const *in;
        char *const *out;
    } words = {.in = argv};
    (void)execvp(argv[0], words.out);
    int why = errno;
    (void)repx_write_all(report, &why, sizeof(why));
    _exit(127);
}

/* What the other side of the report pipe said: 0 when exec worked, else errno. */
static int exec_error(int report)
{
    int why = 0;
    ssize_t n;

    do {
        n = read(report, &why, sizeof(why));
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(why) ? why : 0;
}

static void reap(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

static int launch(struct repx_child *c, struct ends *e, const char *const *argv,
                  uint32_t how, struct repx_err *err)
{
    int report[2];

    if (cloexec_pipe(report, 0) < 0)
        return repx_fail_errno(err, "pipe");
    c->pid = fork();
    if (c->pid == 0)
        become(e, argv, how, report[1]);
    (void)close(report[1]);
    int why = c->pid < 0 ? errno : exec_error(report[0]);
    (void)close(report[0]);
    if (!why)
        return 0;
    if (c->pid > 0)
        reap(c->pid);
    c->pid = 0;
    errno = why;
    return repx_fail_errno(err, "%s", argv[0]);
}

int repx_child_start(struct repx_child *child, const char *const *argv, uint32_t how,
                     struct repx_err *err)
{
    struct ends e = {-1, -1, -1};
    int rc = -1;

    *child = (struct repx_child){0, -1, -1, -1};
    if (open_pipe((how & REPX_CHILD_IN) != 0, 1, &child->in, &e.in) < 0 ||
        open_pipe((how & REPX_CHILD_OUT) != 0, 0, &child->out, &e.out) < 0 ||
        open_pipe((how & REPX_CHILD_ERR) != 0, 0, &child->err, &e.err) < 0) {
        (void)repx_fail_errno(err, "pipe");
    } else {
        rc = launch(child, &e, argv, how, err);
    }
    shut(&e.in);
    shut(&e.out);
    shut(&e.err);
    if (rc < 0)
        repx_child_end(child);
    return rc;
}

int repx_child_wait(struct repx_child *child, int timeout_ms, int *status,
                    struct repx_err *err)
{
    int64_t until = repx_now_ms() + timeout_ms;
    int raw = 0, step = 1; /* most end at once */

    for (;;) {
        pid_t p = waitpid(child->pid, &raw, timeout_ms < 0 ? 0 : WNOHANG);
        if (p == child->pid)
            break;
        if (p < 0 && errno != EINTR)
            return repx_fail_errno(err, "waitpid");
        if (timeout_ms >= 0 && repx_now_ms() >= until)
            return 0;
        if (p == 0)
            (void)poll(NULL, 0, step);
        step = step < STEP_MS ? 2 * step : STEP_MS;
    }
    child->pid = 0;
    *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
    return 1;
}

void repx_child_end(struct repx_child *child)
{
    int status;

    shut(&child->in);
    shut(&child->out);
    shut(&child->err);
    if (child->pid <= 0)
        return;
    (void)kill(child->pid, SIGTERM);
    if (repx_child_wait(child, 1000, &status, NULL) == 0) {
        (void)kill(child->pid, SIGKILL);
        (void)repx_child_wait(child, -1, &status, NULL);
    }
    child->pid = 0;
}

/* Take what is there; *fd becomes -1 at its end. */
static int take(int *fd, struct repx_buf *to, size_t max, const char *who,
                struct repx_err *err)
{
    char bytes[4096];
    ssize_t n = read(*fd, bytes, sizeof(bytes));

    if (n < 0 && errno == EINTR)
        return 0;
    if (n <= 0) {
        shut(fd);
        return 0;
    }
    if (!to)
        return 0;
    if (max && to->len + (size_t)n > max) {
        return repx_fail(err, REPX_E_CORRUPT, "%s: more than %zu bytes of output", who,
                         max);
    }
    repx_buf_add(to, bytes, (size_t)n);
    if (!max && to->len > ERRORS_KEPT)
        repx_buf_drop(to, to->len - ERRORS_KEPT);
    return 0;
}

static int drain(struct repx_child *c, int64_t until, struct repx_buf *out,
                 struct repx_buf *errors, const char *who, struct repx_err *err)
{
    while (c->out >= 0 || c->err >= 0) {
        struct pollfd p[2] = {{c->out, POLLIN, 0}, {c->err, POLLIN, 0}};
        int64_t left = until - repx_now_ms();
        if (left <= 0)
            return repx_fail(err, REPX_E_TIMEOUT, "%s: did not end in time", who);
        if (poll(p, 2, left > 1000 ? 1000 : (int)left) < 0 && errno != EINTR)
            return repx_fail_errno(err, "poll");
        if (c->out >= 0 && p[0].revents && take(&c->out, out, OUTPUT_MAX, who, err) < 0)
            return -1;
        if (c->err >= 0 && p[1].revents && take(&c->err, errors, 0, who, err) < 0)
            return -1;
    }
    return 0;
}

int repx_child_run(const char *const *argv, int timeout_ms, struct repx_buf *out,
                   struct repx_buf *errors, int *status, struct repx_err *err)
{
    int64_t until = repx_now_ms() + timeout_ms;
    struct repx_child c;

    if (repx_child_start(&c, argv, REPX_CHILD_OUT | REPX_CHILD_ERR, err) < 0)
        return -1;
    int rc = drain(&c, until, out, errors, argv[0], err);
    if (rc == 0) {
        int64_t left = until - repx_now_ms();
        rc = repx_child_wait(&c, left > 0 ? (int)left : 0, status, err);
        if (rc == 0)
            rc = repx_fail(err, REPX_E_TIMEOUT, "%s: did not end in time", argv[0]);
    }
    repx_child_end(&c);
    return rc < 0 ? -1 : 0;
}
