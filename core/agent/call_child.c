/* SPDX-License-Identifier: MIT */
/* call_child.c: the worker of a call, in a process of its own. */
#define _GNU_SOURCE /* pipe2 */
#include "core/agent/call_own.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/wire/endian.h"
#include "core/wire/frame.h"

#define RELAY_STEP 65536
#define ANSWER_HEAD 8 /* code, length of text; then text, then fields */

static int quiet_stdio(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    return null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0
               ? -1
               : 0;
}

static void default_signals(void)
{
    static const int signals[] = {SIGCHLD, SIGPIPE, SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    sigset_t none;

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        (void)signal(signals[i], SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void send_answer(int fd, int32_t code, const char *text,
                        const struct repx_buf *fields)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    uint8_t head[ANSWER_HEAD];

    le32_put(head, (uint32_t)code);
    le32_put(head + 4, (uint32_t)strlen(text));
    repx_buf_add(&b, head, sizeof(head));
    repx_buf_str(&b, text);
    repx_buf_add(&b, fields->data, fields->len);
    (void)repx_write_all(fd, repx_buf_text(&b), b.len);
}

struct work {
    int (*worker)(struct site *site, void *arg, int out, struct repx_buf *fields,
                  struct repx_err *err);
    void *arg;
    int out, result; /* the writing ends */
};

/* The session's end takes the worker with it, however the session ends. */
static int die_with(pid_t parent)
{
    return prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent ? -1 : 0;
}

static void run_worker(struct site *site, const struct work *w, pid_t parent)
{
    struct repx_buf fields = {0};
    struct repx_err err = {0};

    default_signals();
    if (die_with(parent) < 0 || quiet_stdio() < 0)
        _exit(1);
    int rc = w->worker(site, w->arg, w->out, &fields, &err);
    int32_t code = rc == 0 ? REPX_E_NONE : err.code ? err.code : REPX_E_FAILED;
    send_answer(w->result, code, rc == 0 ? "" : err.text, &fields);
    _exit(0);
}

static int make_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return 0;
}

static void close_both(const int ends[2])
{
    repx_close_fd(&ends[0]);
    repx_close_fd(&ends[1]);
}

void call_fork(struct call *c,
               int (*worker)(struct site *site, void *arg, int out,
                             struct repx_buf *fields, struct repx_err *err),
               void *arg)
{
    int out[2] = {-1, -1}, result[2] = {-1, -1};
    struct repx_err err = {0};
    pid_t parent = getpid();
    pid_t pid = make_pipe(out) < 0 || make_pipe(result) < 0 ? -1 : fork();

    if (pid < 0) {
        (void)repx_fail_errno(&err, "the agent cannot start a worker");
        err.code = REPX_E_BUSY;
        close_both(out);
        close_both(result);
        call_error(c, &err);
        return;
    }
    if (pid == 0) {
        struct work w = {worker, arg, out[1], result[1]};
        run_worker(&c->session->site, &w, parent);
    }
    (void)close(out[1]);
    (void)close(result[1]);
    c->child = (struct child){.pid = pid, .out = out[0], .result = result[0]};
    c->session->children++;
}

void call_outlives(struct call *c)
{
    c->child.outlives = 1;
}

static void close_end(int *fd)
{
    repx_close_fd(fd);
    *fd = -1;
}

/* Take what the worker wrote, as far as there is room for it; a poll tells of more, and the
 * end closes the descriptor. */
static void relay(struct call *c)
{
    char buffer[RELAY_STEP];

    while (c->child.out >= 0) {
        size_t room = c->done ? sizeof(buffer) : mux_room(c->session->mux, c->stream);
        if (room > sizeof(buffer))
            room = sizeof(buffer);
        if (room == 0)
            return;
        ssize_t n = read(c->child.out, buffer, room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN && !c->child.ended)
            return;
        if (n <= 0) {
            close_end(&c->child.out);
        } else {
            (void)mux_send(c->session->mux, c->stream, buffer, (size_t)n);
        }
    }
}

static void take_answer(struct child *child)
{
    while (child->result >= 0) {
        char *room = repx_buf_room(&child->answer, RELAY_STEP);
        ssize_t n = read(child->result, room, RELAY_STEP);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN && !child->ended)
            return;
        if (n > 0)
            child->answer.len += (size_t)n;
        if (n <= 0 || child->answer.len > FRAME_MAX)
            close_end(&child->result);
    }
}

static void reply_of_child(struct call *c)
{
    const struct repx_buf *a = &c->child.answer;
    const uint8_t *p = (const uint8_t *)repx_buf_text(a);
    struct repx_err err = {0};
    uint32_t length = a->len >= ANSWER_HEAD ? le32_get(p + 4) : 0;

    if (a->len < ANSWER_HEAD || length > a->len - ANSWER_HEAD) {
        int by_signal = WIFSIGNALED(c->child.status);
        (void)repx_fail(
            &err, REPX_E_FAILED, "the agent's worker ended without an answer (%s %d)",
            by_signal ? "signal" : "exit",
            by_signal ? WTERMSIG(c->child.status) : WEXITSTATUS(c->child.status));
        call_error(c, &err);
        return;
    }
    REPX_AUTO_FREE char *text = repx_strndup((const char *)p + ANSWER_HEAD, length);
    call_answer(c, (int32_t)le32_get(p), text, p + ANSWER_HEAD + length,
                a->len - ANSWER_HEAD - length);
}

void child_sweep(struct call *c)
{
    struct child *child = &c->child;

    if (!child->ended && waitpid(child->pid, &child->status, WNOHANG) == child->pid)
        child->ended = 1;
    relay(c);
    take_answer(child);
    if (!child->ended || child->out >= 0 || child->result >= 0)
        return;
    reply_of_child(c);
    repx_buf_free(&child->answer);
    child->pid = 0;
    c->session->children--;
}

void child_stop(struct child *child)
{
    if (child->pid && !child->ended)
        (void)kill(child->pid, SIGTERM);
}

void child_free(struct child *child)
{
    close_end(&child->out);
    close_end(&child->result);
    repx_buf_free(&child->answer);
}
