/* SPDX-License-Identifier: MIT */
/* Paths below B/outputs. Jobs make what they like there, links included, so every component
 * is looked at; the last step opens real directories only. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/file_verbs.h"
#include "core/agent/store_fs.h"

#define LINKS_MOST 40
#define PATH_LONGEST 4096

int outputs_open(const struct site *site, struct repx_err *err)
{
    int fd = openat(site->base_fd, "outputs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? repx_fail_errno(err, "%s/outputs", site->base) : fd;
}

struct walk {
    const struct site *site;
    int outputs;
    struct repx_buf done; /* real components */
    char *left;           /* what is still to walk */
    int links;
};

static int leaves(const struct walk *w, struct repx_err *err)
{
    return repx_fail(err, REPX_E_USAGE,
                     "%s/outputs/%s: a link there leaves the outputs", w->site->base,
                     repx_buf_text(&w->done));
}

static void up(struct repx_buf *done)
{
    const char *slash = strrchr(repx_buf_text(done), '/');

    done->len = slash ? (size_t)(slash - done->data) : 0;
    done->data[done->len] = 0;
}

/* A link: its target goes in front of what is left. */
static int follow(struct walk *w, const char *target, const char *rest,
                  struct repx_err *err)
{
    size_t n = strlen(w->site->base);

    if (++w->links > LINKS_MOST)
        return repx_fail(err, REPX_E_USAGE, "%s: too many links", w->left);
    if (*target == '/') {
        if (strncmp(target, w->site->base, n) != 0 ||
            strncmp(target + n, "/outputs/", 9) != 0)
            return leaves(w, err);
        target += n + 9;
        w->done.len = 0;
    } else {
        up(&w->done);
    }
    char *left = repx_format("%s/%s", target, rest);
    free(w->left);
    w->left = left;
    return strlen(left) > PATH_LONGEST
               ? repx_fail(err, REPX_E_USAGE, "%.200s...: too long a path", left)
               : 0;
}

/* Take one component. */
static int step(struct walk *w, struct repx_err *err)
{
    size_t n = strcspn(w->left, "/");
    REPX_AUTO_FREE char *name = repx_strndup(w->left, n);
    REPX_AUTO_FREE char *rest = repx_strdup(w->left + n + (w->left[n] == '/'));
    struct stat st;

    if (n && strcmp(name, "..") == 0) {
        if (!w->done.len)
            return leaves(w, err);
        up(&w->done);
    } else if (n && strcmp(name, ".") != 0) {
        if (w->done.len)
            repx_buf_char(&w->done, '/');
        repx_buf_str(&w->done, name);
        if (store_lstat(w->outputs, w->done.data, &st) < 0)
            return repx_fail_errno(err, "%s/outputs/%s", w->site->base, w->done.data);
        if (S_ISLNK(st.st_mode)) {
            REPX_AUTO_FREE char *target = store_readlink(w->outputs, w->done.data);
            return target ? follow(w, target, rest, err)
                          : repx_fail_errno(err, "%s", w->done.data);
        }
    }
    free(w->left);
    w->left = repx_strdup(rest);
    return 0;
}

char *outputs_resolve(const struct site *site, int outputs, const char *path,
                      struct repx_err *err)
{
    struct walk w = {.site = site, .outputs = outputs, .left = repx_strdup(path)};
    int rc = 0;

    repx_buf_str(&w.done, "");
    while (rc == 0 && *w.left)
        rc = step(&w, err);
    free(w.left);
    if (rc == 0)
        return repx_buf_detach(&w.done);
    repx_buf_free(&w.done);
    return NULL;
}

int outputs_file(const struct site *site, int outputs, const char *path,
                 struct repx_err *err)
{
    REPX_AUTO_FREE char *real = outputs_resolve(site, outputs, path, err);
    struct stat st;

    if (!real)
        return -1;
    const char *slash = strrchr(real, '/');
    REPX_AUTO_FREE char *parent =
        repx_strndup(real, slash ? (size_t)(slash - real) : 0);
    REPX_AUTO_CLOSE int dir = store_walk(outputs, parent, 0);
    int fd =
        dir < 0 ? -1
                : store_openat(dir, slash ? slash + 1 : real, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0 || fstat(fd, &st) < 0) {
        repx_close_fd(&fd);
        return repx_fail_errno(err, "%s/outputs/%s", site->base, real);
    }
    if (!S_ISREG(st.st_mode)) {
        repx_close_fd(&fd);
        return repx_fail(err, REPX_E_USAGE, "%s/outputs/%s: is not a file", site->base,
                         real);
    }
    return fd;
}
