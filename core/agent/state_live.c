/* SPDX-License-Identifier: MIT */
/* state_live.c: S/live/<job id>, a symbolic link whose text says who works on the job, and
 * S/next/<job id>, the same for who does so after that. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "core/agent/state.h"
#include "core/agent/state_check.h"
#include "core/agent/state_next.h"
#include "core/agent/state_once.h"

/* "<run> <index> <KEY>" cut at its blanks; 1 or 0. */
static int live_split(char *text, char **index, char **key)
{
    *index = strchr(text, ' ');
    *key = *index ? strchr(*index + 1, ' ') : NULL;
    if (!*key)
        return 0;
    *(*index)++ = 0;
    *(*key)++ = 0;
    size_t n = strspn(*index, "0123456789");
    return run_id_ok(text) && n > 0 && n < 10 && !(*index)[n] && state_key_ok(*key);
}

static ssize_t link_read(struct site *site, const char *kind, const char *job,
                         char text[128])
{
    REPX_AUTO_FREE char *path = repx_format("%s/%s", kind, job);

    if (!state_name_ok(job)) {
        errno = EINVAL;
        return -1;
    }
    ssize_t n = readlinkat(site->state_fd, path, text, 127);
    if (n >= 0)
        text[n] = 0;
    return n;
}

struct live_owner {
    const char *run, *key; /* key NULL: any of the run's */
};

/* Whose link is it? */
struct owner {
    char **run;
    size_t *index;
    char *key;
};

static int link_get(struct site *site, const char *kind, const char *job,
                    const struct owner *owner, struct repx_err *err)
{
    char text[128], *number, *found;

    if (link_read(site, kind, job, text) < 0) {
        return errno == ENOENT
                   ? 0
                   : repx_fail_errno(err, "%s/%s/%s", site->state, kind, job);
    }
    if (!live_split(text, &number, &found)) {
        return repx_fail(err, REPX_E_CORRUPT, "%s/%s/%s: of no known form; remove it",
                         site->state, kind, job);
    }
    *owner->run = repx_strdup(text);
    *owner->index = strtoul(number, NULL, 10);
    memcpy(owner->key, found, 27);
    return 1;
}

int live_get(struct site *site, const char *job, char **run, size_t *index,
             char key[27], struct repx_err *err)
{
    const struct owner owner = {run, index, key};

    return link_get(site, "live", job, &owner, err);
}

int next_get(struct site *site, const char *job, char **run, size_t *index,
             char key[27], struct repx_err *err)
{
    const struct owner owner = {run, index, key};

    return link_get(site, "next", job, &owner, err);
}

/* Make or replace S/<kind>/<job>. */
static int link_set(struct site *site, const char *kind, const char *job,
                    const char *text, struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("%s/%s", kind, job);
    REPX_AUTO_FREE char *own = once_name(site, "live");
    REPX_AUTO_FREE char *tmp = repx_format("%s/%s", kind, own);

    if (!state_name_ok(job))
        return repx_fail(err, REPX_E_USAGE, "%s: not a job id", job);
    int rc = symlinkat(text, site->state_fd, path);
    if (rc < 0 && errno == ENOENT && mkdirat(site->state_fd, kind, 0777) == 0)
        rc = symlinkat(text, site->state_fd, path);
    if (rc < 0 && errno == EEXIST) {
        rc = symlinkat(text, site->state_fd, tmp) < 0
                 ? -1
                 : renameat(site->state_fd, tmp, site->state_fd, path);
    }
    return rc < 0 ? repx_fail_errno(err, "%s/%s", site->state, path) : 0;
}

int live_set(struct site *site, const char *job, const char *run, size_t index,
             const char *key, struct repx_err *err)
{
    REPX_AUTO_FREE char *text = repx_format("%s %zu %s", run, index, key);

    return link_set(site, "live", job, text, err);
}

/* Out of the way goes the link that was read, and no other: what rename(2) got hold of is
 * looked at once more, and put back if it is another. 1 when the place is free. */
static int link_displace(struct site *site, const char *path, const char *text)
{
    REPX_AUTO_FREE char *own = once_name(site, "live");
    REPX_AUTO_FREE char *tmp = repx_format("live/%s", own);
    char got[128];

    if (renameat(site->state_fd, path, site->state_fd, tmp) < 0)
        return errno == ENOENT;
    ssize_t n = readlinkat(site->state_fd, tmp, got, sizeof got - 1);
    got[n < 0 ? 0 : n] = 0;
    int same = strcmp(got, text) == 0;
    int back = same || symlinkat(got, site->state_fd, path) == 0 || errno == EEXIST;
    if (!back && renameat(site->state_fd, tmp, site->state_fd, path) == 0)
        return 0;
    (void)unlinkat(site->state_fd, tmp, 0);
    return same;
}

int live_take(struct site *site, const char *job, const struct live_link *to,
              const char *seen, struct repx_err *err)
{
    REPX_AUTO_FREE char *text = repx_format("%s %zu %s", to->run, to->index, to->key);
    REPX_AUTO_FREE char *path = repx_format("live/%s", job);
    char there[128];

    if (!state_name_ok(job))
        return repx_fail(err, REPX_E_USAGE, "%s: not a job id", job);
    int rc = symlinkat(text, site->state_fd, path);
    if (rc < 0 && errno == ENOENT && mkdirat(site->state_fd, "live", 0777) == 0)
        rc = symlinkat(text, site->state_fd, path);
    if (rc < 0 && errno == EEXIST && link_read(site, "live", job, there) >= 0) {
        const char *key = strrchr(there, ' ');
        if (!key || !*seen || strcmp(key + 1, seen) != 0 ||
            !link_displace(site, path, there))
            return 0;
        rc = symlinkat(text, site->state_fd, path);
        if (rc < 0 && errno == EEXIST)
            return 0;
    }
    return rc < 0 ? repx_fail_errno(err, "%s/%s", site->state, path) : 1;
}

int next_set(struct site *site, const char *job, const char *run, size_t index,
             const char *key, struct repx_err *err)
{
    REPX_AUTO_FREE char *text = repx_format("%s %zu %s", run, index, key);

    return link_set(site, "next", job, text, err);
}

static void link_clear(struct site *site, const char *kind, const char *job,
                       const struct live_owner *owner)
{
    REPX_AUTO_FREE char *path = repx_format("%s/%s", kind, job);
    char text[128], *number, *found;

    if (link_read(site, kind, job, text) < 0 || !live_split(text, &number, &found))
        return;
    if (strcmp(text, owner->run) == 0 &&
        (!owner->key || strcmp(found, owner->key) == 0))
        (void)unlinkat(site->state_fd, path, 0);
}

void live_look_again(struct site *site)
{
    int fd = openat(site->state_fd, "live", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    repx_close_fd(&fd);
}

void live_clear(struct site *site, const char *job, const char *run, const char *key)
{
    const struct live_owner owner = {run, key};

    if (site_is_nfs(site)) /* another host may have taken it by now */
        live_look_again(site);
    link_clear(site, "live", job, &owner);
}

void next_clear(struct site *site, const char *job, const char *run, const char *key)
{
    const struct live_owner owner = {run, key};

    link_clear(site, "next", job, &owner);
}

int next_promote(struct site *site, const char *job)
{
    REPX_AUTO_FREE char *from = repx_format("next/%s", job);
    REPX_AUTO_FREE char *to = repx_format("live/%s", job);

    return state_name_ok(job) &&
           renameat(site->state_fd, from, site->state_fd, to) == 0;
}
