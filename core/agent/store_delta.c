/* SPDX-License-Identifier: MIT */
#include "store_delta.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/delta/delta.h"
#include "store_own.h"

#define LOOK_AT_MOST 256 /* files of one role */
#define PLACES_AT_MOST 4 /* of those where an object is wanted */

/* ---- what is near ---- */

/* The best file so far. */
struct near {
    uint64_t length; /* of the object */
    char *path;      /* below B; NULL: none yet */
    uint64_t away;
    time_t mtime;
};

static void consider(struct store *s, struct near *best, char *path)
{
    struct stat st;

    if (store_lstat(s->site->base_fd, path, &st) < 0 || !S_ISREG(st.st_mode) ||
        !delta_suits(best->length, (uint64_t)st.st_size)) {
        free(path);
        return;
    }
    uint64_t size = (uint64_t)st.st_size;
    uint64_t away = size > best->length ? size - best->length : best->length - size;
    if (best->path &&
        (away > best->away || (away == best->away && st.st_mtime <= best->mtime))) {
        free(path);
        return;
    }
    free(best->path);
    best->path = path;
    best->away = away;
    best->mtime = st.st_mtime;
}

/* Does something of this session stand there, or will? Then it is needed as it is. */
static int is_named(const struct store *s, const char *name)
{
    uint32_t hash = store_name_hash(name);

    for (size_t i = 0; i < s->build_count; i++) {
        if (s->builds[i].name_hash == hash && strcmp(s->builds[i].tree.name, name) == 0)
            return 1;
    }
    for (size_t i = 0; i < s->line_count; i++) {
        if (strcmp(s->lines[i].text, name) == 0)
            return 1;
    }
    return 0;
}

static char *below(const char *name, const char *path)
{
    return *path ? repx_format("%s/%s", name, path) : repx_strdup(name);
}

static void consider_role(struct store *s, struct near *best, const char *name,
                          const char *path)
{
    const char *leaf = strrchr(name, '/') + 1;
    const char *role = strchr(leaf, '-');
    REPX_AUTO_FREE char *collection = repx_strndup(name, (size_t)(leaf - name));
    int fd = role ? store_walk(s->site->base_fd, collection, 0) : -1;
    int list = fd < 0 ? -1 : store_openat(fd, ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *d = list < 0 ? NULL : fdopendir(list);
    int looked = 0;

    repx_close_fd(&fd);
    if (!d) {
        repx_close_fd(&list);
        return;
    }
    for (struct dirent *e = readdir(d); e && looked < LOOK_AT_MOST; e = readdir(d)) {
        const char *other = strchr(e->d_name, '-');
        if (!other || strcmp(other, role) != 0)
            continue;
        REPX_AUTO_FREE char *there = repx_format("%s%s", collection, e->d_name);
        if (is_named(s, there))
            continue;
        consider(s, best, below(there, path));
        looked++;
    }
    (void)closedir(d);
}

static char *find_near(struct store *s, const struct object *o)
{
    struct near best = {.length = o->length};

    if (!delta_suits(o->length, o->length))
        return NULL;
    for (size_t i = 0; i < o->wanted_count && i < PLACES_AT_MOST && !best.path; i++) {
        const struct store_tree *tree = &s->builds[store_object_at(o, i)->build].tree;
        consider(s, &best,
                 below(tree->name, tree->items[store_object_at(o, i)->item].path));
    }
    for (size_t i = 0; i < o->wanted_count && i < PLACES_AT_MOST && !best.path; i++) {
        const struct store_tree *tree = &s->builds[store_object_at(o, i)->build].tree;
        consider_role(s, &best, tree->name,
                      tree->items[store_object_at(o, i)->item].path);
    }
    return best.path;
}

int store_near(struct store *s, const struct digest *d, uint8_t executable)
{
    const struct object *o = store_object_find(s, d, executable);
    REPX_AUTO_FREE char *path =
        o && o->state == OBJECT_MISSING ? find_near(s, o) : NULL;

    return path != NULL;
}

static int open_basis(struct store *s, const struct object *o, uint64_t *length)
{
    REPX_AUTO_FREE char *path = find_near(s, o);
    struct stat st;

    if (!path)
        return -1;
    char *slash = strrchr(path, '/');
    *slash = 0;
    REPX_AUTO_CLOSE int dir = store_walk(s->site->base_fd, path, 0);
    int fd = dir < 0 ? -1 : store_openat(dir, slash + 1, O_RDONLY | O_NONBLOCK, 0);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        delta_suits(o->length, (uint64_t)st.st_size)) {
        if (length)
            *length = (uint64_t)st.st_size;
        return fd;
    }
    repx_close_fd(&fd);
    return -1;
}

