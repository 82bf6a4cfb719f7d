/* SPDX-License-Identifier: MIT */
/* gc_names.h: the names in a directory, all read first: what is removed while one reads a
 * directory may hide others. */
#ifndef REPX_AGENT_GC_NAMES_H
#define REPX_AGENT_GC_NAMES_H

#include <stddef.h>

struct gc_names {
    char **items;
    size_t count;
    int broken; /* errno: these are not all; or 0 */
};

struct gc_names gc_names(int dir);
void gc_names_free(struct gc_names *n);

#endif
