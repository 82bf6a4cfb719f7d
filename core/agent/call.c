/* SPDX-License-Identifier: MIT */
/* call.c: the calls of a session: verbs, their answers, and their children. */
#define _GNU_SOURCE /* pipe2 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/session.h"
#include "core/wire/endian.h"
#include "core/wire/frame.h"

#define RELAY_STEP 65536
#define ANSWER_HEAD 8 /* code, length of text; then text, then fields */
#define FINISH_MS 2000

/* A worker's process: `out` carries response data, `result` its answer. */
struct child {
    pid_t pid; /* 0: none */
    int out, result;
    int ended, status;
    int outlives; /* the session */
    struct repx_buf answer;
};

struct call {
    struct agent_session *session;
    uint32_t stream;
    const struct verb *verb;
    void *own;
    int dropped; /* verb->drop was called */
    int replied; /* code, text and fields wait for the data before them */
    int done;    /* nothing more for the client */
    int32_t code;
    char *text;
    struct repx_buf fields;
    struct repx_buf pending; /* data that found no room yet */
    size_t pending_at;
    struct child child;
    struct call *next;
};

static const struct verb *find_verb(uint16_t number)
{
    const struct verb *const tables[] = {store_verbs, ask_verbs,  delta_verbs,
                                         run_verbs,   file_verbs, follow_verbs,
                                         pull_verbs,  gc_verbs};

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (const struct verb *v = tables[i]; v->number; v++) {
            if (v->number == number)
                return v;
        }
    }
    return NULL;
}

static struct call *find_call(struct agent_session *s, uint32_t stream)
{
    struct call *c = s->calls[stream % CALL_BUCKETS];

    while (c && c->stream != stream)
        c = c->next;
    return c && !c->done && !c->replied ? c : NULL;
}

/* ---- answers ---- */

static void drop(struct call *c)
{
    if (!c->dropped && c->verb->drop)
        c->verb->drop(c);
    c->dropped = 1;
}

static void reply(struct call *c, int32_t code, const char *text, const void *fields,
                  size_t n)
{
    if (c->replied || c->done)
        return;
    c->replied = 1;
    c->code = code;
    c->text = repx_strdup(text);
    repx_buf_add(&c->fields, fields, n);
}

static void reply_error(struct call *c, const struct repx_err *err)
{
    reply(c, err->code ? err->code : REPX_E_FAILED, err->text, NULL, 0);
}

/* Move what waits into the mux; the result follows when nothing waits any more. */
static void flush(struct call *c)
{
    struct mux *m = c->session->mux;
    size_t left = c->pending.len - c->pending_at;

    if (left)
        c->pending_at += mux_send(m, c->stream, c->pending.data + c->pending_at, left);
    if (c->pending_at == c->pending.len) {
        repx_buf_free(&c->pending);
        c->pending_at = 0;
    }
    if (c->replied && !c->done && c->pending.len == 0) {
        mux_result(m, c->stream, c->code, c->text, c->fields.data, c->fields.len);
        c->done = 1;
    }
}

void call_send(struct call *c, const void *bytes, size_t n)
{
    if (c->done || c->replied)
        return;
    repx_buf_add(&c->pending, bytes, n);
    flush(c);
}

void call_widen(struct call *c, uint32_t window)
{
    if (window > MUX_WINDOW)
        mux_widen(c->session->mux, c->stream, window - MUX_WINDOW);
}

void call_reply(struct call *c, const void *fields, size_t n)
{
    reply(c, REPX_E_NONE, NULL, fields, n);
}

void call_error(struct call *c, const struct repx_err *err)
{
    reply_error(c, err);
}

struct site *call_site(struct call *c)
{
    return &c->session->site;
}

void *call_own(struct call *c)
{
    return c->own;
}

void call_set_own(struct call *c, void *own)
{
    c->own = own;
}

void **call_shared(struct call *c, unsigned slot, void (*release)(void *))
{
    c->session->shared[slot % SHARED_SLOTS].release = release;
    return &c->session->shared[slot % SHARED_SLOTS].state;
}

/* ---- children ---- */

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
        reply_error(c, &err);
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

/* Take what the worker wrote, as far as there is room for it. 1: there may be more, of
 * which a poll will tell; 0: nothing for now; the end closes the descriptor. */
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
        reply_error(c, &err);
        return;
    }
    REPX_AUTO_FREE char *text = repx_strndup((const char *)p + ANSWER_HEAD, length);
    reply(c, (int32_t)le32_get(p), text, p + ANSWER_HEAD + length,
          a->len - ANSWER_HEAD - length);
}

