/* SPDX-License-Identifier: MIT */
#include "store_session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

/* Clock ticks after boot at which a process started: field 22 of its stat, counted from
 * behind the name, which may hold anything. 0 when it is not there, or dead and only not
 * waited for yet. */
static unsigned long long start_of(long pid)
{
    REPX_AUTO_FREE char *path = repx_format("/proc/%ld/stat", pid);
    REPX_AUTO_BUF struct repx_buf text = {0};
    struct repx_err ignored = {0};

    if (repx_read_file(AT_FDCWD, path, 65536, &text, &ignored) < 0)
        return 0;
    const char *p = strrchr(repx_buf_text(&text), ')');
    if (p && (p[1] != ' ' || p[2] == 'Z' || p[2] == 'X'))
        return 0;
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    return p ? strtoull(p + 1, NULL, 10) : 0;
}

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

    return repx_format("%s.%ld.%llu.%u", node, pid, start_of(pid), ++count);
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
    unsigned long long start = start_of(pid);
    return start && start == strtoull(end + 1, NULL, 10);
}
