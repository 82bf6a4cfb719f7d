/* SPDX-License-Identifier: MIT */
/* sync-image: exploded images, layer by layer. The source holds the images in use and the
 * layers that their links lead to.
 *
 *     store/LAYER-layer.tar     one file each, shared by images; first, so that an image
 *                               that stands has its layers
 *     images/NAME/...           one tree each, with its links into the store
 *     images/TAG -> NAME        when the tag (the name without its last extension) differs */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/err.h>
#include <kit/mirror.h>

#include "core/delta/delta.h"

#define ROUND_LAYERS 0
#define ROUND_IMAGES 1

static int starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Names of images, each once. */
struct names {
    char **list; /* "artifacts/images/NAME" */
    size_t count;
};

static int has_name(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->list[i], name) == 0)
            return 1;
    }
    return 0;
}

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->list[i]);
    free(names->list);
}

/* A tag that is also the name of an image means that image. */
static void add_tags(struct repx_mirror *m, const struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        const char *name = strrchr(names->list[i], '/') + 1;
        const char *dot = strrchr(name, '.');
        if (!dot || dot == name)
            continue;
        REPX_AUTO_FREE char *tag =
            repx_format("artifacts/images/%.*s", (int)(dot - name), name);
        if (!has_name(names, tag))
            repx_mirror_link(m, ROUND_IMAGES, tag, name);
    }
}

/* images/NAME/rest; entries of one image follow each other. */
static void add_image(struct repx_mirror *m, const struct repx_entry *e, uint64_t i,
                      struct names *names)
{
    const char *rest = strchr(e->path + strlen("images/"), '/');
    size_t n = rest ? (size_t)(rest - e->path) : strlen(e->path);
    REPX_AUTO_FREE char *front = repx_strndup(e->path, n);
    REPX_AUTO_FREE char *name = repx_format("artifacts/%s", front);

    repx_mirror_add(m, ROUND_IMAGES, name, rest ? rest + 1 : "", e, i);
    if (has_name(names, name))
        return;
    names->list = repx_grow(names->list, names->count + 1, sizeof(char *));
    names->list[names->count++] = repx_strdup(name);
}

static int add_entry(struct repx_mirror *m, const struct repx_entry *e, uint64_t i,
                     struct names *names, struct repx_err *err)
{
    int archive =
        e->kind == REPX_ENTRY_FILE && !strchr(e->path + strcspn(e->path, "/") + 1, '/');

    if (e->kind == REPX_ENTRY_DIR && !strchr(e->path, '/'))
        return 0;
    if (starts(e->path, "store/")) {
        REPX_AUTO_FREE char *name = repx_format("artifacts/%s", e->path);
        if (e->kind != REPX_ENTRY_DIR)
            repx_mirror_add(m, ROUND_LAYERS, name, "", e, i);
        return 0;
    }
    if (starts(e->path, "image/") || (starts(e->path, "images/") && archive)) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "%s: images that are one archive are not sent yet; unpack it "
                         "into a directory of that name (a docker-archive holds "
                         "manifest.json and LAYER/layer.tar)",
                         e->path);
    }
    if (!starts(e->path, "images/")) {
        return repx_fail(err, REPX_E_UNSUPPORTED, "%s: is no image and no layer",
                         e->path);
    }
    add_image(m, e, i, names);
    return 0;
}

static int32_t image_perform(const struct repx_sync_host *sync, struct repx_err *err)
{
    struct repx_mirror *m = repx_mirror_create(sync);
    uint64_t count = sync->source_count(sync->ctx);
    struct names names = {0};
    int rc = 0;

    repx_mirror_try(m, delta_send, DELTA_SMALLEST);
    for (uint64_t i = 0; i < count && rc == 0; i++) {
        struct repx_entry e = {.size = sizeof(e)};
        rc = sync->source_entry(sync->ctx, i, &e, err);
        if (rc == 0)
            rc = add_entry(m, &e, i, &names, err);
    }
    if (rc == 0) {
        add_tags(m, &names);
        rc = repx_mirror_run(m, err);
    }
    repx_mirror_destroy(m);
    names_free(&names);
    return rc;
}

static const struct repx_sync_ops ops = {.size = sizeof(ops), .perform = image_perform};

static const struct repx_plugin plugin = {
    .size = sizeof(plugin),
    .magic = REPX_PLUGIN_MAGIC,
    .abi_major = REPX_ABI_MAJOR,
    .abi_minor = REPX_ABI_MINOR,
    .kind = REPX_KIND_SYNC,
    .phase = REPX_PHASE_IMAGE,
    .name = "image",
    .version = REPX_VERSION,
    .vendor = "repx",
    .license = "MIT",
    .summary = "sends images by layer",
    .vtable = &ops,
    .vtable_size = sizeof(ops),
    .field_stride = sizeof(struct repx_field),
};

const struct repx_plugin *repx_plugin_v0(void)
{
    return &plugin;
}
