/* SPDX-License-Identifier: MIT */
/* runtime_untar.c: members put into place.
 *
 * The directory belongs to us alone until it is renamed, so paths can be resolved as text
 * against what lies there: `done` holds components that are real directories, `rest` what
 * is still to come; a symbolic link puts its target in front of the rest. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/buf.h>
#include <kit/file.h>

#include "core/agent/runtime_tar.h"

#define LINKS_MAX 40

static void drop_last(struct repx_buf *done)
{
    while (done->len && done->data[done->len - 1] != '/')
        done->len--;
    if (done->len)
        done->len--;
    if (done->data)
        done->data[done->len] = 0;
}

static void add_component(struct repx_buf *done, const char *name)
{
    if (done->len)
        repx_buf_char(done, '/');
    repx_buf_str(done, name);
}

/* Step into component `name`: 1 done, 0 it was a link whose target is in *link, -1. */
static int step_into(int root, struct repx_buf *done, const char *name, char **link,
                     struct repx_err *err)
{
    REPX_AUTO_FREE char *path =
        done->len ? repx_format("%s/%s", done->data, name) : repx_strdup(name);
    struct stat st;

    if (fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT || (mkdirat(root, path, 0755) < 0 && errno != EEXIST))
            return repx_fail_errno(err, "%s", path);
    } else if (S_ISLNK(st.st_mode)) {
        *link = repx_alloc(4097);
        return readlinkat(root, path, *link, 4096) < 0
                   ? repx_fail_errno(err, "%s", path)
                   : 0;
    } else if (!S_ISDIR(st.st_mode)) {
        return repx_fail(err, REPX_E_CORRUPT, "layer: %s is not a directory", path);
    }
    add_component(done, name);
    return 1;
}

/* Resolve a directory path as if root were `/`, making what lacks. *done gets the real
 * path relative to root, "" for root itself. */
static int resolve_dir(int root, const char *path, struct repx_buf *done,
                       struct repx_err *err)
{
    char *rest = repx_strdup(path), *at = rest;
    int links = 0, rc = 1;

    while (rc >= 0 && *at) {
        size_t n = strcspn(at, "/");
        REPX_AUTO_FREE char *name = repx_strndup(at, n);
        REPX_AUTO_FREE char *link = NULL;
        at += n + (at[n] == '/');
        if (n == 0 || strcmp(name, ".") == 0)
            continue;
        if (strcmp(name, "..") == 0) {
            drop_last(done);
            continue;
        }
        rc = step_into(root, done, name, &link, err);
        if (rc != 0 || !link)
            continue;
        if (++links > LINKS_MAX)
            rc = repx_fail(err, REPX_E_CORRUPT, "layer: %s: too many links", path);
        if (*link == '/')
            done->len = 0;
        char *next = repx_format("%s/%s", link, at);
        free(rest);
        rest = at = next;
    }
    free(rest);
    return rc < 0 ? -1 : 0;
}

/* The place of a member: its parent's real path and its last component. Returns NULL with
 * *err, or NULL without when the path names root itself. */
char *root_place_of(int root, const char *name, struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_strdup(name);
    REPX_AUTO_BUF struct repx_buf done = {0};
    size_t n = strlen(path);

    while (n && path[n - 1] == '/')
        path[--n] = 0;
    char *slash = strrchr(path, '/');
    const char *leaf = slash ? slash + 1 : path;
    if (!*leaf || strcmp(leaf, ".") == 0)
        return NULL;
    if (strcmp(leaf, "..") == 0) {
        (void)repx_fail(err, REPX_E_CORRUPT, "layer: %s: no such name", name);
        return NULL;
    }
    if (slash) {
        *slash = 0;
        if (resolve_dir(root, path, &done, err) < 0)
            return NULL;
    }
    if (done.len == 0)
        return repx_strdup(leaf);
    return repx_format("%s/%s", done.data, leaf);
}

int root_place(int root, const char *path, int is_dir, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf done = {0};

    if (is_dir)
        return resolve_dir(root, path, &done, err);
    REPX_AUTO_FREE char *place = root_place_of(root, path, err);
    REPX_AUTO_CLOSE int fd =
        place ? openat(root, place, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644)
              : -1;
    return !place || (fd < 0 && errno != ELOOP) ? repx_fail_errno(err, "%s", path) : 0;
}

