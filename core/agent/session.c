/* SPDX-License-Identifier: MIT */
/* session.c: serve frames on standard input and output until the client is gone.
 *
 * One thread, one poll loop. Input is dealt with as it comes (credit windows bound it),
 * output leaves as fast as the client takes it, and what takes long runs in children. */
#define _DEFAULT_SOURCE /* nice */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "core/agent/capacity.h"
#include "core/agent/session.h"
#include "core/agent/store_fs.h"
#include "core/agent/trust.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define READ_STEP 262144
#define FDS_MAX 512 /* children polled at a time; the rest have their turn later */

static int wake_fd = -1; /* for the handler alone */

static void child_ended(int sig)
{
    int saved = errno;

    (void)sig;
    if (write(wake_fd, "", 1) < 0) {
        /* full: somebody is about to look anyway */
    }
    errno = saved;
}

/* ---- events of the wire ---- */

static int on_request(void *ctx, uint32_t stream, uint16_t verb, const void *msg,
                      size_t n, struct repx_err *err)
{
    (void)err;
    return call_begin(ctx, stream, verb, msg, n);
}

static int on_data(void *ctx, uint32_t stream, const void *bytes, size_t n,
                   struct repx_err *err)
{
    (void)err;
    call_data(ctx, stream, bytes, n);
    return 0;
}

static int on_end(void *ctx, uint32_t stream, struct repx_err *err)
{
    (void)err;
    call_end(ctx, stream);
    return 0;
}

static void on_cancel(void *ctx, uint32_t stream)
{
    call_cancel(ctx, stream);
}

static const struct mux_events events = {
    .request = on_request, .data = on_data, .end = on_end, .cancel = on_cancel};

/* ---- hello ---- */

static const char *user_name(char digits[24])
{
    const char *name = getenv("USER");

    if (!name || !*name)
        name = getenv("LOGNAME");
    if (name && *name)
        return name;
    (void)snprintf(digits, 24, "%ld", (long)geteuid());
    return digits;
}

static void put_hello(struct repx_buf *msg, const struct site *site,
                      const struct capacity *c)
{
    struct utsname u;
    struct timespec now;
    char digits[24];

    msg_put_text(msg, F_VERSION, REPX_VERSION);
    msg_put_text(msg, F_ARCH, uname(&u) == 0 ? u.machine : "unknown");
    msg_put_text(msg, F_BASE, site->base);
    msg_put_text(msg, F_STATE, site->state);
    msg_put_number(msg, F_CPUS, c->cpus);
    msg_put_number(msg, F_MEMORY, c->memory);
    msg_put_text(msg, F_HOST, site->host);
    msg_put_text(msg, F_USER, user_name(digits));
    (void)clock_gettime(CLOCK_REALTIME, &now);
    msg_put_number(msg, F_TIME, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    msg_put_text(msg, F_WARNING, site->warning);
    msg_put_number(msg, F_FEATURES, FEATURE_BLOCKS);
}

/* Say hello; a base path that cannot be used is said in the hello, too, so that the
 * client can tell it from a broken link. */
static int greet(struct agent_session *s, const char *base, const char *state,
                 const struct capacity *c)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};
    struct repx_err err = {0};
    int rc = path_is_ours("/proc/self/exe", &err) == 0
                 ? repx_wrap(&err,
                             "the agent does not run from a file that others "
                             "could exchange")
                 : site_open(&s->site, base, state, &err);

    if (rc == 0) {
        put_hello(&msg, &s->site, c);
    } else {
        msg_put_text(&msg, F_VERSION, REPX_VERSION);
        msg_put_number(&msg, F_CODE, err.code);
        msg_put_text(&msg, F_TEXT, err.text);
    }
    mux_hello(s->mux, msg.data, msg.len);
    return rc;
}

/* ---- the loop ---- */

