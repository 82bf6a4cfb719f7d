/* SPDX-License-Identifier: MIT */
/* image_unpack.h: an image of the Lab that is one archive, or an OCI layout, as
 * configuration and layers.
 *
 * What is in it is remembered in $XDG_CACHE_HOME/repx/images/<digest of the archive>, so
 * that it is read again only when a target lacks a layer. The layers are beside it while
 * they are needed, uncompressed, each named after its digest. */
#ifndef REPX_PIPELINE_IMAGE_UNPACK_H
#define REPX_PIPELINE_IMAGE_UNPACK_H

#include "core/archive/image_read.h"
#include "core/lab/lab.h"

struct image_unpack {
    struct lab *lab;
    char *path;          /* in the Lab */
    char *cache;         /* directory */
    struct digest key;   /* of the archive */
    size_t first, count; /* entries of the Lab that hold it */
    int is_file;
    uint64_t bytes; /* of them */
    struct image_parts parts;
};

/* Is the image at `path` one that has to be unpacked: 1, 0 it lies there by layer already,
 * -1 it is not in the Lab. */
int image_is_packed(struct lab *lab, const char *path, struct repx_err *err);
/* Fills *u; close it, after a failure too. */
int image_unpack_open(struct image_unpack *u, struct lab *lab, const char *path,
                      struct repx_err *err);
/* A layer opened for reading; caller closes. */
int image_unpack_layer(struct image_unpack *u, const struct image_layer *layer,
                       struct repx_err *err);
/* The target has them all: remove the layers here. */
void image_unpack_done(const struct image_unpack *u);
/* What is remembered was of no use. */
void image_unpack_forget(const struct image_unpack *u);
void image_unpack_close(struct image_unpack *u);

/* Of everything below the image's path; a link to a file counts as that file, since a layer
 * may change behind its link. */
int image_digest(struct lab *lab, const char *path, struct digest *out,
                 struct repx_err *err);

#endif