/* ---- whiteouts ----
 *
 * They hide what earlier layers had and nothing of their own, wherever they stand in the
 * layer: so they are all applied before any member is put into place. */

/* Is every directory on the way a real one? No link is followed: what lies behind one has
 * whiteouts of its own. */
static int lies_there(int root, const char *path)
{
    REPX_AUTO_FREE char *part = repx_strdup(path);
    struct stat st;

    for (char *slash = strchr(part, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (fstatat(root, part, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
            return 0;
        *slash = '/';
    }
    return 1;
}

/* "./a//b/" as "a/b"; NULL when it climbs, or is root. Caller frees. */
static char *plain_path(const char *name)
{
    struct repx_buf path = {0};

    for (const char *at = name; *at;) {
        size_t n = strcspn(at, "/");
        if (n == 2 && at[0] == '.' && at[1] == '.') {
            repx_buf_free(&path);
            return NULL;
        }
        if (n && !(n == 1 && *at == '.')) {
            if (path.len)
                repx_buf_char(&path, '/');
            repx_buf_add(&path, at, n);
        }
        at += n + (at[n] == '/');
    }
    return path.len ? repx_buf_detach(&path) : NULL;
}

static const char *leaf_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static int is_whiteout(const char *path)
{
    return strncmp(leaf_of(path), ".wh.", 4) == 0;
}

static int clear_dir(int root, const char *dir, struct repx_err *err)
{
    struct stat st;

    if (fstatat(root, dir, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
        return 0;
    if (repx_remove_tree(root, dir, err) < 0)
        return -1;
    return mkdirat(root, dir, st.st_mode & 0777) < 0 ? repx_fail_errno(err, "%s", dir)
                                                     : 0;
}

static int clear_root(int root, struct repx_err *err)
{
    int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *d;
    int rc = 0;

    if (!dir) {
        repx_close_fd(&fd);
        return repx_fail_errno(err, "layer: /");
    }
    while (rc == 0 && (d = readdir(dir))) {
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            rc = repx_remove_tree(root, d->d_name, err);
    }
    (void)closedir(dir);
    return rc;
}

int root_whiteout(int root, const char *path, struct repx_err *err)
{
    const char *leaf = leaf_of(path);
    size_t front = (size_t)(leaf - path); /* with its slash */
    REPX_AUTO_FREE char *dir = repx_strndup(path, front ? front - 1 : 0);

    if (!lies_there(root, path))
        return 0;
    if (strcmp(leaf, ".wh..wh..opq") == 0)
        return front ? clear_dir(root, dir, err) : clear_root(root, err);
    leaf += 4;
    if (!*leaf || strcmp(leaf, ".") == 0 || strcmp(leaf, "..") == 0)
        return 0;
    REPX_AUTO_FREE char *gone = repx_format("%.*s%s", (int)front, path, leaf);
    return repx_remove_tree(root, gone, err);
}

/* ---- members ---- */

static int put_file(struct tar_in *in, const struct tar_member *m, int root,
                    const char *place, struct repx_err *err)
{
    const struct timespec times[2] = {{(time_t)m->mtime, 0}, {(time_t)m->mtime, 0}};
    REPX_AUTO_CLOSE int fd =
        openat(root, place, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
               (mode_t)(m->mode | 0600u));

    if (fd < 0)
        return repx_fail_errno(err, "%s", place);
    if (tar_content(in, m, fd, err) < 0)
        return -1;
    (void)futimens(fd, times);
    return 0;
}

int root_put_dir(int root, const char *place, unsigned mode, struct repx_err *err)
{
    struct stat st;

    if (fstatat(root, place, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
        return fchmodat(root, place, (mode_t)(mode | 0700u), 0) < 0
                   ? repx_fail_errno(err, "%s", place)
                   : 0;
    }
    if (repx_remove_tree(root, place, err) < 0)
        return -1;
    if (mkdirat(root, place, (mode_t)(mode | 0700u)) < 0)
        return repx_fail_errno(err, "%s", place);
    return 0;
}

int root_hard_link(int root, const char *place, const char *target,
                   struct repx_err *err)
{
    struct repx_err why = {0};
    REPX_AUTO_FREE char *from = root_place_of(root, target, &why);

    if (from && strcmp(from, place) == 0)
        return 0;
    if (!from || repx_remove_tree(root, place, err) < 0 ||
        linkat(root, from, root, place, 0) < 0)
        return repx_fail_errno(err, "layer: %s: link to %s", place, target);
    return 0;
}

/* ---- of an archive ---- */

struct pass {
    int root;
    const struct layer_options *o;
};

static void note(const struct pass *p, char type, const char *path, const char *target)
{
    repx_buf_char(p->o->notes, type);
    repx_buf_add(p->o->notes, path, strlen(path) + 1);
    if (target)
        repx_buf_add(p->o->notes, target, strlen(target) + 1);
}

/* Of a layer that is unpacked alone: is what the link leads to another layer's? */
static int leads_away(const struct pass *p, const struct tar_member *m)
{
    struct repx_err why = {0};
    REPX_AUTO_FREE char *from = root_place_of(p->root, m->link, &why);
    struct stat st;

    return !from || fstatat(p->root, from, &st, AT_SYMLINK_NOFOLLOW) < 0;
}

static int put_member(struct tar_in *in, const struct tar_member *m,
                      const struct pass *p, const char *place, struct repx_err *err)
{
    if (m->type == '5') {
        if (p->o->notes)
            note(p, 'd', place, NULL);
        return root_put_dir(p->root, place, m->mode, err);
    }
    if (m->type != '0' && m->type != '1' && m->type != '2')
        return tar_data(in, m->size, -1, err); /* devices, pipes */
    if (m->type == '1' && p->o->notes && leads_away(p, m)) {
        note(p, 'l', m->name, m->link);
        return 0;
    }
    if (m->type == '1')
        return root_hard_link(p->root, place, m->link, err);
    if (repx_remove_tree(p->root, place, err) < 0)
        return -1;
    if (m->type == '0')
        return put_file(in, m, p->root, place, err);
    if (symlinkat(m->link, p->root, place) < 0)
        return repx_fail_errno(err, "%s", place);
    return 0;
}

static int one_member(struct tar_in *in, const struct tar_member *m,
                      const struct pass *p, struct repx_err *err)
{
    struct repx_err why = {0};
    REPX_AUTO_FREE char *path = plain_path(m->name);

    if (is_whiteout(path ? path : m->name))
        return tar_data(in, m->size, -1, err);
    REPX_AUTO_FREE char *place = root_place_of(p->root, m->name, &why);
    if (why.code)
        return repx_fail(err, why.code, "%s", why.text);
    if (!place) /* the root directory itself */
        return tar_data(in, m->size, -1, err);
    return put_member(in, m, p, place, err);
}

static int one_whiteout(struct tar_in *in, const struct tar_member *m,
                        const struct pass *p, struct repx_err *err)
{
    REPX_AUTO_FREE char *path = plain_path(m->name);

    if (path && is_whiteout(path)) {
        if (p->o->notes) {
            note(p, 'w', path, NULL);
        } else if (root_whiteout(p->root, path, err) < 0) {
            return -1;
        }
    }
    return tar_data(in, m->size, -1, err);
}

typedef int member_fn(struct tar_in *in, const struct tar_member *m,
                      const struct pass *p, struct repx_err *err);

static int each_member(struct tar_in *in, const struct pass *p, member_fn *each,
                       struct repx_err *err)
{
    struct tar_member m = {0};
    int rc;

    for (uint64_t n = 0; (rc = tar_next(in, &m, err)) == 1; n++) {
        if (n == p->o->max) {
            rc = repx_fail(err, REPX_E_CORRUPT, "layer: more than %llu members",
                           (unsigned long long)p->o->max);
        } else {
            rc = each(in, &m, p, err);
        }
        tar_member_finish(&m);
        if (p->o->tick && n % 256 == 0)
            p->o->tick(p->o->ctx);
        if (rc < 0)
            break;
    }
    free(in->long_name);
    free(in->long_link);
    in->long_name = in->long_link = NULL;
    sparse_free(&in->sparse);
    return rc;
}

int layer_unpack(int fd, int root, const struct layer_options *o, struct repx_err *err)
{
    uint8_t block[512];
    struct tar_in glance = {.fd = fd, .block = block, .long_size = -1, .glance = 1};
    struct tar_in in = {.fd = fd, .block = block, .long_size = -1};
    const struct pass pass = {root, o};

    if (each_member(&glance, &pass, one_whiteout, err) < 0)
        return -1;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return repx_fail_errno(err, "layer");
    return each_member(&in, &pass, one_member, err);
}
