/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* realpath */
/* gc_roots.c: links in B/gcroots. Both ends are compared as they really are, since a base
 * path often leads through links. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/file_verbs.h"
#include "core/agent/gc.h"
#include "core/agent/state_check.h"
#include "core/agent/store_fs.h"
#include "core/wire/verbs.h"

#define SUFFIX "-lab-metadata.json"

void gc_roots_free(struct gc_roots *roots)
{
    for (size_t i = 0; i < roots->count; i++) {
        free(roots->items[i].project);
        free(roots->items[i].name);
        free(roots->items[i].manifest);
        free(roots->items[i].lab);
        free(roots->items[i].problem);
    }
    free(roots->items);
    *roots = (struct gc_roots){0};
}

/* Does B/artifacts/lab/<leaf> exist? 1, 0, -1 cannot be told. */
static int has_manifest(const struct site *site, const char *leaf)
{
    REPX_AUTO_FREE char *path = repx_format("artifacts/lab/%s", leaf);
    struct stat st;

    if (fstatat(site->base_fd, path, &st, 0) == 0)
        return S_ISREG(st.st_mode);
    return errno == ENOENT ? 0 : -1;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Where does "<above>/artifacts/lab/x" or "<above>/artifacts/x" begin to be ours? */
static int is_below_artifacts(const struct site *site, const char *target)
{
    REPX_AUTO_FREE char *real = realpath(site->base, NULL);
    const char *const bases[] = {site->base, real};

    for (size_t i = 0; i < 2; i++) {
        size_t n = bases[i] ? strlen(bases[i]) : 0;
        if (n && strncmp(target, bases[i], n) == 0 &&
            strncmp(target + n, "/artifacts/", 11) == 0)
            return 1;
    }
    return 0;
}

/* RepX's links to Labs whose manifest it did not find are "B/artifacts/<lab id>". */
static void resolve_gone(const struct site *site, struct gc_root *r, const char *target)
{
    const char *leaf = last_part(target);
    REPX_AUTO_FREE char *own = repx_format("%s%s", leaf, SUFFIX);

    if (state_name_ok(own) && has_manifest(site, own) == 1) {
        r->manifest = repx_strdup(own);
    } else if (is_below_artifacts(site, target)) {
        r->is_gone = 1;
        r->problem = repx_strdup("its manifest is gone");
    } else {
        r->problem = repx_format("leads to %s, which is not there", target);
    }
}

/* Is it B/artifacts/lab/<leaf>? Also by a name that the base path once had. */
static int is_here(const struct site *site, const char *target, const char *real)
{
    const char *leaf = last_part(target);

    if (!state_name_ok(leaf) || has_manifest(site, leaf) != 1)
        return 0;
    return (real && is_below_artifacts(site, real) &&
            strcmp(last_part(real), leaf) == 0) ||
           strstr(target, "/artifacts/lab/") != NULL;
}

static void resolve(const struct site *site, struct gc_root *r, const char *target)
{
    const char *leaf = last_part(target);
    REPX_AUTO_FREE char *real = realpath(target, NULL);

    if (!real && errno != ENOENT && errno != ENOTDIR) {
        r->problem = repx_format("%s: %s", target, strerror(errno));
    } else if (is_here(site, target, real)) {
        r->manifest = repx_strdup(leaf);
    } else if (!real) {
        resolve_gone(site, r, target);
    } else if (is_below_artifacts(site, real)) {
        r->problem = repx_strdup("leads to something that is no manifest");
    } else {
        r->problem = repx_format("leads out of the base path, to %s", target);
    }
}

static void add_root(const struct site *site, struct gc_roots *roots, int dir,
                     const char *project, const char *name)
{
    REPX_AUTO_FREE char *target = store_readlink(dir, name);

    if (!target)
        return; /* only links are roots */
    roots->items = repx_grow(roots->items, roots->count + 1, sizeof(*roots->items));
    struct gc_root *r = &roots->items[roots->count++];
    *r = (struct gc_root){
        .pinned = !project, .project = repx_strdup(project), .name = repx_strdup(name)};
    resolve(site, r, target);
    const char *mark = project ? strrchr(name, '_') : NULL;
    REPX_AUTO_CLOSE int artifacts = store_walk(site->base_fd, "artifacts", 0);
    if (mark && mark[1]) {
        r->lab = repx_strdup(mark + 1);
    } else if (r->manifest && artifacts >= 0) {
        r->lab = gc_lab_id(artifacts, r->manifest);
    }
}

static int read_dir(const struct site *site, struct gc_roots *roots, const char *path,
                    const char *project, struct repx_err *err)
{
    int fd = store_walk(site->base_fd, path, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) {
        int gone = errno == ENOENT;
        (void)repx_fail_errno(err, "%s/%s", site->base, path);
        repx_close_fd(&fd);
        return gone ? 0 : -1;
    }
    for (struct dirent *e = repx_readdir(d); e; e = repx_readdir(d)) {
        if (e->d_name[0] != '.')
            add_root(site, roots, dirfd(d), project, e->d_name);
    }
    int rc = errno ? repx_fail_errno(err, "%s/%s", site->base, path) : 0;
    (void)closedir(d);
    return rc;
}

static int read_auto(const struct site *site, struct gc_roots *roots,
                     struct repx_err *err)
{
    int fd = store_walk(site->base_fd, "gcroots/auto", 0), rc = 0;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) {
        int gone = errno == ENOENT;
        (void)repx_fail_errno(err, "%s/gcroots/auto", site->base);
        repx_close_fd(&fd);
        return gone ? 0 : -1;
    }
    struct dirent *e;
    while (rc == 0 && (e = repx_readdir(d))) {
        REPX_AUTO_FREE char *path = repx_format("gcroots/auto/%s", e->d_name);
        struct stat st;
        if (e->d_name[0] != '.' && store_lstat(dirfd(d), e->d_name, &st) == 0 &&
            S_ISDIR(st.st_mode))
            rc = read_dir(site, roots, path, e->d_name, err);
    }
    if (rc == 0 && errno)
        rc = repx_fail_errno(err, "%s/gcroots/auto", site->base);
    (void)closedir(d);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    const struct gc_root *x = a, *y = b;
    int order = x->pinned - y->pinned;

    if (order == 0 && x->project && y->project)
        order = strcmp(x->project, y->project);
    return order ? order : strcmp(x->name, y->name);
}

