/* SPDX-License-Identifier: MIT */
/* source.h: the scripts and files of a definition. Each is read once for its digest and
 * copied once; every further job gets a link to the first copy. */
#ifndef REPX_LABPACK_SOURCE_H
#define REPX_LABPACK_SOURCE_H

#include "tree.h"

struct source {
    const char *path; /* below the definition */
    struct digest digest;
    int executable;
    const char *placed; /* where the first copy is in the Lab, or NULL */
};

struct sources {
    struct pool pool;
    const char *dir; /* the definition's directory, without links */
    struct source **all;
    size_t count;
};

/* The file at a path below the definition, digested on the first call. A path that leads
 * out of the definition by a link is refused. NULL: *err says why. */
struct source *source_get(struct sources *s, const char *path, struct repx_err *err);
/* Put it into the Lab; fails when the file has changed since source_get. */
int source_place(struct sources *s, struct source *src, struct tree *t,
                 const char *path, mode_t mode, struct repx_err *err);
void sources_free(struct sources *s);

#endif
