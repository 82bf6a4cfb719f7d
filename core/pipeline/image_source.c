/* SPDX-License-Identifier: MIT */
#include "image_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

struct image_item {
    struct repx_entry entry;
    char *path, *link;
    struct repx_buf text; /* the content, or empty: */
    size_t image;         /* a layer of that image */
    struct image_layer layer;
};

static struct image_item *add(struct image_source *s, char *path, uint32_t kind)
{
    if (!(s->count & (s->count - 1)))
        s->items = repx_grow(s->items, s->count * 2 + 1, sizeof(*s->items));
    struct image_item *item = &s->items[s->count++];
    *item = (struct image_item){.path = path};
    item->entry =
        (struct repx_entry){.size = sizeof(item->entry), .path = path, .kind = kind};
    return item;
}

static void add_text(struct image_source *s, char *path, const struct repx_buf *text)
{
    struct image_item *item = add(s, path, REPX_ENTRY_FILE);
    struct digest d;

    repx_buf_add(&item->text, text->data, text->len);
    digest_of(text->data, text->len, &d);
    item->entry.length = text->len;
    memcpy(item->entry.digest, d.bytes, sizeof(d.bytes));
}

/* Is this layer of the image an earlier one's, too? */
static int again(const struct image_parts *parts, size_t k)
{
    for (size_t i = 0; i < k; i++) {
        if (memcmp(&parts->layers[i].digest, &parts->layers[k].digest,
                   sizeof(struct digest)) == 0)
            return 1;
    }
    return 0;
}

static void add_layer(struct image_source *s, size_t image,
                      const struct image_layer *layer)
{
    char hex[DIGEST_HEX];

    digest_hex(&layer->digest, hex);
    struct image_item *item =
        add(s, repx_format("store/%s-layer.tar", hex), REPX_ENTRY_FILE);
    item->image = image;
    item->layer = *layer;
    item->entry.length = layer->length;
    memcpy(item->entry.digest, layer->digest.bytes, sizeof(layer->digest.bytes));
}

/* Another image may have the same layer. */
static int has_path(const struct image_source *s, const char *path)
{
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->items[i].path, path) == 0)
            return 1;
    }
    for (size_t i = 0; i < s->files.count; i++) {
        if (strcmp(s->files.entries[s->files.chosen[i]].path, path) == 0)
            return 1;
    }
    return 0;
}

static void add_layers(struct image_source *s, size_t image)
{
    const struct image_parts *parts = &s->images[image].parts;

    for (size_t i = 0; i < parts->layer_count; i++) {
        char hex[DIGEST_HEX];
        digest_hex(&parts->layers[i].digest, hex);
        REPX_AUTO_FREE char *path = repx_format("store/%s-layer.tar", hex);
        if (!has_path(s, path))
            add_layer(s, image, &parts->layers[i]);
    }
}

static void add_image(struct image_source *s, size_t image)
{
    const struct image_unpack *u = &s->images[image];
    REPX_AUTO_BUF struct repx_buf manifest = {0};
    const char *slash = strrchr(u->path, '/');
    const char *name = slash ? slash + 1 : u->path;
    char hex[DIGEST_HEX];

    image_parts_manifest(&u->parts, &manifest);
    add_text(s, repx_format("images/%s/manifest.json", name), &manifest);
    digest_hex(&u->parts.config_digest, hex);
    add_text(s, repx_format("images/%s/%s.json", name, hex), &u->parts.config);
    for (size_t i = 0; i < u->parts.layer_count; i++) {
        if (again(&u->parts, i))
            continue;
        digest_hex(&u->parts.layers[i].digest, hex);
        struct image_item *item =
            add(s, repx_format("images/%s/%s/layer.tar", name, hex), REPX_ENTRY_LINK);
        item->link = repx_format("../../../store/%s-layer.tar", hex);
        item->entry.link = item->link;
    }
}

int image_source_open(struct image_source *s, struct lab *lab, const char *const *paths,
                      size_t count, struct repx_err *err)
{
    REPX_AUTO_FREE const char **plain = repx_array(count, sizeof(*plain));
    size_t plain_count = 0;

    *s = (struct image_source){.fd = -1};
    s->images = repx_array(count, sizeof(*s->images));
    for (size_t i = 0; i < count; i++) {
        int packed = image_is_packed(lab, paths[i], err);
        if (packed < 0)
            return -1;
        if (!packed) {
            plain[plain_count++] = paths[i];
        } else if (image_unpack_open(&s->images[s->image_count++], lab, paths[i], err) <
                   0) {
            return -1;
        }
    }
    if (lab_source_below(&s->files, lab, plain, plain_count, err) < 0)
        return -1;
    for (size_t i = 0; i < s->image_count; i++)
        add_layers(s, i);
    for (size_t i = 0; i < s->image_count; i++)
        add_image(s, i);
    return 0;
}

void image_source_settle(const struct image_source *s, int rc, int code)
{
    for (size_t i = 0; i < s->image_count; i++) {
        if (rc == 0) {
            image_unpack_done(&s->images[i]);
        } else if (code == REPX_E_CORRUPT) {
            image_unpack_forget(&s->images[i]);
        }
    }
}

void image_source_free(struct image_source *s)
{
    for (size_t i = 0; i < s->image_count; i++)
        image_unpack_close(&s->images[i]);
    for (size_t i = 0; i < s->count; i++) {
        free(s->items[i].path);
        free(s->items[i].link);
        repx_buf_free(&s->items[i].text);
    }
    free(s->images);
    free(s->items);
    repx_close_fd(&s->fd);
    lab_source_free(&s->files);
}

/* ---- as a source ---- */

static uint64_t source_count(void *ctx)
{
    const struct image_source *s = ctx;

    return s->files.count + s->count;
}

static int32_t source_entry(void *ctx, uint64_t i, struct repx_entry *entry,
                            struct repx_err *err)
{
    struct image_source *s = ctx;
    const struct sync_source files = lab_source_sync(&s->files);

    if (i < s->files.count)
        return files.entry(files.ctx, i, entry, err);
    *entry = s->items[i - s->files.count].entry;
    return 0;
}

static int64_t layer_read(struct image_source *s, size_t k, uint64_t offset, void *to,
                          uint64_t len, struct repx_err *err)
{
    const struct image_item *item = &s->items[k];

    if (s->fd < 0 || s->fd_item != k) {
        repx_close_fd(&s->fd);
        s->fd = image_unpack_layer(&s->images[item->image], &item->layer, err);
        s->fd_item = k;
        if (s->fd < 0)
            return -1;
    }
    for (;;) {
        ssize_t n = pread(s->fd, to, len, (off_t)offset);
        if (n >= 0)
            return n;
        if (errno != EINTR)
            return repx_fail_errno(err, "%s", item->path);
    }
}

static int64_t source_read(void *ctx, uint64_t i, uint64_t offset, void *to,
                           uint64_t len, struct repx_err *err)
{
    struct image_source *s = ctx;
    const struct sync_source files = lab_source_sync(&s->files);

    if (i < s->files.count)
        return files.read(files.ctx, i, offset, to, len, err);
    const struct image_item *item = &s->items[i - s->files.count];
    if (!item->text.data)
        return layer_read(s, (size_t)(i - s->files.count), offset, to, len, err);
    if (offset >= item->text.len)
        return 0;
    uint64_t n = item->text.len - offset < len ? item->text.len - offset : len;
    memcpy(to, item->text.data + offset, n);
    return (int64_t)n;
}

struct sync_source image_source_sync(struct image_source *s)
{
    return (struct sync_source){s, source_count, source_entry, source_read};
}
