/* SPDX-License-Identifier: MIT */
/* local.c: the target is this machine: a command is a child process. */
#define _GNU_SOURCE /* pipe2, SOCK_CLOEXEC */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <repx/transport.h>

#include <kit/alloc.h>
#include <kit/err.h>

#define GRACE_MS 100 /* to end by itself when its input ends */
#define TERM_MS 1000 /* to end after TERM */

struct stream;

struct local {
    const struct repx_host *host;
    struct stream *streams;
    uint64_t bytes_sent, bytes_received;
};

struct stream {
    struct local *local;
    struct stream *next;
    pid_t pid; /* leads a session of its own */
    int input; /* a socket, since writing to one can be kept from raising SIGPIPE */
    int channels[2]; /* by REPX_STREAM_*; -1 after its end */
    int reaped, status;
};

/* ---- open, close ---- */

static int32_t local_suits(const struct repx_host *host,
                           const struct repx_endpoint *endpoint, struct repx_err *why)
{
    (void)host;
    if (!*endpoint->address)
        return 1;
    (void)repx_fail(why, REPX_E_USAGE, "it reaches only this machine, not %s",
                    endpoint->address);
    return 0;
}

static int32_t local_open(void **self, const struct repx_host *host,
                          const struct repx_endpoint *endpoint, struct repx_err *err)
{
    if (*endpoint->address) {
        return repx_fail(
            err, REPX_E_USAGE,
            "target %s: transport \"local\" reaches only this machine, not "
            "%s: leave address out or take transport = \"ssh\"",
            endpoint->target, endpoint->address);
    }
    struct local *l = REPX_NEW(struct local);
    l->host = host;
    *self = l;
    return 0;
}

static void local_end(void *stream);

static void local_close(void *self)
{
    struct local *l = self;

    if (!l)
        return;
    for (struct stream *s = l->streams, *next; s; s = next) {
        next = s->next;
        local_end(s);
    }
    free(l);
}

/* ---- start ---- */

struct ends {
    int input[2], out[2], errors[2]; /* [0] is ours */
};

static void close_pair(const int pair[2])
{
    repx_close_fd(&pair[0]);
    repx_close_fd(&pair[1]);
}

static void close_ends(const struct ends *e)
{
    close_pair(e->input);
    close_pair(e->out);
    close_pair(e->errors);
}

static int make_ends(struct ends *e)
{
    *e = (struct ends){{-1, -1}, {-1, -1}, {-1, -1}};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, e->input) < 0 ||
        pipe2(e->out, O_CLOEXEC) < 0 || pipe2(e->errors, O_CLOEXEC) < 0)
        return -1;
    return fcntl(e->input[0], F_SETFL, O_NONBLOCK) < 0 ||
                   fcntl(e->out[0], F_SETFL, O_NONBLOCK) < 0 ||
                   fcntl(e->errors[0], F_SETFL, O_NONBLOCK) < 0
               ? -1
               : 0;
}

/* In the child: as sshd would start it, in a session of its own, at home, with signals
 * as they are in a fresh login. */
