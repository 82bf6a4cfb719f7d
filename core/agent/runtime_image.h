/* SPDX-License-Identifier: MIT */
/* runtime_image.h: images as exploded docker-archives. */
#ifndef REPX_AGENT_RUNTIME_IMAGE_H
#define REPX_AGENT_RUNTIME_IMAGE_H

#include "core/agent/runtime.h"
#include "core/wire/digest.h"

/* The image's directory. Caller frees. */
char *image_find(const struct runtime_request *q, struct repx_err *err);
/* Its layers, in order: array of paths inside the image. Caller json_decref's. */
json_t *image_layers(const char *image, struct repx_err *err);
/* Its configuration: path inside the image, and the digest of the file, which is how engines
 * name the image. Caller frees; NULL with *err. */
char *image_config(const char *image, struct digest *digest, struct repx_err *err);
/* The layers from the text of manifest.json. */
json_t *image_manifest_parse(const char *text, size_t n, struct repx_err *err);
/* A layer's name and what tells the file from another of that name, since names are what
 * somebody chose: size, time, inode. Layers are never written in place. Caller frees. */
char *image_layer_line(const char *image, const char *layer);
/* From such a line, the name of the layer's copy on a node; NULL when none is kept. Caller
 * frees. */
char *image_layer_copy(const char *line);
/* Put the layers over each other in the directory root (runtime_layers.c). */
struct layer_options;
int image_unpack(const struct runtime_request *q, const char *image,
                 const json_t *layers, int root, const struct layer_options *o,
                 struct repx_err *err);

#endif
