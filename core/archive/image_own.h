/* SPDX-License-Identifier: MIT */
/* image_own.h: an image being read; shared by image_read.c and image_oci.c. */
#ifndef REPX_ARCHIVE_IMAGE_OWN_H
#define REPX_ARCHIVE_IMAGE_OWN_H

#include "core/archive/image_read.h"
#include "core/json/json.h"

#define IMAGE_JSON_MAX 4194304
#define IMAGE_LAYERS_MAX 1000

/* A member that the image needs. */
struct image_wanted {
    char *name; /* after links are followed */
    struct image_layer is;
    int found;
};

struct image_link {
    char *name, *target;
};

struct image_reading {
    const struct image_input *in;
    const struct image_sink *sink;
    struct image_parts *parts;
    struct repx_buf manifest, index; /* manifest.json, index.json */
    int has_manifest, has_index;
    struct image_link *links; /* sorted by name once all are known */
    size_t link_count;
    struct image_wanted *wanted; /* the configuration first, then the layers in order */
    size_t count;
    uint64_t left;              /* bytes that layers may still unpack to */
    struct digest config_named; /* OCI: what the configuration must be */
    /* the text that is looked for */
    const char *text_name;
    struct repx_buf *text;
    int text_found;
};

int image_want(struct image_reading *r, const char *name, struct repx_err *err);
/* The small member `name`, with links followed. */
int image_text(struct image_reading *r, const char *name, struct repx_buf *to,
               struct repx_err *err);
/* From index.json to what is wanted. */
int image_oci(struct image_reading *r, struct repx_err *err);

#endif