static void sweep_child(struct call *c)
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

static void stop_child(struct child *child)
{
    if (child->pid && !child->ended)
        (void)kill(child->pid, SIGTERM);
}

/* ---- what the client does ---- */

static void begun(struct call *c, int rc, const struct repx_err *err)
{
    if (rc < 0)
        reply_error(c, err);
}

int call_begin(struct agent_session *s, uint32_t stream, uint16_t verb, const void *msg,
               size_t n)
{
    const struct verb *v = find_verb(verb);
    struct repx_err err = {0};

    if (!v) {
        (void)repx_fail(
            &err, REPX_E_UNSUPPORTED,
            "the agent (repx %s) does not know verb %u: use programs of one "
            "release",
            REPX_VERSION, verb);
        mux_result(s->mux, stream, err.code, err.text, NULL, 0);
        return 0;
    }
    struct call *c = REPX_NEW(struct call);
    c->session = s;
    c->stream = stream;
    c->verb = v;
    c->child.out = c->child.result = -1;
    c->next = s->calls[stream % CALL_BUCKETS];
    s->calls[stream % CALL_BUCKETS] = c;
    begun(c, v->begin(c, msg, n, &err), &err);
    return 0;
}

void call_data(struct agent_session *s, uint32_t stream, const void *bytes, size_t n)
{
    struct call *c = find_call(s, stream);
    struct repx_err err = {0};

    if (c && c->verb->data)
        begun(c, c->verb->data(c, bytes, n, &err), &err);
    mux_consumed(s->mux, stream, n);
}

void call_end(struct agent_session *s, uint32_t stream)
{
    struct call *c = find_call(s, stream);
    struct repx_err err = {0};

    if (c && c->verb->end)
        begun(c, c->verb->end(c, &err), &err);
}

void call_cancel(struct agent_session *s, uint32_t stream)
{
    struct call *c = s->calls[stream % CALL_BUCKETS];

    while (c && c->stream != stream)
        c = c->next;
    if (!c || c->done)
        return;
    c->done = 1;
    stop_child(&c->child);
}

/* ---- once a round ---- */

static void call_free(struct call *c)
{
    drop(c);
    close_end(&c->child.out);
    close_end(&c->child.result);
    repx_buf_free(&c->child.answer);
    repx_buf_free(&c->pending);
    repx_buf_free(&c->fields);
    free(c->text);
    free(c);
}

size_t calls_poll(struct agent_session *s, struct pollfd *fds, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; s->children && i < CALL_BUCKETS; i++) {
        for (struct call *c = s->calls[i]; c && n + 2 <= max; c = c->next) {
            if (!c->child.pid)
                continue;
            if (c->child.out >= 0 && (c->done || mux_room(s->mux, c->stream)))
                fds[n++] = (struct pollfd){.fd = c->child.out, .events = POLLIN};
            if (c->child.result >= 0)
                fds[n++] = (struct pollfd){.fd = c->child.result, .events = POLLIN};
        }
    }
    return n;
}

static void sweep_bucket(struct call **at)
{
    while (*at) {
        struct call *c = *at;
        if (c->child.pid)
            sweep_child(c);
        flush(c);
        if (!c->done || c->child.pid) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        call_free(c);
    }
}

void calls_sweep(struct agent_session *s)
{
    for (size_t i = 0; i < CALL_BUCKETS; i++)
        sweep_bucket(&s->calls[i]);
}

static void stop_or_leave(struct call *c)
{
    if (c->child.pid && c->child.outlives) {
        c->child.pid = 0;
        c->session->children--;
    }
    stop_child(&c->child);
}

void calls_finish(struct agent_session *s)
{
    const struct timespec step = {.tv_nsec = 10 * 1000000L};

    for (size_t i = 0; i < CALL_BUCKETS; i++) {
        for (struct call *c = s->calls[i]; c; c = c->next) {
            c->done = 1;
            stop_or_leave(c);
        }
    }
    calls_sweep(s);
    for (int ms = 0; s->children && ms < FINISH_MS; ms += 10) {
        (void)nanosleep(&step, NULL);
        calls_sweep(s);
    }
    for (size_t i = 0; i < CALL_BUCKETS; i++) {
        while (s->calls[i]) {
            struct call *c = s->calls[i];
            s->calls[i] = c->next;
            call_free(c);
        }
    }
}