static void read_some(struct agent_session *s)
{
    static char buffer[READ_STEP];
    struct repx_err err = {0};
    ssize_t n = read(STDIN_FILENO, buffer, sizeof(buffer));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        s->ended = 1;
    } else if (mux_input(s->mux, buffer, (size_t)n, &err) < 0) {
        (void)fprintf(stderr, "repx-agent: %s\n", err.text);
        s->ended = 1;
    }
}

static void write_some(struct agent_session *s)
{
    const void *bytes;
    size_t n;

    while ((n = mux_output(s->mux, &bytes)) > 0) {
        ssize_t w = write(STDOUT_FILENO, bytes, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0 && (errno == EAGAIN))
            return;
        if (w < 0) {
            s->ended = 1;
            return;
        }
        mux_sent(s->mux, (size_t)w);
    }
}

/* A call works for long: what waits to be sent leaves, and the client sees a sign of life. */
static void still_at_work(void *ctx)
{
    struct agent_session *s = ctx;

    if (mux_idle(s->mux))
        mux_alive(s->mux);
    write_some(s);
}

static void empty_wake(const struct agent_session *s)
{
    char buffer[256];

    while (read(s->wake[0], buffer, sizeof(buffer)) > 0)
        continue;
}

static void turn(struct agent_session *s)
{
    struct pollfd fds[3 + FDS_MAX] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = s->wake[0], .events = POLLIN},
        {.fd = STDOUT_FILENO, .events = mux_idle(s->mux) ? 0 : POLLOUT},
    };
    size_t n = 3 + calls_poll(s, fds + 3, FDS_MAX);

    if (poll(fds, (nfds_t)n, -1) < 0)
        return;
    if (fds[1].revents)
        empty_wake(s);
    store_rested();
    if (fds[0].revents)
        read_some(s);
    if (fds[2].revents & (POLLERR | POLLNVAL))
        s->ended = 1;
    calls_sweep(s);
    write_some(s);
}

static int set_up(struct agent_session *s)
{
    struct sigaction action = {.sa_handler = child_ended, .sa_flags = SA_RESTART};

    if (pipe(s->wake) < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        (void)fcntl(s->wake[i], F_SETFD, FD_CLOEXEC);
        (void)fcntl(s->wake[i], F_SETFL, O_NONBLOCK);
        (void)fcntl(i, F_SETFL, fcntl(i, F_GETFL) | O_NONBLOCK);
    }
    wake_fd = s->wake[1];
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGCHLD, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    return 0;
}

static void flush_and_leave(struct agent_session *s)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

    while (!s->ended && !mux_idle(s->mux) && poll(&out, 1, 5000) == 1)
        write_some(s);
}

static void tear_down(struct agent_session *s)
{
    calls_finish(s);
    for (size_t i = 0; i < SHARED_SLOTS; i++) {
        if (s->shared[i].release && s->shared[i].state)
            s->shared[i].release(s->shared[i].state);
    }
    mux_destroy(s->mux);
    site_close(&s->site);
}

int session_main(int argc, char **argv)
{
    static struct agent_session s; /* large, and one a process */
    struct capacity c;

    if (argc < 2 || argc > 3) {
        (void)fprintf(stderr, "usage: repx-agent session BASE [STATE]\n");
        return 2;
    }
    s.site = (struct site){.base_fd = -1, .state_fd = -1};
    capacity_get(&c);
    if (nice((int)c.nice) < 0)
        errno = 0; /* politeness only */
    if (set_up(&s) < 0) {
        perror("repx-agent: pipe");
        return 1;
    }
    s.mux = mux_create(MUX_AGENT, &events, &s);
    int rc = greet(&s, argv[1], argc > 2 ? argv[2] : "", &c);
    if (rc < 0)
        flush_and_leave(&s);
    store_at_work(still_at_work, &s);
    while (rc == 0 && !s.ended)
        turn(&s);
    store_at_work(NULL, NULL);
    tear_down(&s);
    return rc < 0;
}
