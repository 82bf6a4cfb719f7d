/* SPDX-License-Identifier: MIT */
/* runtime_rootfs.c: <cache>/<tag>/rootfs, made once, by whoever needs it first.
 *
 *     SUCCESS and rootfs there, and nothing was taken from it (runtime_whole.h)
 *                                   -> use it, without any lock
 *     else, under the lease         -> unpack into a directory of one's own, rename,
 *                                      SUCCESS */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/runtime_bwrap.h"
#include "core/agent/runtime_image.h"
#include "core/agent/runtime_node.h"
#include "core/agent/runtime_tar.h"
#include "core/agent/runtime_whole.h"
#include "core/agent/state.h"
#include "core/wire/digest.h"

#define WAIT_S 300
#define TOUCH_MS 15000

/* The part of a tag after its last colon names files. */
static const char *short_tag(const char *tag)
{
    const char *colon = strrchr(tag, ':');

    return colon && colon[1] ? colon + 1 : tag;
}

char *cache_dir(const struct runtime_request *q)
{
    if (q->node_local)
        return repx_format("%s/repx/cache", q->node_local);
    return repx_format("%s/cache", q->site->base);
}

static int rootfs_there(const char *dir)
{
    REPX_AUTO_FREE char *done = repx_format("%s/SUCCESS", dir);
    REPX_AUTO_FREE char *root = repx_format("%s/rootfs", dir);
    struct stat st;

    return access(done, F_OK) == 0 && stat(root, &st) == 0 && S_ISDIR(st.st_mode);
}

struct holding {
    struct site *site;
    const char *name;
    int64_t touched;
};

static void hold(void *ctx)
{
    struct holding *h = ctx;
    int64_t now = state_now_ms();

    if (now - h->touched < TOUCH_MS)
        return;
    h->touched = now;
    (void)lease_touch(h->site, h->name, NULL);
}

