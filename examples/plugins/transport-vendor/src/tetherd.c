/* SPDX-License-Identifier: MIT */
/* tetherd SOCKET TOKEN: the far end. SOCKET is a path, or a port on 127.0.0.1. Each
 * connection is served by a process of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tether.h"

#define HOLD (1u << 20)
#define PIECE 32768

struct session {
    int sock;
    const char *token;
    struct tether_bytes in, out, input; /* input: for the command */
    int is_welcome, input_ended, gone;
    pid_t pid;  /* of the command, 0: none yet */
    int fds[3]; /* its input, output, standard error */
};

static void shut(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* ---- the command ---- */

static void become(int pipes[3][2], const char *command)
{
    (void)setsid();
    (void)signal(SIGPIPE, SIG_DFL);
    if (dup2(pipes[0][0], 0) < 0 || dup2(pipes[1][1], 1) < 0 ||
        dup2(pipes[2][1], 2) < 0)
        _exit(127);
    (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static int run(struct session *s, const char *bytes, size_t n)
{
    int pipes[3][2];
    char *command = strndup(bytes, n);

    for (int i = 0; i < 3; i++) {
        if (pipe2(pipes[i], O_CLOEXEC) < 0)
            return -1;
    }
    s->pid = fork();
    if (s->pid == 0)
        become(pipes, command);
    free(command);
    for (int i = 0; i < 3; i++) {
        s->fds[i] = pipes[i][i == 0];
        (void)close(pipes[i][i != 0]);
        (void)fcntl(s->fds[i], F_SETFL, O_NONBLOCK);
    }
    return s->pid < 0 ? -1 : 0;
}

/* ---- frames ---- */

static int same(const char *token, const char *bytes, size_t n)
{
    unsigned char differs = strlen(token) != n;

    for (size_t i = 0; i < n && token[i]; i++)
        differs |= (unsigned char)(token[i] ^ bytes[i]);
    return !differs;
}

static int take(struct session *s, char what, const char *bytes, size_t n)
{
    if (what == 'H') {
        static const char no[] = "the token is not known here";
        s->is_welcome = same(s->token, bytes, n);
        tether_frame(&s->out, s->is_welcome ? 'W' : 'R', no,
                     s->is_welcome ? 0 : sizeof(no) - 1);
        return 0;
    }
    if (!s->is_welcome)
        return -1;
    if (what == 'X' && !s->pid)
        return run(s, bytes, n);
    if (what == 'I')
        tether_add(&s->input, bytes, n);
    if (what == 'E')
        s->input_ended = 1;
    return 0;
}

static void hear(struct session *s)
{
    const char *bytes;
    size_t n;
    char what;
    int64_t k;

    if (tether_receive(s->sock, &s->in) < 0)
        s->gone = 1;
    while ((k = tether_take(&s->in, &what, &bytes, &n)) > 0) {
        if (take(s, what, bytes, n) < 0)
            s->gone = 1;
        tether_drop(&s->in, (size_t)k);
    }
    if (k < 0)
        s->gone = 1;
}

/* ---- bytes of the command ---- */

static void feed(struct session *s)
{
    if (s->fds[0] >= 0 && s->input.len) {
        ssize_t n = write(s->fds[0], s->input.data, s->input.len);
        if (n > 0)
            tether_drop(&s->input, (size_t)n);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            shut(&s->fds[0]);
    }
    if (s->fds[0] < 0)
        s->input.len = 0;
    if (s->input_ended && !s->input.len)
        shut(&s->fds[0]);
}

static void drain(struct session *s, int i)
{
    char bytes[PIECE];
    ssize_t n = s->out.len < HOLD ? read(s->fds[i], bytes, sizeof(bytes)) : -1;

    if (n > 0)
        tether_frame(&s->out, i == 1 ? 'O' : 'S', bytes, (size_t)n);
    if (n == 0)
        shut(&s->fds[i]);
}

/* The last frame, once the command has ended. 1 when all is said. */
static int conclude(struct session *s)
{
    int status;

    if (s->pid <= 0 || s->fds[1] >= 0 || s->fds[2] >= 0)
        return 0;
    if (waitpid(s->pid, &status, WNOHANG) != s->pid)
        return 0;
    char code =
        (char)(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    tether_frame(&s->out, 'Z', &code, 1);
    (void)fcntl(s->sock, F_SETFL, 0);
    while (s->out.len && tether_send(s->sock, &s->out) >= 0) {
        struct pollfd p = {s->sock, POLLOUT, 0};
        (void)poll(&p, 1, 1000);
    }
    return 1;
}

static void await(const struct session *s)
{
    int can_say = s->out.len < HOLD;
    struct pollfd p[4] = {
        {s->sock,
         (short)((s->input.len < HOLD ? POLLIN : 0) | (s->out.len ? POLLOUT : 0)), 0},
        {s->input.len ? s->fds[0] : -1, POLLOUT, 0},
        {can_say ? s->fds[1] : -1, POLLIN, 0},
        {can_say ? s->fds[2] : -1, POLLIN, 0}};
    int ends =
        s->pid > 0 && s->fds[1] < 0 && s->fds[2] < 0; /* waitpid has no descriptor */

    (void)poll(p, 4, ends ? 10 : -1);
}

static void serve(int sock, const char *token)
{
    struct session s = {.sock = sock, .token = token, .fds = {-1, -1, -1}};

    while (!s.gone && !conclude(&s)) {
        await(&s);
        if (s.input.len < HOLD)
            hear(&s);
        feed(&s);
        for (int i = 1; i < 3; i++) {
            if (s.fds[i] >= 0)
                drain(&s, i);
        }
        if (tether_send(sock, &s.out) < 0)
            s.gone = 1;
    }
    _exit(0); /* and with it the command's input and output end */
}

/* ---- listening ---- */

static int listen_at(const char *where)
{
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    struct sockaddr_in port = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)strtoul(where, NULL, 10)),
                               .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int is_path = where[0] == '/', on = 1;
    int fd = socket(is_path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(path.sun_path, sizeof(path.sun_path), "%s", where);
    if (is_path) {
        (void)umask(077);
        (void)unlink(where);
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    int rc = is_path ? bind(fd, (const struct sockaddr *)&path, sizeof(path))
                     : bind(fd, (const struct sockaddr *)&port, sizeof(port));
    return rc < 0 || listen(fd, 64) < 0 ? -1 : fd;
}

int main(int argc, char **argv)
{
    int fd = argc == 3 ? listen_at(argv[1]) : -1;

    if (fd < 0) {
        (void)fprintf(stderr, "usage: tetherd SOCKET TOKEN\n");
        return 1;
    }
    (void)umask(022);
    (void)signal(SIGPIPE, SIG_IGN);
    for (;;) {
        int sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (sock < 0)
            continue;
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (fork() == 0) {
            (void)close(fd);
            serve(sock, argv[2]);
        }
        (void)close(sock);
    }
}
