/* SPDX-License-Identifier: MIT */
/* peer.c: the far end of a transport under test. Static, sent through the transport.
 *
 *     echo          input to output
 *     source N      N bytes of the pattern
 *     exit N        ends so;  kill: ends by SIGTERM
 *     errors        "out" to output, "err" to standard error
 *     late          reads to the end of input, then writes "late"
 *     deaf N        reads nothing for N seconds
 *     hold FILE     locks FILE, writes "held", stays until its input ends
 *     held FILE     "yes" or "no"
 *     remove DIR    the files of the test */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int put(int fd, const char *bytes, size_t n)
{
    while (n) {
        ssize_t k = write(fd, bytes, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return -1;
        bytes += k;
        n -= (size_t)k;
    }
    return 0;
}

static int echo(int back)
{
    static char bytes[65536];
    ssize_t n;

    while ((n = read(0, bytes, sizeof(bytes))) > 0 || (n < 0 && errno == EINTR)) {
        if (n > 0 && back && put(1, bytes, (size_t)n) < 0)
            return 1;
    }
    return n < 0;
}

static int source(unsigned long n)
{
    char bytes[4096];

    for (unsigned long at = 0; at < n;) {
        size_t k = n - at < sizeof(bytes) ? n - at : sizeof(bytes);
        for (size_t i = 0; i < k; i++)
            bytes[i] = (char)((at + i) * 31 >> 3);
        if (put(1, bytes, k) < 0)
            return 1;
        at += k;
    }
    return 0;
}

static int hold(const char *file)
{
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || flock(fd, LOCK_EX) < 0 || put(1, "held", 4) < 0)
        return 1;
    return echo(0);
}

static int held(const char *file)
{
    int fd = open(file, O_RDWR | O_CLOEXEC);
    int yes = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0;

    return put(1, yes ? "yes" : "no", yes ? 3 : 2) < 0;
}

static int clear(const char *dir)
{
    char path[4096];

    (void)snprintf(path, sizeof(path), "%s/lock", dir);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/peer", dir);
    (void)unlink(path);
    return rmdir(dir) < 0;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "", *arg = argc > 2 ? argv[2] : "0";

    if (strcmp(mode, "echo") == 0)
        return echo(1);
    if (strcmp(mode, "source") == 0)
        return source(strtoul(arg, NULL, 10));
    if (strcmp(mode, "exit") == 0)
        return (int)strtol(arg, NULL, 10);
    if (strcmp(mode, "kill") == 0)
        return raise(SIGTERM);
    if (strcmp(mode, "errors") == 0)
        return put(1, "out", 3) < 0 || put(2, "err", 3) < 0;
    if (strcmp(mode, "late") == 0)
        return echo(0) || put(1, "late", 4) < 0;
    if (strcmp(mode, "deaf") == 0)
        return (int)sleep((unsigned)strtoul(arg, NULL, 10));
    if (strcmp(mode, "hold") == 0)
        return hold(arg);
    if (strcmp(mode, "held") == 0)
        return held(arg);
    if (strcmp(mode, "remove") == 0)
        return clear(arg);
    return 64;
}
