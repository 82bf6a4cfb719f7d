/* SPDX-License-Identifier: MIT */
/* Job packages. Work is promised the package that it was submitted with, by its digest: from
 * its arrival on, S/pkg/<digest> leads to exactly that tree, whatever takes the job's name
 * meanwhile, until no run needs it and it is collected. It is a link to artifacts/jobs/<id>
 * while the tree stands there, and the directory itself when another has that name.
 *
 * Whoever comes to a name that is free takes it by one rename. Whoever finds another package
 * there replaces it under the lease `packages`, and puts the old one under its digest in
 * the same moment. Who cannot have the lease, or finds work in progress, leaves the name
 * alone: the new package waits under its digest, which serves as well. */
#include "store_own.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "job_package.h"
#include "state.h"
#include "store_digest.h"

#define LEASE_WAIT_MS 2000
#define TRIES 3

/* On another file system than B links alone lie in S/pkg, and what they lead to here. */
#define ELSEWHERE ".repx/pkg"

/* Where packages lie that have no name: on the file system of B, see store_stage.c.
 * Borrowed. */
static int digests_dir(struct store *s, struct repx_err *err)
{
    if (s->waiting_fd < 0) {
        s->waiting_fd = store_state_elsewhere(s)
                            ? store_walk(s->site->base_fd, ELSEWHERE, 1)
                            : store_walk(s->site->state_fd, "pkg", 1);
    }
    return s->waiting_fd < 0 ? store_fail(err, s->site->state, "pkg") : s->waiting_fd;
}

static int state_is_private(const struct store *s)
{
    size_t n = strlen(s->site->base);

    return strncmp(s->site->state, s->site->base, n) == 0 &&
           strcmp(s->site->state + n, "/.repx") == 0;
}

static char *package_target(const struct store *s, const char *job)
{
    if (state_is_private(s))
        return repx_format("../../artifacts/jobs/%s", job);
    return repx_format("%s/artifacts/jobs/%s", s->site->base, job);
}

/* ---- the link S/pkg/HEX ---- */

static int is_directory(int dir, const char *name)
{
    struct stat st;

    return store_lstat(dir, name, &st) == 0 && S_ISDIR(st.st_mode);
}

static char *elsewhere_target(const struct store *s, const char *hex)
{
    return repx_format("%s/" ELSEWHERE "/%s", s->site->base, hex);
}

/* The link leads to where the directory itself lies, on the file system of B. */
static int leads_elsewhere(struct store *s, const char *target, const char *hex)
{
    REPX_AUTO_FREE char *text = elsewhere_target(s, hex);
    struct repx_err ignored = {0};

    if (strcmp(target, text) != 0)
        return 0;
    int dir = digests_dir(s, &ignored);
    return dir >= 0 && is_directory(dir, hex);
}

/* Put a link with that text in the place of another link. */
static int replace_link(struct store *s, const char *path, const char *hex,
                        const char *text)
{
    REPX_AUTO_FREE char *tmp = repx_format("pkg/.%s.%s", hex, s->session);

    (void)store_unlinkat(s->site->state_fd, tmp);
    if (store_symlinkat(text, s->site->state_fd, tmp) < 0)
        return -1;
    if (store_rename(s->site->state_fd, tmp, s->site->state_fd, path) == 0)
        return 0;
    int saved = errno;
    (void)store_unlinkat(s->site->state_fd, tmp);
    errno = saved;
    return -1;
}

/* Make it a link with that text, whatever link is there. 0, 1 the directory itself is there
 * and stays, -1. */
static int point(struct store *s, const char *hex, const char *text,
                 struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("pkg/%s", hex);

    if (store_symlinkat(text, s->site->state_fd, path) == 0)
        return 0;
    if (errno == ENOENT) {
        (void)store_mkdirat(s->site->state_fd, "pkg");
        if (store_symlinkat(text, s->site->state_fd, path) == 0)
            return 0;
    }
    if (errno != EEXIST)
        return store_fail(err, s->site->state, path);
    REPX_AUTO_FREE char *now = store_readlink(s->site->state_fd, path);
    if (!now)
        return 1;
    if (strcmp(now, text) == 0)
        return 0;
    if (leads_elsewhere(s, now, hex))
        return 1;
    if (replace_link(s, path, hex, text) == 0)
        return 0;
    return store_in_the_way(errno) ? 1 : store_fail(err, s->site->state, path);
}