static void become(const struct ends *e, const char *command)
{
    const char *home = getenv("HOME");
    sigset_t none;

    (void)setsid();
    for (int sig = 1; sig < NSIG; sig++)
        (void)signal(sig, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (!home || chdir(home) < 0)
        home = NULL; /* then we stay where we are */
    if (dup2(e->input[1], 0) < 0 || dup2(e->out[1], 1) < 0 || dup2(e->errors[1], 2) < 0)
        _exit(127);
    (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static int32_t local_start(void *self, const char *command, int64_t deadline_ms,
                           void **stream, struct repx_err *err)
{
    struct local *l = self;
    struct ends e;
    pid_t pid = make_ends(&e) < 0 ? -1 : fork();

    (void)deadline_ms;
    if (pid < 0) {
        (void)repx_fail_errno(err, "cannot start a command on this machine");
        close_ends(&e);
        return -1;
    }
    if (pid == 0)
        become(&e, command);
    repx_close_fd(&e.input[1]);
    repx_close_fd(&e.out[1]);
    repx_close_fd(&e.errors[1]);
    struct stream *s = REPX_NEW(struct stream);
    *s = (struct stream){.local = l,
                         .next = l->streams,
                         .pid = pid,
                         .input = e.input[0],
                         .channels = {e.out[0], e.errors[0]}};
    l->streams = s;
    *stream = s;
    return 0;
}

/* ---- bytes ---- */

static void close_end(int *fd)
{
    repx_close_fd(fd);
    *fd = -1;
}

static int64_t local_read(void *stream, uint32_t channel, void *to, uint64_t len,
                          struct repx_err *err)
{
    struct stream *s = stream;
    int *fd = &s->channels[channel == REPX_STREAM_ERR];
    ssize_t n;

    if (*fd < 0)
        return 0;
    do {
        n = read(*fd, to, len < SSIZE_MAX ? (size_t)len : SSIZE_MAX);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return REPX_AGAIN;
    if (n < 0)
        return repx_fail_errno(err, "read");
    if (n == 0 && len)
        close_end(fd);
    s->local->bytes_received += (uint64_t)n;
    return n;
}

static int64_t local_write(void *stream, const void *from, uint64_t len,
                           struct repx_err *err)
{
    struct stream *s = stream;
    ssize_t n;

    do {
        n = send(s->input, from, len < SSIZE_MAX ? (size_t)len : SSIZE_MAX,
                 MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return REPX_AGAIN;
    if (n < 0) {
        return repx_fail(err, REPX_E_LINK, "the command takes no more input: %s",
                         strerror(errno));
    }
    s->local->bytes_sent += (uint64_t)n;
    return n;
}

static int32_t local_half_close(void *stream, struct repx_err *err)
{
    const struct stream *s = stream;

    if (shutdown(s->input, SHUT_WR) < 0 && errno != ENOTCONN)
        return repx_fail_errno(err, "end of input");
    return 0;
}

/* ---- wait ---- */

#define FDS_OF_ITEM 3

static struct repx_wait *item_at(void *items, uint64_t i, uint64_t stride)
{
    return (struct repx_wait *)(void *)((char *)items + i * stride);
}

static int timeout_of(const struct local *l, int64_t deadline_ms)
{
    int64_t left = deadline_ms - l->host->now_ms(l->host->ctx);

    if (deadline_ms == 0)
        return -1;
    if (left <= 0)
        return 0;
    return left > INT_MAX ? INT_MAX : (int)left;
}

/* Channels that ended are ready at once: reading them returns 0. */
static int add_item(struct repx_wait *item, struct pollfd fds[FDS_OF_ITEM])
{
    static const uint32_t wants[] = {REPX_READY_READ, REPX_READY_ERRORS,
                                     REPX_READY_WRITE};
    const struct stream *s = item->stream;
    const int at[] = {s->channels[0], s->channels[1], s->input};
    int ended = 0;

    item->ready = 0;
    for (int i = 0; i < FDS_OF_ITEM; i++) {
        int wanted = (item->want & wants[i]) != 0;
        fds[i] = (struct pollfd){.fd = wanted ? at[i] : -1,
                                 .events = i == 2 ? POLLOUT : POLLIN};
        if (wanted && at[i] < 0) {
            item->ready |= wants[i];
            ended = 1;
        }
    }
    return ended;
}

static int64_t count_ready(void *items, uint64_t count, uint64_t stride,
                           const struct pollfd *fds)
{
    int64_t ready = 0;

    for (uint64_t i = 0; i < count; i++) {
        struct repx_wait *item = item_at(items, i, stride);
        const struct pollfd *f = fds + i * FDS_OF_ITEM;
        item->ready |= (f[0].revents ? REPX_READY_READ : 0) |
                       (f[1].revents ? REPX_READY_ERRORS : 0) |
                       (f[2].revents ? REPX_READY_WRITE : 0);
        ready += item->ready != 0;
    }
    return ready;
}

static int64_t local_wait(void *self, struct repx_wait *items, uint64_t count,
                          uint64_t stride, int64_t deadline_ms, struct repx_err *err)
{
    struct local *l = self;
    REPX_AUTO_FREE struct pollfd *fds =
        repx_array(count * FDS_OF_ITEM + 1, sizeof(struct pollfd));
    int ended = 0;

    for (uint64_t i = 0; i < count; i++)
        ended |= add_item(item_at(items, i, stride), fds + i * FDS_OF_ITEM);
    fds[count * FDS_OF_ITEM] =
        (struct pollfd){.fd = l->host->cancel_fd(l->host->ctx), .events = POLLIN};
    for (;;) {
        int n = poll(fds, (nfds_t)(count * FDS_OF_ITEM + 1),
                     ended ? 0 : timeout_of(l, deadline_ms));
        if (n < 0 && errno == EINTR && !l->host->canceled(l->host->ctx))
            continue;
        if (n < 0 && errno != EINTR)
            return repx_fail(err, REPX_E_LINK, "poll: %s", strerror(errno));
        return n < 0 ? 0 : count_ready(items, count, stride, fds);
    }
}

/* ---- ends ---- */

static int reap(struct stream *s, int flags)
{
    int status;

    if (s->reaped)
        return 1;
    pid_t got;
    do {
        got = waitpid(s->pid, &status, flags);
    } while (got < 0 && errno == EINTR);
    if (got == 0)
        return 0;
    s->reaped = 1;
    if (got < 0) { /* somebody else reaped it */
        s->status = 255;
    } else {
        s->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    return 1;
}

static void nap(long ms)
{
    const struct timespec t = {.tv_nsec = ms * 1000000L};

    (void)nanosleep(&t, NULL);
}

static int32_t local_exit_status(void *stream, int64_t deadline_ms, int32_t *status,
                                 struct repx_err *err)
{
    struct stream *s = stream;
    const struct repx_host *host = s->local->host;

    for (long ms = 1; !reap(s, WNOHANG); ms = ms < 16 ? ms * 2 : ms) {
        if (host->canceled(host->ctx))
            return repx_fail(err, REPX_E_CANCELED, "cancelled");
        if (deadline_ms && host->now_ms(host->ctx) >= deadline_ms)
            return repx_fail(err, REPX_E_TIMEOUT, "the command does not end");
        nap(ms);
    }
    *status = s->status;
    return 0;
}

static int reap_within(struct stream *s, long limit_ms)
{
    for (long ms = 0; !reap(s, WNOHANG); ms += 2) {
        if (ms >= limit_ms)
            return 0;
        nap(2);
    }
    return 1;
}

static void local_end(void *stream)
{
    struct stream *s = stream;

    if (!s)
        return;
    close_end(&s->input);
    close_end(&s->channels[0]);
    close_end(&s->channels[1]);
    if (!reap_within(s, GRACE_MS)) {
        (void)kill(-s->pid, SIGTERM);
        if (!reap_within(s, TERM_MS)) {
            (void)kill(-s->pid, SIGKILL);
            (void)reap(s, 0);
        }
    }
    struct stream **at = &s->local->streams;
    while (*at && *at != s)
        at = &(*at)->next;
    if (*at)
        *at = s->next;
    free(s);
}

static void local_stats(void *self, struct repx_transport_stats *stats)
{
    const struct local *l = self;

    stats->logins = 1;
    stats->bytes_sent = l->bytes_sent;
    stats->bytes_received = l->bytes_received;
}

static const struct repx_transport_ops ops = {
    .size = sizeof(ops),
    .open = local_open,
    .close = local_close,
    .start = local_start,
    .read = local_read,
    .write = local_write,
    .half_close = local_half_close,
    .wait = local_wait,
    .exit_status = local_exit_status,
    .end = local_end,
    .stats = local_stats,
    .suits = local_suits,
};

static const struct repx_plugin plugin = {
    .size = sizeof(plugin),
    .magic = REPX_PLUGIN_MAGIC,
    .abi_major = REPX_ABI_MAJOR,
    .abi_minor = REPX_ABI_MINOR,
    .kind = REPX_KIND_TRANSPORT,
    .phase = REPX_PHASE_NONE,
    .name = "local",
    .version = REPX_VERSION,
    .vendor = "repx",
    .license = "MIT",
    .summary = "this machine: a child process",
    .vtable = &ops,
    .vtable_size = sizeof(ops),
    .field_stride = sizeof(struct repx_field),
};

const struct repx_plugin *repx_plugin_v0(void)
{
    return &plugin;
}