int gc_roots_read(const struct site *site, struct gc_roots *roots, struct repx_err *err)
{
    struct repx_err ignored = {0};

    *roots = (struct gc_roots){0};
    if (read_auto(site, roots, &ignored) < 0 ||
        read_dir(site, roots, "gcroots/pinned", NULL, &ignored) < 0) {
        gc_roots_free(roots);
        return repx_fail(err, ignored.code, "%s", ignored.text);
    }
    if (roots->count)
        qsort(roots->items, roots->count, sizeof(*roots->items), by_name);
    return 0;
}

/* ---- what they keep ---- */

static void live_root(struct gc *gc, const struct gc_root *r)
{
    const char *kind = r->pinned ? "pinned" : "automatic";
    struct repx_err why = {0};

    if (r->is_gone) {
        gc_say(gc, "warning: %s root %s: %s; it keeps nothing", kind, r->name,
               r->problem);
        return;
    }
    if (r->problem) {
        gc_close(gc, "%s root %s %s; remove that link, or mend it", kind, r->name,
                 r->problem);
        return;
    }
    if (gc_live_lab(gc, r->manifest, &why) < 0) {
        gc_close(gc, "%s root %s: %s; send that Lab again, or remove the root", kind,
                 r->name, why.text);
        return;
    }
    if (r->pinned || !r->lab || gc_is_live(gc->labs, r->lab))
        return;
    /* RepX gives all manifests one name: another Lab's lies there now */
    REPX_AUTO_FREE char *own = repx_format("%s%s", r->lab, SUFFIX);
    if (state_name_ok(own) && has_manifest(gc->site, own) == 1) {
        if (gc_live_lab(gc, own, &why) < 0)
            gc_close(gc, "%s root %s: %s", kind, r->name, why.text);
    } else if (gc->options & GC_FOREIGN) {
        gc_say(gc, "warning: root %s: the manifest there is another Lab's", r->name);
    } else {
        gc_close(gc,
                 "%s root %s: the manifest there is another Lab's; send Lab %s again, "
                 "or remove the root",
                 kind, r->name, r->lab);
    }
}

