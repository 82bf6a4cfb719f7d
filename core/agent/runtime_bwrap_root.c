/* SPDX-License-Identifier: MIT */
/* runtime_bwrap_root.c: what is to be seen at / . */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/runtime_bwrap.h"

static void add(struct strings *argv, const char *a, const char *b, const char *c)
{
    strings_add(argv, "%s", a);
    strings_add(argv, "%s", b);
    if (c)
        strings_add(argv, "%s", c);
}

static int in_list(const char *name, const char *const *list)
{
    for (; *list; list++) {
        if (strcmp(*list, name) == 0)
            return 1;
    }
    return 0;
}

/* Is `path` a directory above one of the points, or one of them? */
static int leads_to_point(const char *path, const char *const *points)
{
    size_t n = strlen(path);

    for (; *points; points++) {
        if (strncmp(*points, path, n) == 0 && ((*points)[n] == '/' || !(*points)[n]))
            return 1;
    }
    return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int dir_binds(struct strings *argv, const char *from, const char *to,
                     const char *const *points, int depth, struct repx_err *err);

static int entry_bind(struct strings *argv, const char *from, const char *to,
                      const char *const *points, int depth, struct repx_err *err)
{
    char link[4097];
    struct stat st;

    if (lstat(from, &st) < 0)
        return repx_fail_errno(err, "%s", from);
    int above = leads_to_point(to, points);
    if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlink(from, link, sizeof link - 1);
        if (n < 0)
            return repx_fail_errno(err, "%s", from);
        link[n] = 0;
        if (!above) /* else a real directory has to stand there */
            add(argv, "--symlink", link, to);
        return 0;
    }
    if (above && S_ISDIR(st.st_mode) && depth < 32)
        return dir_binds(argv, from, to, points, depth + 1, err);
    add(argv, "--ro-bind", from, to);
    return 0;
}

static int dir_binds(struct strings *argv, const char *from, const char *to,
                     const char *const *points, int depth, struct repx_err *err)
{
    static const char *const special[] = {".", "..", "dev", "proc", "tmp", NULL};
    struct dirent **names = NULL;
    int n = scandir(from, &names, NULL, by_name), rc = 0;

    if (n < 0)
        return repx_fail_errno(err, "%s", from);
    if (depth)
        add(argv, "--dir", to, NULL);
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        int skip = depth ? strcmp(name, ".") == 0 || strcmp(name, "..") == 0
                         : in_list(name, special);
        if (!skip && rc == 0) {
            REPX_AUTO_FREE char *source = repx_format("%s/%s", from, name);
            REPX_AUTO_FREE char *dest = repx_format("%s/%s", to, name);
            rc = entry_bind(argv, source, dest, points, depth, err);
        }
        free(names[i]);
    }
    free(names);
    return rc;
}

int bwrap_root_binds(struct strings *argv, const char *rootfs,
                     const char *const *points, struct repx_err *err)
{
    return dir_binds(argv, rootfs, "", points, 0, err);
}

int bwrap_host_binds(struct strings *argv, struct repx_err *err)
{
    static const char *const skipped[] = {".", "..", "dev", "proc", "sys", "nix", NULL};
    static const char *const writable[] = {"home", "tmp",   "var", "opt", "srv",
                                           "mnt",  "media", "run", NULL};
    struct dirent **names = NULL;
    int n = scandir("/", &names, NULL, by_name);
    char link[4097];

    if (n < 0)
        return repx_fail_errno(err, "/");
    for (int i = 0; i < n; i++) {
        REPX_AUTO_FREE char *path = repx_format("/%s", names[i]->d_name);
        struct stat st;
        ssize_t len = readlink(path, link, sizeof link - 1);
        link[len > 0 ? len : 0] = 0;
        int seen = !in_list(names[i]->d_name, skipped) && lstat(path, &st) == 0;
        if (seen && len > 0) {
            add(argv, "--symlink", link, path);
        } else if (seen && S_ISDIR(st.st_mode)) {
            add(argv, in_list(names[i]->d_name, writable) ? "--bind" : "--ro-bind",
                path, path);
        }
        free(names[i]);
    }
    free(names);
    return 0;
}

/* ---- /nix ---- */

static int store_links(const char *from, const char *seen_at, const char *to,
                       struct repx_err *err)
{
    DIR *d = opendir(from);

    if (!d)
        return repx_fail_errno(err, "%s", from);
    for (const struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] == '.')
            continue;
        REPX_AUTO_FREE char *target = repx_format("%s/%s", seen_at, e->d_name);
        REPX_AUTO_FREE char *path = repx_format("%s/%s", to, e->d_name);
        if (symlink(target, path) < 0 && errno != EEXIST) {
            (void)closedir(d);
            return repx_fail_errno(err, "%s", path);
        }
    }
    (void)closedir(d);
    return 0;
}

/* A directory of links to the entries of both stores, bound at /nix/store; the stores
 * themselves are seen below /nix. */
static int union_binds(struct strings *argv, const struct runtime_request *q,
                       const char *image_store, struct repx_err *err)
{
    REPX_AUTO_FREE char *all = repx_format("%s/nix_union_store", q->repx);

    if (repx_make_dirs(all, 0755, err) < 0 ||
        store_links(image_store, "/nix/.image", all, err) < 0 ||
        store_links("/nix/store", "/nix/.host", all, err) < 0)
        return -1;
    add(argv, "--ro-bind", all, "/nix/store");
    add(argv, "--ro-bind", image_store, "/nix/.image");
    add(argv, "--ro-bind", "/nix/store", "/nix/.host");
    return 0;
}

int bwrap_nix_binds(struct strings *argv, const struct runtime_request *q,
                    const char *rootfs, struct repx_err *err)
{
    REPX_AUTO_FREE char *image = repx_format("%s/nix", rootfs);
    REPX_AUTO_FREE char *store = repx_format("%s/store", image);
    int on_host = access("/nix/store", F_OK) == 0;
    int in_image = access(store, F_OK) == 0;

    if (on_host && in_image)
        return union_binds(argv, q, store, err);
    if (on_host) {
        add(argv, "--ro-bind", "/nix", "/nix");
    } else if (in_image) {
        add(argv, "--ro-bind", image, "/nix");
    }
    return 0;
}
