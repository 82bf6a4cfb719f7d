/* SPDX-License-Identifier: MIT */
#include "store_session.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "core/agent/process_start.h"

static char *node_part(const char *host, const char *boot)
{
    char *node = repx_format("%s.%s", host, boot);

    for (char *p = node; *p; p++) {
        if (*p == '/' || (unsigned char)*p <= ' ')
            *p = '_';
    }
    return node;
}

/* One process may have several, one after the other. */
static unsigned count;

char *session_name(const char *host, const char *boot)
{
    REPX_AUTO_FREE char *node = node_part(host, boot);
    long pid = (long)getpid();

    return repx_format("%s.%ld.%llu.%u", node, pid,
                       (unsigned long long)process_start(pid), ++count);
}

int session_alive(const char *name, const char *host, const char *boot)
{
    REPX_AUTO_FREE char *node = node_part(host, boot);
    size_t n = strlen(node);
    char *end;

    if (strncmp(name, node, n) != 0 || name[n] != '.') {
        /* another boot of this host: whatever ran then is gone */
        size_t h = strlen(host);
        return strncmp(name, host, h) == 0 && name[h] == '.' ? 0 : -1;
    }
    long pid = strtol(name + n + 1, &end, 10);
    if (pid <= 0 || *end != '.')
        return -1;
    if (kill((pid_t)pid, 0) < 0 && errno == ESRCH)
        return 0;
    uint64_t start = process_start(pid);
    return start && start == strtoull(end + 1, NULL, 10);
}
