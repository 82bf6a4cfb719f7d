/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tether.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PIECE 65536

void tether_add(struct tether_bytes *b, const void *bytes, size_t n)
{
    if (b->len + n > b->cap) {
        b->cap = (b->len + n) * 2;
        b->data = realloc(b->data, b->cap);
        if (!b->data)
            abort();
    }
    if (n)
        memcpy(b->data + b->len, bytes, n);
    b->len += n;
}

void tether_drop(struct tether_bytes *b, size_t n)
{
    b->len -= n;
    if (b->len)
        memmove(b->data, b->data + n, b->len);
}

void tether_frame(struct tether_bytes *to, char what, const void *bytes, size_t n)
{
    const char head[TETHER_HEAD] = {what, (char)n, (char)(n >> 8), (char)(n >> 16),
                                    (char)(n >> 24)};

    tether_add(to, head, sizeof(head));
    tether_add(to, bytes, n);
}

int64_t tether_take(const struct tether_bytes *from, char *what, const char **bytes,
                    size_t *n)
{
    const unsigned char *head = (const unsigned char *)from->data;

    if (from->len < TETHER_HEAD)
        return 0;
    *n = head[1] | (size_t)head[2] << 8 | (size_t)head[3] << 16 | (size_t)head[4] << 24;
    if (*n > TETHER_FRAME_MAX)
        return -1;
    if (from->len < TETHER_HEAD + *n)
        return 0;
    *what = from->data[0];
    *bytes = from->data + TETHER_HEAD;
    return (int64_t)(TETHER_HEAD + *n);
}

static int connect_path(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(to.sun_path) || fd < 0) {
        errno = fd < 0 ? errno : ENAMETOOLONG;
        return fd;
    }
    memcpy(to.sun_path, path, strlen(path));
    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    int why = errno;
    (void)close(fd);
    errno = why;
    return -1;
}

static int connect_host(char *host)
{
    const struct addrinfo want = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char *port = strrchr(host, ':');
    int fd = -1;

    if (!port) {
        errno = EINVAL;
        return -1;
    }
    *port++ = 0;
    if (getaddrinfo(host, port, &want, &found) != 0) {
        errno = EHOSTUNREACH;
        return -1;
    }
    for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
            int why = errno;
            (void)close(fd);
            fd = -1;
            errno = why;
        }
    }
    freeaddrinfo(found);
    return fd;
}

int tether_connect(const char *address, const char **why)
{
    char *host = address[0] == '/' ? NULL : strdup(address);
    int fd = host ? connect_host(host) : connect_path(address);

    if (fd < 0)
        *why = strerror(errno);
    free(host);
    return fd;
}

static int is_only_busy(void)
{
    return errno == EAGAIN || errno == EINTR;
}

int tether_send(int fd, struct tether_bytes *out)
{
    if (!out->len)
        return 0;
    ssize_t n = send(fd, out->data, out->len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0)
        return is_only_busy() ? 0 : -1;
    tether_drop(out, (size_t)n);
    return 1;
}

int tether_receive(int fd, struct tether_bytes *in)
{
    char piece[PIECE];
    ssize_t n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);

    if (n < 0)
        return is_only_busy() ? 0 : -1;
    tether_add(in, piece, (size_t)n);
    return n ? 1 : -1;
}