struct named {
    const struct store *s;
    const char *job;
};

/* A digest that was noted for the name earlier leads there still, and to nothing. */
static void forget_gone(void *ctx, const struct digest *digest)
{
    const struct named *n = ctx;
    char hex[DIGEST_HEX];
    struct stat st;

    digest_hex(digest, hex);
    REPX_AUTO_FREE char *path = repx_format("pkg/%s", hex);
    REPX_AUTO_FREE char *text = package_target(n->s, n->job);
    REPX_AUTO_FREE char *now = store_readlink(n->s->site->state_fd, path);
    if (now && strcmp(now, text) == 0 &&
        fstatat(n->s->site->state_fd, path, &st, 0) < 0 && errno == ENOENT)
        (void)store_unlinkat(n->s->site->state_fd, path);
}

void package_forget_gone(struct store *s, const char *name)
{
    struct named n = {s, store_name_job(name)};

    if (n.job)
        index_tree_each(store_index(s), name, forget_gone, &n);
}

int package_link(struct store *s, const struct store_tree *tree, struct repx_err *err)
{
    const char *job = store_name_job(tree->name);
    char hex[DIGEST_HEX];

    if (!job)
        return 0;
    REPX_AUTO_FREE char *text = package_target(s, job);
    digest_hex(&tree->digest, hex);
    return point(s, hex, text, err);
}

/* ---- the directory S/pkg/HEX ---- */

static int holds(int dir, const char *name, const struct digest *digest)
{
    struct digest is;

    return store_digest(dir, name, &is) && memcmp(&is, digest, sizeof(is)) == 0;
}

/* A directory gets its digest's name. A link there is exchanged for it, so that who reads by
 * digest never finds nothing; on a file system that cannot, it is taken away first.
 * 0, 1 such a directory is there already and this one stays where it is, -1. */
static int to_digest(struct store *s, int from_dir, const char *from,
                     const struct digest *digest, struct repx_err *err)
{
    int dir = digests_dir(s, err), elsewhere = store_state_elsewhere(s);
    char hex[DIGEST_HEX];

    digest_hex(digest, hex);
    REPX_AUTO_FREE char *path = repx_format("pkg/%s", hex);
    REPX_AUTO_FREE char *text = elsewhere_target(s, hex);
    if (dir < 0)
        return -1;
    if (is_directory(dir, hex)) {
        if (holds(dir, hex, digest))
            return 1;
        REPX_AUTO_FREE char *aside = store_aside(s, dir, hex, err);
        if (!aside)
            return -1;
    }
    if (elsewhere) /* it must not lead to what takes the name next */
        (void)store_unlinkat(s->site->state_fd, path);
    int rc = store_move(from_dir, from, dir, hex);
    if (rc < 0 && errno == ENOTDIR) {
        if (store_exchange(from_dir, from, dir, hex) == 0) {
            (void)store_unlinkat(from_dir, from);
            rc = 0;
        } else {
            (void)store_unlinkat(dir, hex);
            rc = store_move(from_dir, from, dir, hex);
        }
    }
    if (rc < 0)
        return store_in_the_way(errno) ? 1 : store_fail(err, s->site->state, path);
    return elsewhere && point(s, hex, text, err) < 0 ? -1 : 0;
}

int package_park(struct store *s, const struct build *b, struct repx_err *err)
{
    s->not_to_remember = 1;
    return to_digest(s, s->stage_fd, b->staged, &b->tree.digest, err) < 0 ? -1 : 0;
}

/* ---- the name ---- */

