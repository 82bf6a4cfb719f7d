/* SPDX-License-Identifier: MIT */
#include "core/agent/process_start.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>

uint64_t process_start(int64_t pid)
{
    char path[40], text[1024];

    (void)snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    REPX_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n <= 0)
        return 0;
    text[n] = 0;
    /* the command's name may hold anything: fields count from its last parenthesis */
    char *at = strrchr(text, ')');
    if (!at || !at[1] || !at[2] || at[2] == 'Z' || at[2] == 'X')
        return 0;
    for (int field = 3; at && field <= 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at, NULL, 10) : 0;
}
