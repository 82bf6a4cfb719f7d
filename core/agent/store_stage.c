/* SPDX-License-Identifier: MIT */
#include "store_own.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "store_part.h"
#include "store_session.h"

#define DEAD_AFTER_S 3600 /* a session of another node that made nothing for so long */
#define DEEPEST 80

int store_state_elsewhere(const struct store *s)
{
    struct stat base, state;

    return fstat(s->site->base_fd, &base) < 0 || fstat(s->site->state_fd, &state) < 0 ||
           base.st_dev != state.st_dev;
}

/* Trees are renamed, so they are built on the file system of their destination: in S when
 * that is there, else in B/.repx. */
static int open_stages(struct store *s, struct repx_err *err)
{
    int at = s->site->state_fd;
    const char *path = "stage", *root = s->site->state;

    if (s->stages_fd >= 0)
        return 0;
    if (store_state_elsewhere(s)) {
        at = s->site->base_fd;
        path = ".repx/stage";
        root = s->site->base;
    }
    s->stages_fd = store_walk(at, path, 1);
    return s->stages_fd < 0 ? store_fail(err, root, path) : 0;
}

int store_stage(struct store *s, struct repx_err *err)
{
    if (s->stage_fd >= 0)
        return 0;
    if (open_stages(s, err) < 0)
        return -1;
    /* the same process may have had a store before */
    if (store_mkdirat(s->stages_fd, s->session) < 0 && errno != EEXIST)
        return store_fail(err, "the staging directory", s->session);
    s->stage_fd = store_openat(s->stages_fd, s->session, O_RDONLY | O_DIRECTORY, 0);
    return s->stage_fd < 0 ? store_fail(err, "the staging directory", s->session) : 0;
}

void store_stage_close(struct store *s, int keep)
{
    struct repx_err ignored = {0};

    if (s->stage_fd >= 0 && !keep)
        (void)repx_remove_tree(s->stages_fd, s->session, &ignored);
    repx_close_fd(&s->stage_fd);
    repx_close_fd(&s->stages_fd);
}

static int is_dead(struct store *s, const char *name)
{
    struct stat st;

    if (strcmp(name, s->session) == 0)
        return 0;
    int alive = session_alive(name, s->site->host, s->site->boot);
    if (alive >= 0)
        return !alive;
    return store_lstat(s->stages_fd, name, &st) == 0 &&
           st.st_mtime + DEAD_AFTER_S < time(NULL);
}

/* Take dead sessions' directories into ours; a rename decides between two who try. */
static void take_over(struct store *s)
{
    int fd = store_openat(s->stages_fd, ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) {
        repx_close_fd(&fd);
        return;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] == '.' || !is_dead(s, e->d_name))
            continue;
        REPX_AUTO_FREE char *mine = repx_format("dead%zu", s->dead_count);
        if (store_rename(s->stages_fd, e->d_name, s->stage_fd, mine) < 0)
            continue;
        s->dead_count++;
        store_part_rescue(s, mine);
    }
    (void)closedir(d);
}

typedef void each_file(struct store *s, int dir, const char *name,
                       const struct stat *st);

static void look_through(struct store *s, int dir, const char *name, int depth,
                         each_file *each)
{
    int fd = store_openat(dir, name, O_RDONLY | O_DIRECTORY, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct stat st;

    if (!d) {
        repx_close_fd(&fd);
        return;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            store_lstat(dirfd(d), e->d_name, &st) < 0)
            continue;
        if (S_ISREG(st.st_mode)) {
            each(s, dirfd(d), e->d_name, &st);
        } else if (S_ISDIR(st.st_mode) && depth < DEEPEST) {
            look_through(s, dirfd(d), e->d_name, depth + 1, each);
        }
    }
    (void)closedir(d);
}

void store_stage_adopt(struct store *s, each_file *each)
{
    struct repx_err ignored = {0};

    if (store_stage(s, &ignored) < 0)
        return;
    if (!s->adopted)
        take_over(s);
    s->adopted = 1;
    for (size_t i = 0; each && i < s->dead_count; i++) {
        REPX_AUTO_FREE char *dead = repx_format("dead%zu", i);
        look_through(s, s->stage_fd, dead, 0, each);
    }
}
