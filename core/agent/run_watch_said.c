/* SPDX-License-Identifier: MIT */
#include "core/agent/run_watch_said.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "core/agent/state_check.h"

#define TAIL 65536

/* Slurm's step daemon writes there; the script's own output goes elsewhere, so that no job
 * can tell tales about its end. The first line that says something counts. */
static const char daemon_name[] = "slurmstepd";

static const struct {
    const char *phrase, *reason;
} phrases[] = {
    {"exceeded memory limit", "out of memory"},
    {"Exceeded job memory limit", "out of memory"},
    {"oom-kill", "out of memory"},
    {"oom_kill", "out of memory"},
    {"DUE TO TIME LIMIT", "timed out"},
    {"DUE TO NODE FAILURE", "node failure"},
    {"DUE TO PREEMPTION", "cancelled"},
};

/* "... exceeded memory limit (204619776 > 104857600), being killed" */
static int64_t used_of(const char *line)
{
    const char *open = strstr(line, "limit (");

    if (!open)
        return 0;
    open += strlen("limit (");
    size_t n = strspn(open, "0123456789");
    return n > 0 && n < 18 ? strtoll(open, NULL, 10) : 0;
}

struct unit_said unit_said_text(const char *text, size_t n)
{
    REPX_AUTO_FREE char *copy = repx_strndup(text, n);
    struct unit_said said = {0};
    char *rest = NULL;

    for (char *line = strtok_r(copy, "\n", &rest); line && !said.reason;
         line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, daemon_name, sizeof(daemon_name) - 1) != 0)
            continue;
        for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
            if (said.reason || !strstr(line, phrases[i].phrase))
                continue;
            said.reason = phrases[i].reason;
            said.used = used_of(line);
        }
    }
    return said;
}

struct unit_said unit_said(struct site *site, const char *key)
{
    struct unit_said nothing = {0};
    char text[TAIL];
    struct stat st;

    if (!state_key_ok(key))
        return nothing;
    REPX_AUTO_FREE char *path = repx_format("sub/%s/slurm.out", key);
    REPX_AUTO_CLOSE int fd =
        openat(site->state_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return nothing;
    off_t from = st.st_size > TAIL ? st.st_size - TAIL : 0;
    ssize_t n = pread(fd, text, sizeof(text), from);
    return n > 0 ? unit_said_text(text, (size_t)n) : nothing;
}
