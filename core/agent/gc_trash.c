/* SPDX-License-Identifier: MIT */
/* gc_trash.c: how a thing goes: out of sight by one rename, then piece by piece. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/gc.h"
#include "core/agent/state.h"
#include "core/agent/store_fs.h"

#define DEEPEST 200
#define TOUCH_EVERY 64

static uint64_t dir_size(int fd, int depth)
{
    DIR *d = depth > DEEPEST ? NULL : fdopendir(fd);
    uint64_t sum = 0;

    if (!d) {
        repx_close_fd(&fd);
        return 0;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            store_lstat(dirfd(d), e->d_name, &st) < 0)
            continue;
        if (S_ISREG(st.st_mode))
            sum += (uint64_t)st.st_size;
        int sub = S_ISDIR(st.st_mode)
                      ? store_openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY, 0)
                      : -1;
        if (sub >= 0)
            sum += dir_size(sub, depth + 1);
    }
    (void)closedir(d);
    return sum;
}

uint64_t gc_tree_size(int dir, const char *name)
{
    struct stat st;

    if (store_lstat(dir, name, &st) < 0)
        return 0;
    if (S_ISREG(st.st_mode))
        return (uint64_t)st.st_size;
    int fd =
        S_ISDIR(st.st_mode) ? store_openat(dir, name, O_RDONLY | O_DIRECTORY, 0) : -1;
    return fd < 0 ? 0 : dir_size(fd, 0);
}

/* What a collection that crashed left there goes first. */
static void empty(struct gc *gc)
{
    int fd = store_openat(gc->trash, ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d)
        repx_close_fd(&fd);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            (void)repx_remove_tree(gc->trash, e->d_name, NULL);
    }
    if (d)
        (void)closedir(d);
}

int gc_trash_open(struct gc *gc, struct repx_err *err)
{
    gc->trash = store_walk(gc->site->base_fd, ".repx/trash", 1);
    if (gc->trash < 0)
        return repx_fail_errno(err, "%s/.repx/trash", gc->site->base);
    empty(gc);
    return 0;
}

void gc_remove(struct gc *gc, int dir, const char *name, uint64_t *count)
{
    uint64_t bytes = gc_tree_size(dir, name);

    if (!GC_DRY(gc)) {
        REPX_AUTO_FREE char *to =
            repx_format("%ld.%u", (long)getpid(), ++gc->trash_next);
        int rc = store_move(dir, name, gc->trash, to);
        if (rc < 0 && errno == EXDEV) {
            rc = repx_remove_tree(dir, name, NULL);
        } else if (rc == 0) {
            (void)repx_remove_tree(gc->trash, to, NULL);
        }
        if (rc < 0) {
            if (errno != ENOENT)
                gc_say(gc, "warning: %s stays: %s", name, strerror(errno));
            return;
        }
        if (gc->trash_next % TOUCH_EVERY == 0)
            (void)lease_touch(gc->site, "gc", NULL);
    }
    gc->bytes += bytes;
    ++*count;
}

int gc_is_newer(const struct gc *gc, const struct stat *st)
{
    const struct timespec *const times[] = {&st->st_ctim, &st->st_mtim};

    for (size_t i = 0; i < 2; i++) {
        if (times[i]->tv_sec > gc->start.tv_sec ||
            (times[i]->tv_sec == gc->start.tv_sec &&
             times[i]->tv_nsec > gc->start.tv_nsec))
            return 1;
    }
    return 0;
}
