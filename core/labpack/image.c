/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <string.h>
#include <sys/stat.h>

#include <kit/alloc.h>

#include "core/archive/image_read.h"

#include "def.h"
#include "jobid.h"

static int visit(void *ctx, archive_visit *each, void *each_ctx, struct repx_err *err)
{
    return archive_each(ctx, each, each_ctx, err);
}

static int layer_begin(void *ctx, struct repx_err *err)
{
    return tree_temporary(ctx, err);
}

static int layer_end(void *ctx, int fd, const struct digest *digest,
                     struct repx_err *err)
{
    char hex[DIGEST_HEX];

    digest_hex(digest, hex);
    REPX_AUTO_FREE char *path = repx_format("store/%s-layer.tar", hex);
    if (!tree_find(ctx, path))
        return tree_adopt(ctx, fd, path, digest, err);
    tree_discard(ctx, fd); /* another image brought it */
    return 0;
}

static void layer_drop(void *ctx, int fd)
{
    tree_discard(ctx, fd);
}

static void name_image(struct tree *t, const struct image_parts *parts,
                       struct image *image, const char *path)
{
    char id[BASE32_ID + 1];
    struct digest d;

    image_parts_digest(parts, &d);
    digest_hex(&d, image->digest);
    base32_id(&d, id);
    /* The file's name up to its first dot, of letters that every runtime takes. */
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    char *dir =
        pool_format(&t->pool, "images/%s-%.*s", id, (int)strcspn(base, "."), base);
    for (char *s = dir + strlen("images/"); *s; s++) {
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-",
                    *s))
            *s = '-';
    }
    image->directory = dir;
}

static int write_links(struct tree *t, const struct image_parts *parts,
                       const struct image *image, struct repx_err *err)
{
    for (size_t i = 0; i < parts->layer_count; i++) {
        const struct digest *digest = &parts->layers[i].digest;
        char hex[DIGEST_HEX];
        int again = 0;
        for (size_t k = 0; k < i; k++)
            again |= memcmp(&parts->layers[k].digest, digest, sizeof(*digest)) == 0;
        if (again)
            continue;
        digest_hex(digest, hex);
        REPX_AUTO_FREE char *target = repx_format("../../../store/%s-layer.tar", hex);
        REPX_AUTO_FREE char *link =
            repx_format("%s/%s/layer.tar", image->directory, hex);
        if (tree_symlink(t, target, link, err) < 0)
            return -1;
    }
    return 0;
}

static int write_image(struct tree *t, const struct image_parts *parts,
                       const struct image *image, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf manifest = {0};
    char hex[DIGEST_HEX];

    digest_hex(&parts->config_digest, hex);
    REPX_AUTO_FREE char *config = repx_format("%s/%s.json", image->directory, hex);
    REPX_AUTO_FREE char *path = repx_format("%s/manifest.json", image->directory);
    image_parts_manifest(parts, &manifest);
    if (tree_write(t, config, repx_buf_text(&parts->config), parts->config.len, err) <
            0 ||
        write_links(t, parts, image, err) < 0)
        return -1;
    return tree_write(t, path, repx_buf_text(&manifest), manifest.len, err);
}

int image_add(struct tree *t, const char *path, struct image *image,
              struct repx_err *err)
{
    struct stat st;
    uint64_t size = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
    const struct image_input in = {(void *)(uintptr_t)path, size, visit};
    const struct image_sink sink = {t, layer_begin, layer_end, layer_drop};
    struct image_parts parts = {.layers = NULL};
    int rc = image_read(&in, &sink, &parts, err);

    if (rc == 0) {
        image->path = pool_str(&t->pool, path);
        name_image(t, &parts, image, path);
        rc = write_image(t, &parts, image, err);
    }
    image_parts_free(&parts);
    return rc < 0 ? repx_wrap(err, "image %s", path) : 0;
}
