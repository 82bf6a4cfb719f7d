/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* S_ISVTX, realpath */
#include "trust.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc.h"

struct way {
    uid_t us;
    int reachable; /* for others, as far as the way has been walked */
    int (*is_own_group)(gid_t gid);
};

static int foreign(const struct way *way, const struct stat *st)
{
    return st->st_uid != 0 && st->st_uid != way->us;
}

/* A user's own group, which has the user's number: where these are usual, so are umask 002
 * and directories that the group may write. */
static int private_group(gid_t gid)
{
    return gid == geteuid() && gid == getegid();
}

/* One entry on the way. 1 fine, 0 with the reason. */
static int entry_is_ours(struct way *way, const char *path, struct repx_err *why)
{
    struct stat st;

    if (lstat(path, &st) < 0) {
        (void)repx_fail_errno(why, "%s", path);
        return -1;
    }
    if (foreign(way, &st)) {
        (void)repx_fail(why, REPX_E_FAILED,
                        "%s belongs to user %ld, neither to us nor to root", path,
                        (long)st.st_uid);
        return 0;
    }
    int dir = S_ISDIR(st.st_mode);
    int sticky = dir && (st.st_mode & S_ISVTX);
    int others = (st.st_mode & S_IWOTH) != 0;
    int group =
        (st.st_mode & S_IWGRP) && st.st_gid != 0 && !way->is_own_group(st.st_gid);
    if (way->reachable && !sticky && !S_ISLNK(st.st_mode) && (others || group)) {
        (void)repx_fail(why, REPX_E_FAILED,
                        "%s can be changed by %s: run chmod %s '%s', or use a "
                        "directory where only you can write",
                        path, others ? "everybody" : "its group",
                        others ? "o-w" : "g-w", path);
        return 0;
    }
    if (dir && !(st.st_mode & (S_IXGRP | S_IXOTH)))
        way->reachable = 0;
    return 1;
}

int repx_path_trust(const char *path, int (*is_own_group)(gid_t gid), char **canonical,
                    struct repx_err *why)
{
    char *real = realpath(path, NULL);
    struct way way = {geteuid(), 1, is_own_group ? is_own_group : private_group};

    if (!real) {
        (void)repx_fail_errno(why, "%s", path);
        return -1;
    }
    int rc = entry_is_ours(&way, "/", why);
    for (char *slash = strchr(real + 1, '/'); rc == 1 && slash;
         slash = strchr(slash + 1, '/')) {
        *slash = 0;
        rc = entry_is_ours(&way, real, why);
        *slash = '/';
    }
    if (rc == 1)
        rc = entry_is_ours(&way, real, why);
    if (rc == 1 && canonical) {
        *canonical = real;
    } else {
        free(real);
    }
    return rc;
}

int repx_path_is_ours(const char *path, struct repx_err *why)
{
    return repx_path_trust(path, NULL, NULL, why);
}