int store_basis(struct store *s, const struct digest *d, uint8_t executable,
                uint64_t *length)
{
    const struct object *o = store_object_find(s, d, executable);

    return o ? open_basis(s, o, length) : -1;
}

/* ---- patching ---- */

struct store_patch {
    struct store *s;
    size_t object;
    int basis, delta;
    uint64_t left;             /* of what the delta may have */
    char *spool, *part, *made; /* names in the staging directory */
};

static struct object *object_of(const struct store_patch *p)
{
    return &p->s->objects[p->object];
}

static const char *name_of(const struct store_patch *p)
{
    return p->s->builds[object_of(p)->first.build].tree.name;
}

struct store_patch *store_patch_begin(struct store *s, const struct digest *d,
                                      uint8_t executable, struct repx_err *err)
{
    struct object *o = store_object_find(s, d, executable);
    int basis = o && o->state == OBJECT_MISSING ? open_basis(s, o, NULL) : -1;

    if (basis < 0) {
        (void)repx_fail(err, REPX_E_NOENT, "there is nothing to patch any more");
        return NULL;
    }
    struct store_patch *p = REPX_NEW(struct store_patch);
    unsigned long long n = (unsigned long long)s->staged_count++;
    *p = (struct store_patch){.s = s,
                              .object = (size_t)(o - s->objects),
                              .basis = basis,
                              .left = o->length,
                              .spool = repx_format("d%llu.delta", n),
                              .part = repx_format("d%llu.part", n),
                              .made = repx_format("d%llu.made", n)};
    o->state = OBJECT_COMING;
    p->delta = store_openat(s->stage_fd, p->spool, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (p->delta >= 0)
        return p;
    (void)store_fail(err, "the staging directory", p->spool);
    store_patch_free(p);
    return NULL;
}

int store_patch_bytes(struct store_patch *p, const void *bytes, size_t n,
                      struct repx_err *err)
{
    if (n > p->left) {
        return repx_fail(err, REPX_E_CORRUPT, "%s: a delta is longer than its file",
                         name_of(p));
    }
    p->left -= n;
    return repx_write_all(p->delta, bytes, n) < 0
               ? store_fail(err, "the staging directory", p->spool)
               : 0;
}

struct making {
    int fd;
    struct digest_ctx hash;
};

static int take(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    struct making *m = ctx;

    digest_add(&m->hash, bytes, n);
    return repx_write_all(m->fd, bytes, n) < 0
               ? store_fail(err, "the staging directory", "a file made by a delta")
               : 0;
}

int store_patch_make(struct store_patch *p, struct repx_err *err)
{
    const struct object *o = object_of(p);
    REPX_AUTO_CLOSE int fd =
        store_openat(p->s->stage_fd, p->part, O_WRONLY | O_CREAT | O_EXCL,
                     store_mode(o->executable));
    struct making m = {.fd = fd};
    struct digest got;

    if (fd < 0)
        return store_fail(err, "the staging directory", p->part);
    digest_begin(&m.hash);
    if (lseek(p->delta, 0, SEEK_SET) < 0)
        return repx_fail_errno(err, "%s", p->spool);
    if (delta_apply(p->delta, p->basis, o->length, take, &m, err) < 0)
        return repx_wrap(err, "%s", name_of(p));
    digest_end(&m.hash, &got);
    if (memcmp(&got, &o->digest, sizeof(got)) != 0) {
        return repx_fail(err, REPX_E_CORRUPT, "%s: a delta made another file",
                         name_of(p));
    }
    if (store_rename(p->s->stage_fd, p->part, p->s->stage_fd, p->made) < 0)
        return store_fail(err, "the staging directory", p->made);
    return 0;
}

/* Where the object is wanted, by a rename. What goes wrong from there on, verify tells. */
static void bring(struct store_patch *p)
{
    struct object *o = object_of(p);
    struct repx_err ignored = {0};
    const char *leaf;
    int dir = store_item_dir(p->s, &o->first, &leaf, &ignored);

    o->state = OBJECT_MISSING;
    if (dir < 0 || store_rename(p->s->stage_fd, p->made, dir, leaf) < 0)
        return;
    p->s->arrived = 1;
    (void)store_spread(p->s, o, &ignored);
}

void store_patch_free(struct store_patch *p)
{
    struct stat st;

    if (!p)
        return;
    if (store_lstat(p->s->stage_fd, p->made, &st) == 0) {
        bring(p);
    } else {
        object_of(p)->state = OBJECT_MISSING;
        (void)store_unlinkat(p->s->stage_fd, p->part);
    }
    (void)store_unlinkat(p->s->stage_fd, p->spool);
    repx_close_fd(&p->basis);
    repx_close_fd(&p->delta);
    free(p->spool);
    free(p->part);
    free(p->made);
    free(p);
}
