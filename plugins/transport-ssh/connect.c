/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ssh.h"

/* poll() to a deadline, woken by the user's wish to stop. 1 ready, else -1. */
static int poll_one(struct ssh *s, int fd, short events, int64_t deadline_ms,
                    struct repx_err *err)
{
    int stop = s->host.cancel_fd ? s->host.cancel_fd(s->host.ctx) : -1;

    for (;;) {
        struct pollfd p[2] = {{fd, events, 0}, {stop, POLLIN, 0}};
        int64_t left = deadline_ms ? deadline_ms - ssh_now(s) : 60000;
        if (left <= 0)
            return repx_fail(err, REPX_E_TIMEOUT, "%s: no answer in time", s->where);
        int n = poll(p, 2, left > 60000 ? 60000 : (int)left);
        if (n < 0 && errno != EINTR)
            return repx_fail_errno(err, "poll");
        if (n > 0 && p[0].revents)
            return 1;
        if (s->host.canceled(s->host.ctx))
            return repx_fail(err, REPX_E_CANCELED, "%s: cancelled", s->where);
    }
}

int ssh_wait(struct ssh *s, int64_t deadline_ms, struct repx_err *err)
{
    int directions = libssh2_session_block_directions(s->session);
    short events = 0;

    if (directions & LIBSSH2_SESSION_BLOCK_INBOUND)
        events |= POLLIN;
    if (directions & LIBSSH2_SESSION_BLOCK_OUTBOUND)
        events |= POLLOUT;
    if (!events)
        events = POLLIN;
    return poll_one(s, s->fd, events, deadline_ms, err) < 0 ? -1 : 0;
}

static int32_t class_of(int code)
{
    switch (code) {
    case LIBSSH2_ERROR_TIMEOUT:
    case LIBSSH2_ERROR_SOCKET_TIMEOUT:
        return REPX_E_TIMEOUT;
    case LIBSSH2_ERROR_SOCKET_SEND:
    case LIBSSH2_ERROR_SOCKET_RECV:
    case LIBSSH2_ERROR_SOCKET_DISCONNECT:
    case LIBSSH2_ERROR_BANNER_RECV:
    case LIBSSH2_ERROR_BANNER_SEND:
    case LIBSSH2_ERROR_BAD_SOCKET:
    case LIBSSH2_ERROR_SOCKET_NONE:
        return REPX_E_LINK;
    case LIBSSH2_ERROR_AUTHENTICATION_FAILED:
    case LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED:
    case LIBSSH2_ERROR_PASSWORD_EXPIRED:
        return REPX_E_AUTH;
    default:
        return REPX_E_FAILED;
    }
}

int ssh_fail(struct ssh *s, const char *doing, struct repx_err *err)
{
    char *text = NULL;
    int code = libssh2_session_last_error(s->session, &text, NULL, 0);

    return repx_fail(err, class_of(code), "%s: %s: %s", s->where, doing,
                     text && text[0] ? text : "connection lost");
}

/* libssh2 sends and receives through these, so that bytes are counted and silence is
 * noticed. They answer -errno. */
static ssize_t count_recv(libssh2_socket_t fd, void *to, size_t len, int flags,
                          void **abstract)
{
    struct ssh *s = *abstract;
    ssize_t n = recv(fd, to, len, flags);

    if (n < 0)
        return -errno;
    s->stats.bytes_received += (uint64_t)n;
    if (n > 0) {
        s->heard_ms = ssh_now(s);
        s->pings = 0;
    }
    return n;
}

static ssize_t count_send(libssh2_socket_t fd, const void *from, size_t len, int flags,
                          void **abstract)
{
    struct ssh *s = *abstract;
    ssize_t n = send(fd, from, len, flags | MSG_NOSIGNAL);

    if (n < 0)
        return -errno;
    s->stats.bytes_sent += (uint64_t)n;
    return n;
}

/* libssh2 takes every callback as one type of pointer; ISO C has no such cast. */
static void set_callback(LIBSSH2_SESSION *session, int which, void (*function)(void))
{
    void *pointer = NULL;

    memcpy(&pointer, &function, sizeof(pointer));
    (void)libssh2_session_callback_set(session, which, pointer);
}

