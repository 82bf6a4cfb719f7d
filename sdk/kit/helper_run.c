/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE

#include "helper_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc.h"

#define OUTPUT_MAX (UINT64_C(64) << 20)
#define ERRORS_MAX (64u << 10)
#define LOOK_MS \
    50 /* how often to look at the clock, and whether it ended with open pipes */

struct child {
    pid_t pid;
    int in, out, errors, failed; /* our ends; -1 when closed */
    size_t sent;
    int status;
    int ended;
};

static void shut(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

void repx_run_output_free(struct repx_run_output *output)
{
    repx_buf_free(&output->out);
    repx_buf_free(&output->errors);
}

/* In the child: never returns. The error number goes to the parent on `failed`. */
static void become(const struct repx_run *run, const int in[2], const int out[2],
                   const int errors[2], int failed)
{
    sigset_t none;
    int no = 0;

    (void)setpgid(0, 0);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0 || dup2(errors[1], 2) < 0)
        no = errno;
    if (!no && run->workdir && chdir(run->workdir) < 0)
        no = errno;
    for (size_t i = 0; !no && run->env && run->env[i]; i++) {
        char *pair = repx_strdup(run->env[i]);
        if (putenv(pair) != 0)
            no = errno;
    }
    if (!no) {
        size_t n = 0;
        while (run->argv[n])
            n++;
        char **argv = repx_array(n + 1, sizeof(char *));
        for (size_t i = 0; i < n; i++)
            argv[i] = repx_strdup(run->argv[i]);
        (void)execvp(argv[0], argv);
        no = errno;
    }
    (void)!write(failed, &no, sizeof(no));
    _exit(127);
}

static int make_pipes(int p[4][2], struct repx_err *err)
{
    for (int i = 0; i < 4; i++)
        p[i][0] = p[i][1] = -1;
    for (int i = 0; i < 4; i++) {
        if (pipe2(p[i], O_CLOEXEC) < 0)
            return repx_fail_errno(err, "pipe");
    }
    return 0;
}

static int start(const struct repx_run *run, struct child *c, struct repx_err *err)
{
    int p[4][2];
    int rc = make_pipes(p, err);

    c->pid = rc < 0 ? -1 : fork();
    if (c->pid == 0)
        become(run, p[0], p[1], p[2], p[3][1]);
    if (rc == 0 && c->pid < 0)
        rc = repx_fail_errno(err, "%s: fork", run->argv[0]);
    shut(&p[0][0]);
    for (int i = 1; i < 4; i++)
        shut(&p[i][1]);
    c->in = p[0][1];
    c->out = p[1][0];
    c->errors = p[2][0];
    c->failed = p[3][0];
    if (rc == 0 && (fcntl(c->in, F_SETFL, O_NONBLOCK) < 0 ||
                    fcntl(c->out, F_SETFL, O_NONBLOCK) < 0 ||
                    fcntl(c->errors, F_SETFL, O_NONBLOCK) < 0))
        rc = repx_fail_errno(err, "pipe of %s", run->argv[0]);
    return rc;
}

/* Why the program did not start, if it did not. */
static int started(const struct repx_run *run, struct child *c, struct repx_err *err)
{
    int no = 0;
    ssize_t n;

    do {
        n = read(c->failed, &no, sizeof(no));
    } while (n < 0 && errno == EINTR);
    shut(&c->failed);
    if (n != (ssize_t)sizeof(no))
        return 0;
    errno = no;
    return repx_fail_errno(err, "%s", run->argv[0]);
}

static void feed(const struct repx_run *run, struct child *c)
{
    const char *bytes = run->input;
    ssize_t n = 0;

    if (c->sent < run->input_len)
        n = write(c->in, bytes + c->sent, run->input_len - c->sent);
    if (n > 0)
        c->sent += (size_t)n;
    if (c->sent == run->input_len || (n < 0 && errno != EAGAIN && errno != EINTR))
        shut(&c->in); /* a command that does not read is its own affair */
}

/* What there is to read, or 0; at its end *fd is closed. */
static size_t read_some(int *fd, char *bytes, size_t size)
{
    ssize_t n = read(*fd, bytes, size);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        shut(fd);
    return n > 0 ? (size_t)n : 0;
}

/* Does it want its output as it comes? Who was built before that could be cannot say. */
static int is_handed_on(const struct repx_run *run)
{
    return run->size >= offsetof(struct repx_run, stop_at) && run->output;
}

static int is_hopeless(const struct repx_run *run, struct repx_run_output *output)
{
    return run->size >= sizeof(*run) && run->stop_at &&
           strstr(repx_buf_text(&output->errors), run->stop_at) != NULL;
}

