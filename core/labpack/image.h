/* SPDX-License-Identifier: MIT */
/* image.h: a container image from a docker-archive or a tar of an OCI layout, laid out by
 * layer.
 *
 *     images/<id>-<name>/manifest.json
 *     images/<id>-<name>/<config digest>.json
 *     images/<id>-<name>/<layer digest>/layer.tar -> ../../../store/<layer digest>-layer.tar
 *     store/<layer digest>-layer.tar               uncompressed, shared between images
 *
 * The archive is hostile: nothing in the Lab is named after what it says, and a layer that
 * is not what the image's configuration promises is refused. */
#ifndef REPX_LABPACK_IMAGE_H
#define REPX_LABPACK_IMAGE_H

#include "tree.h"

struct image {
    const char *path;      /* of the archive */
    const char *directory; /* in the Lab */
    char digest
        [DIGEST_HEX]; /* of configuration and layers; does not depend on the tar */
};

/* Texts of *image belong to the tree. */
int image_add(struct tree *t, const char *path, struct image *image,
              struct repx_err *err);

#endif