static int tune(int fd)
{
    int one = 1;
    int flags = fcntl(fd, F_GETFL);

    /* Without this each small request waits for the last one's acknowledgement. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
                   fcntl(fd, F_SETFD, FD_CLOEXEC) < 0
               ? -1
               : 0;
}

/* One address: the socket, or -1. */
static int try_address(struct ssh *s, const struct addrinfo *a, int64_t deadline_ms,
                       struct repx_err *err)
{
    char number[64] = "?";
    int why = 0;
    socklen_t size = sizeof(why);
    int fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);

    (void)getnameinfo(a->ai_addr, a->ai_addrlen, number, sizeof(number), NULL, 0,
                      NI_NUMERICHOST);
    if (fd < 0 || tune(fd) < 0) {
        (void)repx_fail_errno(err, "socket");
    } else if (connect(fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS) {
        (void)repx_fail_errno(err, "cannot connect to %s (%s)", s->where, number);
    } else if (poll_one(s, fd, POLLOUT, deadline_ms, err) < 0) {
        (void)repx_wrap(err, "connecting to %s", number);
    } else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size) < 0 || why) {
        errno = why;
        (void)repx_fail_errno(err, "cannot connect to %s (%s)", s->where, number);
    } else {
        return fd;
    }
    if (err->code == REPX_E_FAILED || err->code == REPX_E_NOENT)
        err->code = REPX_E_LINK;
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

static int open_socket(struct ssh *s, int64_t deadline_ms, struct repx_err *err)
{
    const struct addrinfo hints = {.ai_family = s->settings.family,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *all = NULL;
    char port[16];

    (void)snprintf(port, sizeof(port), "%d", s->settings.port);
    int rc = getaddrinfo(s->settings.hostname, port, &hints, &all);
    if (rc != 0) {
        return repx_fail(err, REPX_E_LINK, "%s: %s; is the address right?",
                         s->settings.hostname, gai_strerror(rc));
    }
    for (const struct addrinfo *a = all; a && s->fd < 0; a = a->ai_next) {
        int64_t until = ssh_earlier(ssh_now(s) + s->settings.connect_ms, deadline_ms);
        s->fd = try_address(s, a, until, err);
        if (s->fd < 0 && err->code == REPX_E_CANCELED)
            break;
    }
    freeaddrinfo(all);
    return s->fd < 0 ? -1 : 0;
}

static int handshake(struct ssh *s, int64_t deadline_ms, struct repx_err *err)
{
    int rc;

    while ((rc = libssh2_session_handshake(s->session, s->fd)) ==
           LIBSSH2_ERROR_EAGAIN) {
        if (ssh_wait(s, deadline_ms, err) < 0)
            return repx_wrap(err, "no ssh greeting");
    }
    if (rc == LIBSSH2_ERROR_KEX_FAILURE || rc == LIBSSH2_ERROR_METHOD_NONE) {
        return repx_fail(
            err, REPX_E_UNSUPPORTED,
            "%s: the server and libssh2 %s share no key exchange, host key "
            "type or cipher; set transport = \"openssh\"",
            s->where, libssh2_version(0));
    }
    return rc == 0 ? 0 : ssh_fail(s, "ssh handshake", err);
}

int ssh_connect(struct ssh *s, int64_t deadline_ms, struct repx_err *err)
{
    struct repx_err why = {0};

    if (open_socket(s, deadline_ms, &why) < 0) {
        *err = why;
        return -1;
    }
    s->session = libssh2_session_init_ex(NULL, NULL, NULL, s);
    if (!s->session)
        return repx_fail(err, REPX_E_FAILED, "libssh2: out of memory");
    libssh2_session_set_blocking(s->session, 0);
    set_callback(s->session, LIBSSH2_CALLBACK_RECV, (void (*)(void))count_recv);
    set_callback(s->session, LIBSSH2_CALLBACK_SEND, (void (*)(void))count_send);
    libssh2_keepalive_config(s->session, 1, 1); /* how often is up to wait.c */
    if (ssh_prefer_known(s, err) < 0)
        return -1;
    int64_t until = ssh_earlier(ssh_now(s) + s->settings.connect_ms, deadline_ms);
    return handshake(s, until, err);
}