static void hand_on(const struct repx_run *run, int *fd)
{
    char bytes[65536];
    size_t n = read_some(fd, bytes, sizeof(bytes));

    if (n)
        run->output(run->output_ctx, bytes, n);
}

/* Take what is there. max: keep so much; *full is set when there was more. */
static void take(int *fd, struct repx_buf *to, uint64_t max, int *full)
{
    char bytes[16384];
    size_t n = read_some(fd, bytes, sizeof(bytes));

    uint64_t room = to->len < max ? max - to->len : 0;
    if (n > room)
        *full = 1;
    repx_buf_add(to, bytes, n > room ? (size_t)room : n);
}

static void look(struct child *c, int options)
{
    pid_t got;

    do {
        got = waitpid(c->pid, &c->status, options);
    } while (got < 0 && errno == EINTR);
    if (got == c->pid || got < 0)
        c->ended = 1;
}

static int too_much(const struct repx_run *run, struct repx_err *err)
{
    return repx_fail(
        err, REPX_E_FAILED, "%s wrote more than %llu bytes", run->argv[0],
        (unsigned long long)(run->output_max ? run->output_max : OUTPUT_MAX));
}

static int is_late(const struct repx_run *run)
{
    return run->deadline_ms && repx_now_ms() >= run->deadline_ms;
}

static int late(const struct repx_run *run, struct repx_err *err)
{
    return repx_fail(err, REPX_E_TIMEOUT, "%s did not end in time", run->argv[0]);
}

/* Its pipes are closed: wait for its status. */
static int await_end(const struct repx_run *run, struct child *c, struct repx_err *err)
{
    for (look(c, WNOHANG); !c->ended; look(c, WNOHANG)) {
        if (is_late(run))
            return late(run, err);
        (void)poll(NULL, 0, 1);
    }
    return 0;
}

/* Deal with what poll found; full is set when there was too much output. */
static void serve(const struct repx_run *run, struct child *c, const struct pollfd p[3],
                  struct repx_run_output *output, int *full)
{
    int cut = 0; /* of messages only the beginning is kept */

    if (p[0].revents)
        feed(run, c);
    if (p[1].revents && is_handed_on(run)) {
        hand_on(run, &c->out);
    } else if (p[1].revents) {
        take(&c->out, &output->out, run->output_max ? run->output_max : OUTPUT_MAX,
             full);
    }
    if (p[2].revents)
        take(&c->errors, &output->errors, ERRORS_MAX, &cut);
}

static int talk(const struct repx_run *run, struct child *c,
                struct repx_run_output *output, struct repx_err *err)
{
    int full = 0;

    while (c->out >= 0 || c->errors >= 0) {
        struct pollfd p[3] = {{.fd = c->in, .events = POLLOUT},
                              {.fd = c->out, .events = POLLIN},
                              {.fd = c->errors, .events = POLLIN}};
        if (is_late(run))
            return late(run, err);
        int n = poll(p, 3, c->ended ? 0 : LOOK_MS);
        if (n == 0 && c->ended)
            break;
        if (n == 0)
            look(c, WNOHANG);
        if (n <= 0)
            continue;
        serve(run, c, p, output, &full);
        if (full)
            return too_much(run, err);
        if (is_hopeless(run, output))
            return late(run, err);
    }
    return await_end(run, c, err);
}

int repx_run_command(struct repx_run *run, struct repx_run_output *output,
                     struct repx_err *err)
{
    struct child c = {.pid = -1, .in = -1, .out = -1, .errors = -1, .failed = -1};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;

    output->out.len = output->errors.len = 0;
    repx_buf_add(&output->out, "", 0);
    repx_buf_add(&output->errors, "", 0);
    (void)sigaction(SIGPIPE, &ignore, &before); /* it need not read its input */
    int rc = start(run, &c, err);
    if (rc == 0)
        rc = started(run, &c, err);
    if (rc == 0)
        rc = talk(run, &c, output, err);
    if (rc < 0 && c.pid > 0 && !c.ended) {
        (void)kill(-c.pid, SIGKILL);
        (void)kill(c.pid, SIGKILL);
        look(&c, 0);
    }
    (void)sigaction(SIGPIPE, &before, NULL);
    shut(&c.in);
    shut(&c.out);
    shut(&c.errors);
    shut(&c.failed);
    run->out = repx_buf_text(&output->out);
    run->out_len = output->out.len;
    run->errors = repx_buf_text(&output->errors);
    run->errors_len = output->errors.len;
    if (rc < 0)
        return -1;
    run->status =
        WIFEXITED(c.status) ? WEXITSTATUS(c.status) : 128 + WTERMSIG(c.status);
    return 0;
}
