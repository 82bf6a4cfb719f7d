/* SPDX-License-Identifier: MIT */
/* Roots of garbage collection: links in B/gcroots/auto/<project>/ to the manifests of Labs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/file_verbs.h"
#include "core/agent/store_fs.h"

#define KEEP 5
#define SUFFIX "-lab-metadata.json"

struct names {
    char **list;
    size_t count;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Links in a directory, oldest first: their names begin with the time. */
static int links_of(int dir, struct names *names)
{
    int fd = store_openat(dir, ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) {
        repx_close_fd(&fd);
        return -1;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] == '.')
            continue;
        names->list = repx_grow(names->list, names->count + 1, sizeof(char *));
        names->list[names->count++] = repx_strdup(e->d_name);
    }
    (void)closedir(d);
    if (names->count)
        qsort(names->list, names->count, sizeof(char *), by_text);
    return 0;
}

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->list[i]);
    free(names->list);
}

static int is_newest(int dir, const struct names *names, const char *target)
{
    if (!names->count)
        return 0;
    REPX_AUTO_FREE char *now = store_readlink(dir, names->list[names->count - 1]);
    return now && strcmp(now, target) == 0;
}

static int make_link(int dir, const char *leaf, const char *target, const char *path,
                     struct repx_err *err)
{
    if (store_symlinkat(target, dir, leaf) == 0)
        return 0;
    if (errno != EEXIST)
        return store_fail(err, "gcroots", path);
    REPX_AUTO_FREE char *tmp = repx_format(".%s.%ld", leaf, (long)getpid());
    (void)store_unlinkat(dir, tmp);
    if (store_symlinkat(target, dir, tmp) < 0 || store_rename(dir, tmp, dir, leaf) < 0)
        return store_fail(err, "gcroots", path);
    return 0;
}

static int add_root(int dir, const char *path, const char *target, struct repx_err *err)
{
    const char *leaf = strrchr(path, '/') + 1;
    struct names names = {0};

    if (links_of(dir, &names) < 0)
        return store_fail(err, "gcroots", path);
    int rc =
        is_newest(dir, &names, target) ? 0 : make_link(dir, leaf, target, path, err);
    names_free(&names);
    names = (struct names){0};
    if (rc == 0 && links_of(dir, &names) == 0) {
        for (size_t i = 0; i + KEEP < names.count; i++)
            (void)store_unlinkat(dir, names.list[i]);
    }
    names_free(&names);
    return rc;
}

/* auto/PROJECT/NAME, with or without "gcroots/" before it. */
static const char *check_name(const char *name)
{
    if (strncmp(name, "gcroots/", 8) == 0)
        name += 8;
    if (strncmp(name, "auto/", 5) != 0)
        return NULL;
    const char *slash = strchr(name + 5, '/');
    return slash && slash[1] && slash[1] != '.' && !strchr(slash + 1, '/') ? name
                                                                           : NULL;
}

int gcroot_add(const struct site *site, const char *name, const char *manifest,
               const struct lab_told *told, struct repx_err *err)
{
    size_t n = strlen(manifest), suffix = sizeof(SUFFIX) - 1;
    const char *path = check_name(name);

    if (!path)
        return repx_fail(err, REPX_E_USAGE, "'%s': is no name of a root", name);
    if (strchr(manifest, '/') || *manifest == '.' || n <= suffix ||
        strcmp(manifest + n - suffix, SUFFIX) != 0)
        return repx_fail(err, REPX_E_USAGE, "'%s': is no name of a manifest", manifest);
    if (lab_manifest_keep(site, manifest, told, err) < 0)
        return repx_wrap(err, "%s", manifest);
    REPX_AUTO_FREE char *parent =
        repx_format("gcroots/%.*s", (int)(strrchr(path, '/') - path), path);
    REPX_AUTO_FREE char *target =
        repx_format("%s/artifacts/lab/%s", site->base, manifest);
    REPX_AUTO_CLOSE int dir = store_walk(site->base_fd, parent, 1);
    if (dir < 0)
        return store_fail(err, site->base, parent);
    return add_root(dir, path, target, err);
}
