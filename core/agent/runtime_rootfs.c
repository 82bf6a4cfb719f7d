/* SPDX-License-Identifier: MIT */
/* runtime_rootfs.c: <cache>/<tag>/rootfs, made once, by whoever needs it first.
 *
 *     SUCCESS and rootfs there      -> use it, without any lock
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
#include "core/agent/state.h"

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

static int layers_unpack(const char *image, const json_t *layers, int root,
                         struct holding *h, struct repx_err *err)
{
    size_t i;
    json_t *layer;

    json_array_foreach(layers, i, layer)
    {
        REPX_AUTO_FREE char *path =
            repx_format("%s/%s", image, json_string_value(layer));
        REPX_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0)
            return repx_fail_errno(err, "%s", path);
        if (!S_ISREG(st.st_mode))
            return repx_fail(err, REPX_E_CORRUPT, "%s: not a file", path);
        if (layer_unpack(fd, root, LAYER_ENTRIES_MAX, hold, h, err) < 0)
            return repx_wrap(err, "%s", path);
    }
    return 0;
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

static int staging_fill(const struct runtime_request *q, const char *staging,
                        struct holding *h, struct repx_err *err)
{
    REPX_AUTO_FREE char *image = image_find(q, err);
    json_t *layers = image ? image_layers(image, err) : NULL;

    if (!layers)
        return -1;
    int rc = repx_make_dirs(staging, 0755, err);
    REPX_AUTO_CLOSE int root =
        rc < 0 ? -1 : open(staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (rc == 0 && root < 0)
        rc = repx_fail_errno(err, "%s", staging);
    if (rc == 0)
        rc = layers_unpack(image, layers, root, h, err);
    if (rc == 0)
        rc = mount_points_make(root, err);
    json_decref(layers);
    return rc;
}

static int rootfs_make(const struct runtime_request *q, const char *dir,
                       struct holding *h, struct repx_err *err)
{
    REPX_AUTO_FREE char *root = repx_format("%s/rootfs", dir);
    REPX_AUTO_FREE char *done = repx_format("%s/SUCCESS", dir);
    REPX_AUTO_FREE char *staging =
        repx_format("%s/.rootfs_staging.%s.%ld", dir, q->site->host, (long)getpid());

    if (rootfs_there(dir))
        return 0;
    int rc = repx_remove_tree(AT_FDCWD, staging, err);
    if (rc == 0)
        rc = staging_fill(q, staging, h, err);
    /* a rootfs without SUCCESS is what somebody left half done */
    if (rc == 0 && !rootfs_there(dir))
        rc = repx_remove_tree(AT_FDCWD, root, err);
    if (rc == 0 && rename(staging, root) < 0 && !rootfs_there(dir))
        rc = repx_fail_errno(err, "%s", root);
    if (rc == 0)
        rc = repx_write_file(AT_FDCWD, done, "", 0, 0644, err);
    (void)repx_remove_tree(AT_FDCWD, staging, NULL);
    return rc;
}

static int64_t wait_ms(void)
{
    const char *text = getenv("REPX_LOCK_TIMEOUT_SECS");
    long s = text ? strtol(text, NULL, 10) : WAIT_S;

    return (s > 0 && s < 86400 ? s : WAIT_S) * 1000;
}

char *runtime_rootfs(const struct runtime_request *q, struct repx_err *err)
{
    const char *tag = short_tag(q->image);
    REPX_AUTO_FREE char *cache = cache_dir(q);
    REPX_AUTO_FREE char *dir = repx_format("%s/images/%s", cache, tag);
    /* copies of a node are made once per node */
    REPX_AUTO_FREE char *name = q->node_local
                                    ? repx_format("image-%s-%s", q->site->host, tag)
                                    : repx_format("image-%s", tag);
    struct holding h = {q->site, name, state_now_ms()};
    uint64_t epoch;

    if (repx_make_dirs(dir, 0755, err) < 0 ||
        (q->node_local && node_dir_ours(dir, err) < 0))
        return NULL;
    if (q->node_local)
        node_use(dir);
    if (!rootfs_there(dir)) {
        if (lease_take(q->site, name, wait_ms(), &epoch, err) < 0)
            return NULL;
        int rc = rootfs_make(q, dir, &h, err);
        lease_drop(q->site, name);
        if (rc < 0)
            return NULL;
    }
    return repx_format("%s/rootfs", dir);
}
