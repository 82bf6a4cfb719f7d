/* SPDX-License-Identifier: MIT */
/* What is remembered about Labs that are gone, or that nobody opened for long, goes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "source.h"

#define DAY 86400
#define UNUSED_DAYS 60
#define PATH_LONGEST 4096

/* Is the Lab that the file speaks of there no more? What cannot be told counts as there. */
static int lab_is_gone(int dir, const char *name)
{
    char path[PATH_LONGEST + 1];
    REPX_AUTO_CLOSE int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int64_t at = fd < 0 ? -1 : cache_path_at(fd);
    ssize_t n = at < 0 ? -1 : pread(fd, path, PATH_LONGEST, (off_t)at);
    struct stat st;

    if (n <= 0)
        return 0;
    path[n] = 0;
    return path[0] == '/' && strlen(path) < (size_t)n && lstat(path, &st) < 0 &&
           (errno == ENOENT || errno == ENOTDIR);
}

void cache_prune(const char *path)
{
    DIR *d = opendir(path);
    const time_t now = time(NULL);
    const struct dirent *e;
    struct stat st;

    while (d && (e = readdir(d))) {
        if (e->d_name[0] == '.' && strlen(e->d_name) < 3)
            continue;
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISREG(st.st_mode))
            continue;
        int whole = strlen(e->d_name) == 32; /* others: a write that was cut off */
        int64_t limit = whole ? (int64_t)UNUSED_DAYS * DAY : DAY;
        if (now - st.st_mtime > limit || (whole && lab_is_gone(dirfd(d), e->d_name)))
            (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d)
        (void)closedir(d);
}
