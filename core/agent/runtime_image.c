/* SPDX-License-Identifier: MIT */
/* runtime_image.c: an image by its tag, and the layers its manifest names. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/runtime_image.h"
#include "core/agent/state_check.h"

/* Where RepX and our image phase put images, in the order of RepX's agent. */
static char *find_below(const char *top, const char *tag)
{
    static const char *const dirs[] = {"images", "artifacts/images", "artifacts/image"};
    static const char *const ends[] = {"", ".gz", ".tar", ".tar.gz"};

    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        for (size_t j = 0; j < sizeof ends / sizeof ends[0]; j++) {
            char *path = repx_format("%s/%s/%s%s", top, dirs[i], tag, ends[j]);
            struct stat st;
            if (stat(path, &st) == 0)
                return path;
            free(path);
        }
    }
    return NULL;
}

char *image_find(const struct runtime_request *q, struct repx_err *err)
{
    struct stat st;
    char *path = q->local_artifacts ? find_below(q->local_artifacts, q->image) : NULL;

    if (!path)
        path = find_below(q->site->base, q->image);
    if (!path) {
        (void)repx_fail(err, REPX_E_NOENT,
                        "image %s is not below %s/artifacts/images; run again to have "
                        "it sent",
                        q->image, q->site->base);
        return NULL;
    }
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return path;
    (void)repx_fail(err, REPX_E_UNSUPPORTED,
                    "image %s is an archive; it is needed as a directory with "
                    "manifest.json: run again to have it sent",
                    path);
    free(path);
    return NULL;
}

static int layers_ok(const json_t *layers)
{
    size_t i;
    json_t *layer;

    json_array_foreach(layers, i, layer)
    {
        if (!json_is_string(layer) || !repx_path_is_inside(json_string_value(layer)))
            return 0;
    }
    return json_is_array(layers);
}

/* The first image of a manifest.json; NULL with *err. */
static json_t *manifest_first(const char *text, size_t n, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf wrapped = {0};

    /* state_parse takes objects, and bounds size and depth */
    repx_buf_str(&wrapped, "{\"m\":");
    repx_buf_add(&wrapped, text, n);
    repx_buf_str(&wrapped, "}");
    json_t *all = state_parse(wrapped.data, wrapped.len, "manifest.json", err);
    json_t *first = json_incref(json_array_get(json_object_get(all, "m"), 0));
    json_decref(all);
    if (all && !first)
        (void)repx_fail(err, REPX_E_CORRUPT, "manifest.json: describes no image");
    return first;
}

json_t *image_manifest_parse(const char *text, size_t n, struct repx_err *err)
{
    json_t *first = manifest_first(text, n, err);
    json_t *layers = json_object_get(first, "Layers");

    if (!first)
        return NULL;
    if (layers_ok(layers)) {
        json_incref(layers);
    } else {
        layers = NULL;
        (void)repx_fail(err, REPX_E_CORRUPT,
                        "manifest.json: no list of layers inside the image");
    }
    json_decref(first);
    return layers;
}

static int manifest_text(const char *image, struct repx_buf *b, struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("%s/manifest.json", image);

    return repx_read_file(AT_FDCWD, path, 4u << 20, b, err);
}

json_t *image_layers(const char *image, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf b = {0};

    if (manifest_text(image, &b, err) < 0)
        return NULL;
    json_t *layers = image_manifest_parse(repx_buf_text(&b), b.len, err);
    if (!layers)
        (void)repx_wrap(err, "image %s", image);
    return layers;
}

char *image_config(const char *image, struct digest *digest, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    REPX_AUTO_BUF struct repx_buf config = {0};

    if (manifest_text(image, &b, err) < 0)
        return NULL;
    json_t *first = manifest_first(repx_buf_text(&b), b.len, err);
    const char *said = json_string_value(json_object_get(first, "Config"));
    char *name = said && repx_path_is_inside(said) ? repx_strdup(said) : NULL;
    json_decref(first);
    REPX_AUTO_FREE char *path = repx_format("%s/%s", image, name ? name : "");
    if (!name) {
        (void)repx_fail(err, REPX_E_CORRUPT,
                        "image %s: manifest.json names no configuration", image);
    } else if (repx_read_file(AT_FDCWD, path, 4u << 20, &config, err) < 0) {
        free(name);
        name = NULL;
    } else {
        digest_of(repx_buf_text(&config), config.len, digest);
    }
    return name;
}
