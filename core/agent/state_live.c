/* SPDX-License-Identifier: MIT */
/* state_live.c: S/live/<job id>, a symbolic link whose text says who works on the job. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "core/agent/state.h"
#include "core/agent/state_check.h"
#include "core/agent/state_live_own.h"
#include "core/agent/state_once.h"

/* "<run> <index> <KEY>"; 1 or 0. */
static int live_split(struct live_text *t)
{
    const char *index = strchr(t->text, ' ');
    const char *key = index ? strchr(index + 1, ' ') : NULL;

    if (!key || (size_t)(index - t->text) >= sizeof(t->run) || !state_key_ok(key + 1))
        return 0;
    size_t n = strspn(index + 1, "0123456789");
    if (n == 0 || n >= 10 || index + 1 + n != key)
        return 0;
    memcpy(t->run, t->text, (size_t)(index - t->text));
    t->run[index - t->text] = 0;
    t->index = strtoul(index + 1, NULL, 10);
    memcpy(t->key, key + 1, sizeof(t->key));
    return run_id_ok(t->run);
}

int live_text_parse(const char *text, struct live_text *t)
{
    size_t n = strlen(text);

    if (n >= sizeof(t->text))
        return 0;
    memcpy(t->text, text, n + 1);
    return live_split(t);
}

int live_link_read(struct site *site, const char *path, struct live_text *t,
                   struct repx_err *err)
{
    ssize_t n = readlinkat(site->state_fd, path, t->text, sizeof(t->text) - 1);

    if (n < 0) {
        return errno == ENOENT ? 0 : repx_fail_errno(err, "%s/%s", site->state, path);
    }
    t->text[n] = 0;
    return live_split(t)
               ? 1
               : repx_fail(err, REPX_E_CORRUPT, "%s/%s: of no known form; remove it",
                           site->state, path);
}

int live_get(struct site *site, const char *job, char **run, size_t *index,
             char key[27], struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("live/%s", job);
    struct live_text t;

    if (!state_name_ok(job))
        return repx_fail(err, REPX_E_USAGE, "%s: not a job id", job);
    int there = live_link_read(site, path, &t, err);
    if (there == 1) {
        *run = repx_strdup(t.run);
        *index = t.index;
        memcpy(key, t.key, sizeof(t.key));
    }
    return there;
}

int live_set(struct site *site, const char *job, const char *run, size_t index,
             const char *key, struct repx_err *err)
{
    REPX_AUTO_FREE char *text = repx_format("%s %zu %s", run, index, key);
    REPX_AUTO_FREE char *path = repx_format("live/%s", job);
    REPX_AUTO_FREE char *own = once_name(site, "live");
    REPX_AUTO_FREE char *tmp = repx_format("live/%s", own);

    if (!state_name_ok(job))
        return repx_fail(err, REPX_E_USAGE, "%s: not a job id", job);
    int rc = symlinkat(text, site->state_fd, path);
    if (rc < 0 && errno == ENOENT && mkdirat(site->state_fd, "live", 0777) == 0)
        rc = symlinkat(text, site->state_fd, path);
    if (rc < 0 && errno == EEXIST) {
        rc = symlinkat(text, site->state_fd, tmp) < 0
                 ? -1
                 : renameat(site->state_fd, tmp, site->state_fd, path);
    }
    return rc < 0 ? repx_fail_errno(err, "%s/%s", site->state, path) : 0;
}

/* What rename(2) got hold of is looked at once more, and put back if it is another. */
int live_link_displace(struct site *site, const char *path, const char *text)
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
    struct live_text there = {0};

    if (!state_name_ok(job))
        return repx_fail(err, REPX_E_USAGE, "%s: not a job id", job);
    int rc = symlinkat(text, site->state_fd, path);
    if (rc < 0 && errno == ENOENT && mkdirat(site->state_fd, "live", 0777) == 0)
        rc = symlinkat(text, site->state_fd, path);
    if (rc < 0 && errno == EEXIST && live_link_read(site, path, &there, NULL) != 0) {
        if (!*seen || strcmp(there.key, seen) != 0 ||
            !live_link_displace(site, path, there.text))
            return 0;
        rc = symlinkat(text, site->state_fd, path);
        if (rc < 0 && errno == EEXIST)
            return 0;
    }
    return rc < 0 ? repx_fail_errno(err, "%s/%s", site->state, path) : 1;
}

int live_is(const struct live_text *t, const char *run, const char *key)
{
    return strcmp(t->run, run) == 0 && (!key || strcmp(t->key, key) == 0);
}

void dir_look_again(int at, const char *dir)
{
    int fd = openat(at, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    repx_close_fd(&fd);
}

void live_look_again(struct site *site)
{
    dir_look_again(site->state_fd, "live");
    dir_look_again(site->state_fd, "next");
}

void live_clear(struct site *site, const char *job, const char *run, const char *key)
{
    REPX_AUTO_FREE char *path = repx_format("live/%s", job);
    struct live_text t;

    if (site_is_nfs(site)) /* another host may have taken it by now */
        live_look_again(site);
    if (state_name_ok(job) && live_link_read(site, path, &t, NULL) == 1 &&
        live_is(&t, run, key))
        (void)unlinkat(site->state_fd, path, 0);
}
