/* SPDX-License-Identifier: MIT */
/* lab_source.h: the files of a Lab as the source of a sync plugin: all, or some. */
#ifndef REPX_PIPELINE_LAB_SOURCE_H
#define REPX_PIPELINE_LAB_SOURCE_H

#include "core/lab/lab.h"
#include "core/target/target.h"

struct lab_source {
    struct lab *lab;
    const struct repx_entry *entries; /* the Lab's */
    size_t *chosen;                   /* indices into entries; NULL: all */
    size_t count;
};

int lab_source_all(struct lab_source *s, struct lab *lab, struct repx_err *err);
/* Only what is below one of these paths, and the targets of links there. */
int lab_source_below(struct lab_source *s, struct lab *lab, const char *const *paths,
                     size_t count, struct repx_err *err);
void lab_source_free(struct lab_source *s);
struct sync_source lab_source_sync(struct lab_source *s);

#endif
