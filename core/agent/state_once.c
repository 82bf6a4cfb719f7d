/* SPDX-License-Identifier: MIT */
#include "state_once.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state_check.h"

char *once_name(const struct site *site, const char *what)
{
    static unsigned count;

    return repx_format(".%s.%s.%ld.%u", what,
                       state_name_ok(site->host) ? site->host : "node", (long)getpid(),
                       count++);
}

static int file_make(int dir, const char *name, const json_t *record, struct stat *st,
                     struct repx_err *err)
{
    REPX_AUTO_FREE char *text = json_dumps(record, JSON_COMPACT);
    REPX_AUTO_FREE char *line = text ? repx_format("%s\n", text) : NULL;
    REPX_AUTO_CLOSE int fd =
        openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);

    if (fd < 0 || !line || repx_write_all(fd, line, strlen(line)) < 0 ||
        fstat(fd, st) < 0)
        return repx_fail_errno(err, "%s", name);
    return 0;
}

/* link(2) over NFS may report failure for a link that was made: the count tells. */
static int link_it(int dir, const char *own, const char *name, struct repx_err *err)
{
    struct stat st;

    if (linkat(dir, own, dir, name, 0) == 0)
        return 1;
    int saved = errno;
    if (fstatat(dir, own, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink == 2)
        return 1;
    errno = saved;
    return saved == EEXIST ? 0 : repx_fail_errno(err, "%s", name);
}

int once_make_at(struct site *site, const char *dir, const char *name,
                 const json_t *record, int64_t *now_s, struct repx_err *err)
{
    REPX_AUTO_FREE char *own = once_name(site, name);
    REPX_AUTO_CLOSE int fd =
        openat(site->state_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st = {0};

    if (fd < 0)
        return repx_fail_errno(err, "%s/%s", site->state, dir);
    int rc = file_make(fd, own, record, &st, err);
    if (rc == 0)
        rc = link_it(fd, own, name, err);
    if (rc < 0)
        (void)repx_wrap(err, "%s/%s", site->state, dir);
    *now_s = (int64_t)st.st_mtime;
    int saved = errno; /* callers look whether there was no room */
    (void)unlinkat(fd, own, 0);
    errno = saved;
    return rc;
}

int once_make(struct site *site, const char *dir, const char *name,
              const json_t *record, struct repx_err *err)
{
    int64_t now;

    return once_make_at(site, dir, name, record, &now, err);
}
