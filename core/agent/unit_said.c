/* SPDX-License-Identifier: MIT */
#include "core/agent/unit_said.h"

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
 * can tell tales about its end. A memory limit is said before the CANCELLED that follows
 * from it, and that one has no cause of its own. */
static const char daemon_name[] = "slurmstepd";

static const struct {
    const char *phrase, *reason;
    int may_return;
} phrases[] = {
    {"exceeded memory limit", "out of memory", 0},
    {"Exceeded job memory limit", "out of memory", 0},
    {"oom-kill", "out of memory", 0},
    {"oom_kill", "out of memory", 0},
    {"DUE TO TIME LIMIT", "timed out", 0},
    {"DUE TO NODE FAILURE", "node failure", 1},
    {"DUE TO PREEMPTION", "preempted", 1},
    {"DUE TO JOB REQUEUE", "requeued", 1},
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

static void take_line(struct unit_said *said, const char *line)
{
    int64_t used = used_of(line);

    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
        if (!strstr(line, phrases[i].phrase))
            continue;
        if (said->may_return || phrases[i].may_return)
            said->used = 0; /* of a run before this one */
        said->reason = phrases[i].reason;
        said->may_return = phrases[i].may_return;
        said->used = used ? used : said->used;
        return;
    }
}

struct unit_said unit_said_text(const char *text, size_t n)
{
    REPX_AUTO_FREE char *copy = repx_strndup(text, n);
    struct unit_said said = {0};
    char *rest = NULL;

    for (char *line = strtok_r(copy, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, daemon_name, sizeof(daemon_name) - 1) == 0)
            take_line(&said, line);
    }
    return said;
}

struct unit_said unit_said(struct site *site, const char *key, int64_t index)
{
    struct unit_said nothing = {0};
    char text[TAIL];
    struct stat st;

    if (!state_key_ok(key))
        return nothing;
    REPX_AUTO_FREE char *path =
        index < 0 ? repx_format("sub/%s/slurm.out", key)
                  : repx_format("sub/%s/slurm-%lld.out", key, (long long)index);
    REPX_AUTO_CLOSE int fd =
        openat(site->state_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return nothing;
    off_t from = st.st_size > TAIL ? st.st_size - TAIL : 0;
    ssize_t n = pread(fd, text, sizeof(text), from);
    return n > 0 ? unit_said_text(text, (size_t)n) : nothing;
}
