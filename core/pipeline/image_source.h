/* SPDX-License-Identifier: MIT */
/* image_source.h: images of a Lab as the source of a sync plugin: those that lie there by
 * layer as they are, the others as if they did:
 *
 *     store/<layer>-layer.tar
 *     images/<name>/manifest.json  <configuration>.json
 *     images/<name>/<layer>/layer.tar -> ../../../store/<layer>-layer.tar */
#ifndef REPX_PIPELINE_IMAGE_SOURCE_H
#define REPX_PIPELINE_IMAGE_SOURCE_H

#include "image_unpack.h"
#include "lab_source.h"

struct image_item; /* an entry that the Lab does not have */

struct image_source {
    struct lab_source files;
    struct image_unpack *images;
    size_t image_count;
    struct image_item *items; /* after the files */
    size_t count;
    int fd; /* the layer that was read last, or -1 */
    size_t fd_item;
};

/* `paths` are the images; *s is to be freed after a failure, too. */
int image_source_open(struct image_source *s, struct lab *lab, const char *const *paths,
                      size_t count, struct repx_err *err);
struct sync_source image_source_sync(struct image_source *s);
/* After the transfer: what it was kept for is done, or (code: of the error) it was wrong. */
void image_source_settle(const struct image_source *s, int rc, int code);
void image_source_free(struct image_source *s);

#endif
