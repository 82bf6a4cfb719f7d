/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* realpath */
#include "source.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>

/* -1 when it is no regular file, or lies elsewhere. */
static int open_below(const char *dir, const char *path, struct stat *st,
                      struct repx_err *err)
{
    REPX_AUTO_FREE char *full = repx_format("%s/%s", dir, path);
    REPX_AUTO_FREE char *real = realpath(full, NULL);
    size_t n = strlen(dir);

    if (!real)
        return repx_fail_errno(err, "%s", full);
    if (strncmp(real, dir, n) != 0 || (real[n] != '/' && n > 1)) {
        return repx_fail(err, REPX_E_USAGE,
                         "%s leads to %s, outside the definition; copy it", full, real);
    }
    int fd = open(real, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, st) < 0) {
        (void)repx_fail_errno(err, "%s", full);
        repx_close_fd(&fd);
        return -1;
    }
    if (!S_ISREG(st->st_mode)) {
        (void)close(fd);
        return repx_fail(err, REPX_E_USAGE, "%s is not a file", full);
    }
    return fd;
}

struct source *source_get(struct sources *s, const char *path, struct repx_err *err)
{
    struct stat st;

    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->all[i]->path, path) == 0)
            return s->all[i];
    }
    REPX_AUTO_CLOSE int fd = open_below(s->dir, path, &st, err);
    if (fd < 0)
        return NULL;
    struct source *src = pool_alloc(&s->pool, sizeof(*src));
    src->path = pool_str(&s->pool, path);
    src->executable = (st.st_mode & 0100) != 0;
    if (digest_fd(fd, &src->digest, NULL, err) < 0) {
        (void)repx_wrap(err, "%s", path);
        return NULL;
    }
    s->all = pool_grow(&s->pool, s->all, s->count, sizeof(struct source *));
    s->all[s->count++] = src;
    return src;
}

int source_place(struct sources *s, struct source *src, struct tree *t,
                 const char *path, mode_t mode, struct repx_err *err)
{
    struct stat st;
    struct digest d;

    if (src->placed && src->executable == (mode == 0755)) {
        struct tree_file first = {src->placed, src->digest};
        return tree_link(t, &first, path, err);
    }
    REPX_AUTO_CLOSE int fd = open_below(s->dir, src->path, &st, err);
    if (fd < 0 || tree_copy(t, fd, path, mode, &d, err) < 0)
        return -1;
    if (memcmp(&d, &src->digest, sizeof(d)) != 0) {
        return repx_fail(err, REPX_E_FAILED,
                         "%s changed while it was packed; try again", src->path);
    }
    if (src->executable == (mode == 0755))
        src->placed = pool_str(&s->pool, path);
    return 0;
}

void sources_free(struct sources *s)
{
    pool_free(&s->pool);
    *s = (struct sources){{NULL}, NULL, NULL, 0};
}