void gc_live_roots(struct gc *gc, const struct gc_roots *roots)
{
    for (size_t i = 0; i < roots->count; i++) {
        if (roots->items[i].pinned || !(gc->options & GC_PINNED_ONLY))
            live_root(gc, &roots->items[i]);
    }
}

/* ---- pins ---- */

/* The manifest that carries the id, as a leaf below lab/; NULL. */
static char *manifest_of(int artifacts, const char *lab)
{
    int fd = store_walk(artifacts, "lab", 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    char *found = NULL;

    if (!d)
        repx_close_fd(&fd);
    for (struct dirent *e = d ? readdir(d) : NULL; e && !found; e = readdir(d)) {
        REPX_AUTO_FREE char *id =
            e->d_name[0] == '.' ? NULL : gc_lab_id(artifacts, e->d_name);
        if (id && strcmp(id, lab) == 0)
            found = repx_strdup(e->d_name);
    }
    if (d)
        (void)closedir(d);
    return found;
}

static int put_link(int dir, const char *name, const char *target)
{
    REPX_AUTO_FREE char *tmp = repx_format(".%s.%ld", name, (long)getpid());

    (void)store_unlinkat(dir, tmp);
    if (store_symlinkat(target, dir, tmp) < 0)
        return -1;
    return store_rename(dir, tmp, dir, name);
}

int gc_pin(const struct site *site, const char *name, const char *lab,
           struct repx_err *err)
{
    REPX_AUTO_FREE char *own = repx_format("%s%s", lab, SUFFIX);
    REPX_AUTO_CLOSE int artifacts = store_walk(site->base_fd, "artifacts", 0);

    if (!state_name_ok(name) || *name == '.')
        return repx_fail(err, REPX_E_USAGE, "'%s' cannot be the name of a pin", name);
    REPX_AUTO_FREE char *there =
        state_name_ok(own) && artifacts >= 0 ? manifest_of(artifacts, lab) : NULL;
    if (!there) {
        return repx_fail(err, REPX_E_NOENT,
                         "no Lab %s lies in %s/artifacts; `repx gc list` shows those "
                         "that do",
                         lab, site->base);
    }
    if (lab_manifest_keep(site, own, NULL, err) < 0)
        return -1;
    REPX_AUTO_FREE char *manifest =
        has_manifest(site, own) == 1 ? repx_strdup(own) : repx_strdup(there);
    REPX_AUTO_FREE char *target =
        repx_format("%s/artifacts/lab/%s", site->base, manifest);
    REPX_AUTO_CLOSE int dir = store_walk(site->base_fd, "gcroots/pinned", 1);
    if (dir < 0 || put_link(dir, name, target) < 0)
        return store_fail(err, site->base, "gcroots/pinned");
    return 0;
}

int gc_unpin(const struct site *site, const char *prefix, char **full,
             struct repx_err *err)
{
    struct gc_roots roots;
    size_t hits = 0;

    *full = NULL;
    if (gc_roots_read(site, &roots, err) < 0)
        return -1;
    for (size_t i = 0; i < roots.count; i++) {
        const struct gc_root *r = &roots.items[i];
        if (!r->pinned || strncmp(r->name, prefix, strlen(prefix)) != 0)
            continue;
        int exact = strcmp(r->name, prefix) == 0;
        if (!hits++ || exact) {
            free(*full);
            *full = repx_strdup(r->name);
        }
        if (exact) {
            hits = 1;
            break;
        }
    }
    gc_roots_free(&roots);
    if (hits != 1) {
        free(*full);
        *full = NULL;
        return repx_fail(
            err, REPX_E_NOENT,
            hits
                ? "Ambiguous: several pins begin with '%s'; give more of the name"
                : "No GC root found: no pin begins with '%s'; `repx gc list` shows them",
            prefix);
    }
    REPX_AUTO_FREE char *path = repx_format("gcroots/pinned/%s", *full);
    if (unlinkat(site->base_fd, path, 0) < 0)
        return repx_fail_errno(err, "%s/%s", site->base, path);
    return 0;
}