/* Or is about to: S/next becomes S/live when its turn has come, so it is looked at first. */
static int somebody_works(const struct store *s, const char *job)
{
    REPX_AUTO_FREE char *next = repx_format("next/%s", job);
    REPX_AUTO_FREE char *live = repx_format("live/%s", job);
    struct stat st;

    return store_lstat(s->site->state_fd, next, &st) == 0 ||
           store_lstat(s->site->state_fd, live, &st) == 0;
}

/* What has the name goes: to its digest, or, when it is there a second time or is no
 * package, aside. 0, 1 it is the very tree that comes, -1. */
static int make_way(struct store *s, int parent, const char *leaf,
                    const struct store_tree *tree, struct repx_err *err)
{
    struct digest old;
    struct stat st;
    int rc = 1;

    if (store_lstat(parent, leaf, &st) < 0 && errno == ENOENT)
        return 0;
    if (store_digest(parent, leaf, &old)) {
        if (memcmp(&old, &tree->digest, sizeof(old)) == 0)
            return 1;
        rc = to_digest(s, parent, leaf, &old, err);
    }
    if (rc != 1)
        return rc;
    REPX_AUTO_FREE char *aside = store_aside(s, parent, leaf, err);
    return aside ? 0 : -1;
}

/* The name is free. What lies under its digest changes places with a link to the name, so
 * that its digest never leads nowhere. */
static int take_name(struct store *s, int from_dir, const char *from, int parent,
                     const char *leaf)
{
    REPX_AUTO_FREE char *link = package_target(s, leaf);

    if (from_dir == s->waiting_fd && store_symlinkat(link, parent, leaf) == 0) {
        if (store_exchange(from_dir, from, parent, leaf) == 0)
            return 0;
        (void)store_unlinkat(parent, leaf);
    }
    return store_move(from_dir, from, parent, leaf);
}

/* Under the lease. Another may take the name between our two steps, since a free one needs
 * no lease. 0 it stands, 1 it has to wait, -1. */
static int replace(struct store *s, int from_dir, const char *from,
                   const struct store_tree *tree, struct repx_err *err)
{
    const char *leaf;
    int parent = store_parent(s, tree->name, &leaf, err);

    for (int i = 0; parent >= 0 && i < TRIES; i++) {
        if (somebody_works(s, store_name_job(tree->name)))
            return 1;
        int rc = make_way(s, parent, leaf, tree, err);
        if (rc != 0)
            return rc < 0 ? -1 : 0;
        package_forget_gone(s, tree->name);
        if (take_name(s, from_dir, from, parent, leaf) == 0)
            return 0;
        if (!store_in_the_way(errno))
            return store_fail(err, s->site->base, tree->name);
    }
    return parent < 0 ? -1 : 1;
}

int package_replace(struct store *s, int from_dir, const char *from,
                    const struct store_tree *tree, struct repx_err *err)
{
    struct repx_err busy = {0};

    if (somebody_works(s, store_name_job(tree->name)))
        return 1;
    if (lease_take(s->site, PACKAGES_LEASE, LEASE_WAIT_MS, NULL, &busy) < 0) {
        return busy.code == REPX_E_BUSY ? 1
                                        : repx_fail(err, busy.code, "%s", busy.text);
    }
    int rc = replace(s, from_dir, from, tree, err);
    lease_drop(s->site, PACKAGES_LEASE);
    return rc;
}

int package_waits(struct store *s, const struct store_tree *tree, int *parked,
                  struct repx_err *err)
{
    char hex[DIGEST_HEX];

    *parked = 0;
    if (!store_name_job(tree->name))
        return 0;
    int dir = digests_dir(s, err);
    if (dir < 0)
        return -1;
    digest_hex(&tree->digest, hex);
    if (!is_directory(dir, hex) || !store_same(s, tree, dir, hex, 0))
        return 0;
    int rc = package_replace(s, dir, hex, tree, err);
    if (rc < 0)
        return -1;
    *parked = rc;
    if (rc == 1)
        return 1;
    index_tree_add(store_index(s), tree->name, &tree->digest);
    return package_link(s, tree, err) < 0 ? -1 : 1;
}
