/* SPDX-License-Identifier: MIT */
/* job_descendants.c: the tree of processes below one, as /proc tells it. Kernels without
 * /proc/PID/task/PID/children have no children here; the process group is then all. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "core/agent/job_process.h"

#define DEPTH_MAX 64

static char *children_read(pid_t pid)
{
    char path[64];
    REPX_AUTO_BUF struct repx_buf b = {0};

    (void)snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)pid,
                   (long)pid);
    REPX_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (ssize_t n = fd; n >= 0;) {
        n = read(fd, repx_buf_room(&b, 4096), 4096);
        if (n <= 0)
            break;
        b.len += (size_t)n;
        b.data[b.len] = 0;
    }
    return repx_buf_detach(&b);
}

static void signal_below(pid_t pid, int signal, int depth)
{
    REPX_AUTO_FREE char *text = children_read(pid);

    for (char *at = text, *end; depth < DEPTH_MAX; at = end) {
        long child = strtol(at, &end, 10);
        if (end == at || child <= 1)
            return;
        (void)kill((pid_t)child, signal);
        signal_below((pid_t)child, signal, depth + 1);
    }
}

void descendants_signal(pid_t pid, int signal, int root)
{
    if (root)
        (void)kill(pid, signal);
    signal_below(pid, signal, 0);
}
