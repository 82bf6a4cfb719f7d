/* SPDX-License-Identifier: MIT */
/* image_read.h: a container image from a docker-archive or an OCI layout: its
 * configuration, and its layers, uncompressed.
 *
 * What holds the image is hostile: nothing is named after what it says, and a blob that is
 * not what its name promises, or a layer that is not what the configuration promises, is
 * refused. */
#ifndef REPX_ARCHIVE_IMAGE_READ_H
#define REPX_ARCHIVE_IMAGE_READ_H

#include "core/archive/archive.h"

struct image_layer {
    struct digest digest; /* of the uncompressed layer */
    uint64_t length;
};

struct image_parts {
    struct repx_buf config; /* as it stands in the image */
    struct digest config_digest;
    struct image_layer *layers; /* in order; one may stand there twice */
    size_t layer_count;
};

/* What holds the image: calls `each` for its members, any number of times. */
struct image_input {
    void *ctx;
    uint64_t
        size; /* of all that holds it: layers that unpack to far more are refused */
    int (*visit)(void *ctx, archive_visit *each, void *each_ctx, struct repx_err *err);
};

/* Where layers go: begin opens a file, end takes it when the layer is whole, drop when it
 * is not; both close it. */
struct image_sink {
    void *ctx;
    int (*begin)(void *ctx, struct repx_err *err);
    int (*end)(void *ctx, int fd, const struct digest *digest, struct repx_err *err);
    void (*drop)(void *ctx, int fd);
};

int image_read(const struct image_input *in, const struct image_sink *sink,
               struct image_parts *parts, struct repx_err *err);
void image_parts_free(struct image_parts *parts);

/* Names one image by its content: of configuration and layers. */
void image_parts_digest(const struct image_parts *parts, struct digest *out);
/* The text of manifest.json for the layout
 *     <configuration's digest>.json  <layer's digest>/layer.tar */
void image_parts_manifest(const struct image_parts *parts, struct repx_buf *to);

#endif
