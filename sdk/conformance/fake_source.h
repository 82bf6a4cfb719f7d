/* SPDX-License-Identifier: MIT */
/* fake_source.h: files that a sync plugin is to bring to a target, made up for its phase. */
#ifndef REPX_CONFORM_FAKE_SOURCE_H
#define REPX_CONFORM_FAKE_SOURCE_H

#include <stddef.h>

#include <repx/sync.h>

struct fake_file {
    struct repx_entry entry;
    char *path, *link;
    char *at;      /* where it is to stand on the target */
    unsigned seed; /* of its content */
};
struct fake_source {
    struct fake_file *files;
    size_t count;
};

/* jobs job packages with `each` files each (or images, or helpers), and what else belongs
 * to that phase. */
void fake_source_make(struct fake_source *s, uint32_t phase, unsigned jobs,
                      unsigned each);
/* One more, worth a delta; returns its number. Not of phase bootstrap. */
size_t fake_source_large(struct fake_source *s, uint32_t phase);
/* Bytes of a file from an offset: how many. */
size_t fake_source_bytes(const struct fake_file *f, uint64_t offset, char *to,
                         size_t len);
void fake_source_free(struct fake_source *s);

#endif
