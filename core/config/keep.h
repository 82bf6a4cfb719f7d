/* SPDX-License-Identifier: MIT */
/* keep.h: memory that is given back all at once. */
#ifndef REPX_CONFIG_KEEP_H
#define REPX_CONFIG_KEEP_H

#include <stddef.h>

struct keep {
    void *last;
};

/* Zeroed, aligned for anything, valid until keep_free. */
void *keep_array(struct keep *keep, size_t count, size_t size);
char *keep_text(struct keep *keep, const char *text);
void keep_free(struct keep *keep); /* and may be used again */

#endif
