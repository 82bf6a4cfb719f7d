/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* S_ISVTX */
#include "trust.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>

/* The group that many systems make for each user. */
static int is_own_group(gid_t gid)
{
    const struct passwd *pw = getpwuid(geteuid());
    REPX_AUTO_FREE char *user = pw ? repx_strdup(pw->pw_name) : NULL;

    if (!user || pw->pw_gid != gid)
        return 0;
    const struct group *gr = getgrgid(gid);
    if (!gr || strcmp(gr->gr_name, user) != 0)
        return 0;
    for (char **member = gr->gr_mem; *member; member++) {
        if (strcmp(*member, user) != 0)
            return 0;
    }
    return 1;
}

/* One component; *hidden: a directory above lets nobody else in. */
static int check_one(const char *path, int *hidden, struct repx_err *err)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return repx_fail_errno(err, "%s", path);
    if (st.st_uid != 0 && st.st_uid != geteuid()) {
        return repx_fail(
            err, REPX_E_UNSUPPORTED,
            "%s belongs to user %lu, who could change it; it must belong to "
            "you or root",
            path, (unsigned long)st.st_uid);
    }
    if (*hidden)
        return 0;
    int sticky = S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX);
    if ((st.st_mode & S_IWOTH) && !sticky) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "%s is writable by everybody; run: chmod o-w '%s'", path,
                         path);
    }
    if ((st.st_mode & S_IWGRP) && !sticky && st.st_gid != 0 &&
        !is_own_group(st.st_gid)) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "%s is writable by group %lu; run: chmod g-w '%s'", path,
                         (unsigned long)st.st_gid, path);
    }
    if (S_ISDIR(st.st_mode) && !(st.st_mode & (S_IXGRP | S_IXOTH)))
        *hidden = 1;
    return 0;
}

int trust_file(const char *path, char **canonical, struct repx_err *err)
{
    char *real = realpath(path, NULL);
    int hidden = 0;

    if (!real)
        return repx_fail_errno(err, "%s", path);
    /* Cut the path short at each slash in turn: "/", "/usr", "/usr/lib", ... */
    for (char *end = real; end; end = strchr(end + 1, '/')) {
        size_t n = end == real ? 1 : (size_t)(end - real);
        REPX_AUTO_FREE char *part = repx_strndup(real, n);
        if (check_one(part, &hidden, err) < 0)
            goto bad;
    }
    if (check_one(real, &hidden, err) < 0)
        goto bad;
    *canonical = real;
    return 0;
bad:
    free(real);
    return -1;
}