/* What every root needs; a link or file of that name in the image gives way. */
static int mount_points_make(int root, struct repx_err *err)
{
    static const char *const names[] = {"dev", "proc", "tmp"};
    struct stat st;

    for (size_t i = 0; i < 3; i++) {
        if (fstatat(root, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(st.st_mode))
            continue;
        if (repx_remove_tree(root, names[i], err) < 0)
            return -1;
        if (mkdirat(root, names[i], 0755) < 0)
            return repx_fail_errno(err, "%s", names[i]);
    }
    return 0;
}

/* An image that is to be unpacked. */
struct wanted {
    const struct runtime_request *q;
    char *image;    /* directory; NULL: it is not below B any more */
    json_t *layers; /* of its manifest */
    char *text;     /* the same, a line each */
    char *dir;      /* <cache>/images/<tag> */
};

/* Without the image there is nothing to make another one from. */
static int rootfs_good(const struct wanted *w)
{
    REPX_AUTO_FREE char *root = repx_format("%s/rootfs", w->dir);
    REPX_AUTO_FREE char *record = repx_format("%s/dirs", w->dir);

    return rootfs_there(w->dir) && (!w->text || tree_whole(root, record));
}

static void wanted_finish(struct wanted *w)
{
    free(w->image);
    free(w->text);
    free(w->dir);
    json_decref(w->layers);
}

static int staging_fill(const struct wanted *w, const char *staging, struct holding *h,
                        struct repx_err *err)
{
    REPX_AUTO_FREE char *list = repx_format("%s/layers", w->dir);
    REPX_AUTO_FREE char *record = repx_format("%s/dirs", w->dir);
    const struct layer_options o = {LAYER_ENTRIES_MAX, NULL, hold, h};
    const char *text = w->text ? w->text : "";
    int rc = repx_make_dirs(staging, 0755, err);
    REPX_AUTO_CLOSE int root =
        rc < 0 ? -1 : open(staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (rc == 0 && root < 0)
        rc = repx_fail_errno(err, "%s", staging);
    if (rc == 0)
        rc = image_unpack(w->q, w->image, w->layers, root, &o, err);
    if (rc == 0)
        rc = mount_points_make(root, err);
    if (rc == 0)
        rc = repx_write_file(AT_FDCWD, list, text, strlen(text), 0644, err);
    if (rc == 0)
        rc = tree_note(staging, record, err);
    return rc;
}

static int rootfs_make(const struct wanted *w, struct holding *h, struct repx_err *err)
{
    REPX_AUTO_FREE char *root = repx_format("%s/rootfs", w->dir);
    REPX_AUTO_FREE char *done = repx_format("%s/SUCCESS", w->dir);
    REPX_AUTO_FREE char *staging = repx_format("%s/.rootfs_staging.%s.%ld", w->dir,
                                               w->q->site->host, (long)getpid());

    if (rootfs_good(w))
        return 0;
    int rc = repx_remove_tree(AT_FDCWD, staging, err);
    if (rc == 0)
        rc = staging_fill(w, staging, h, err);
    if (rc == 0 && !rootfs_good(w)) {
        /* one without SUCCESS is what somebody left half done; in another jobs may run */
        rc = unlink(done) == 0 ? tree_retire(root, w->dir, err)
                               : repx_remove_tree(AT_FDCWD, root, err);
    }
    if (rc == 0 && rename(staging, root) < 0 && !rootfs_there(w->dir))
        rc = repx_fail_errno(err, "%s", root);
    if (rc == 0)
        rc = repx_write_file(AT_FDCWD, done, "", 0, 0644, err);
    (void)repx_remove_tree(AT_FDCWD, staging, NULL);
    return rc;
}

static char *layers_text(const char *image, const json_t *layers)
{
    struct repx_buf text = {0};
    size_t i;
    json_t *layer;

    json_array_foreach(layers, i, layer)
    {
        REPX_AUTO_FREE char *line = image_layer_line(image, json_string_value(layer));
        repx_buf_fmt(&text, "%s\n", line);
    }
    repx_buf_str(&text, "");
    return repx_buf_detach(&text);
}

/* A tag does not say which image it is: what lies there may be another of the same tag, or
 * RepX's, which knows no whiteouts. Then this one gets a directory of its own. */
static void choose_dir(struct wanted *w, const char *tag)
{
    REPX_AUTO_FREE char *cache = cache_dir(w->q);
    REPX_AUTO_BUF struct repx_buf there = {0};
    struct digest digest;
    char hex[DIGEST_HEX];

    free(w->dir);
    w->dir = repx_format("%s/images/%s", cache, tag);
    REPX_AUTO_FREE char *list = repx_format("%s/layers", w->dir);
    if (!w->text || !rootfs_there(w->dir))
        return;
    if (repx_read_file(AT_FDCWD, list, (size_t)1 << 22, &there, NULL) == 0 &&
        strcmp(repx_buf_text(&there), w->text) == 0)
        return;
    digest_of(w->text, strlen(w->text), &digest);
    digest_hex(&digest, hex);
    free(w->dir);
    w->dir = repx_format("%s/images/%s.%.16s", cache, tag, hex);
}

static int wanted_find(struct wanted *w, const struct runtime_request *q,
                       struct repx_err *err)
{
    *w = (struct wanted){.q = q};
    w->image = image_find(q, err);
    w->layers = w->image ? image_layers(w->image, err) : NULL;
    w->text = w->layers ? layers_text(w->image, w->layers) : NULL;
    choose_dir(w, short_tag(q->image));
    if (w->text || rootfs_there(w->dir))
        return 0;
    return -1;
}

static int64_t wait_ms(void)
{
    const char *text = getenv("REPX_LOCK_TIMEOUT_SECS");
    long s = text ? strtol(text, NULL, 10) : WAIT_S;

    return (s > 0 && s < 86400 ? s : WAIT_S) * 1000;
}

/* 1 made or found, 0 another image took that directory meanwhile, -1. */
static int rootfs_get(struct wanted *w, struct repx_err *err)
{
    const struct runtime_request *q = w->q;

    choose_dir(w, short_tag(q->image));
    const char *leaf = strrchr(w->dir, '/') + 1;
    /* copies of a node are made once per node */
    REPX_AUTO_FREE char *name = q->node_local
                                    ? repx_format("image-%s-%s", q->site->host, leaf)
                                    : repx_format("image-%s", leaf);
    struct holding h = {q->site, name, state_now_ms()};
    uint64_t epoch;

    if (repx_make_dirs(w->dir, 0755, err) < 0 ||
        (q->node_local && node_dir_ours(w->dir, err) < 0))
        return -1;
    if (q->node_local)
        node_use(w->dir);
    if (rootfs_good(w))
        return 1;
    if (lease_take(q->site, name, wait_ms(), &epoch, err) < 0)
        return -1;
    int made = rootfs_good(w) ? 0 : rootfs_make(w, &h, err) < 0 ? -1 : 1;
    lease_drop(q->site, name);
    return made; /* 0: somebody made one: is it this image's? */
}

char *runtime_rootfs(const struct runtime_request *q, struct repx_err *err)
{
    struct repx_err why = {0};
    struct wanted w;
    char *root = NULL;
    int rc = wanted_find(&w, q, &why);

    if (rc < 0)
        (void)repx_fail(err, why.code, "%s", why.text);
    for (int again = 0; rc == 0 && again < 10; again++)
        rc = rootfs_get(&w, err);
    if (rc == 1)
        root = repx_format("%s/rootfs", w.dir);
    wanted_finish(&w);
    return root;
}
