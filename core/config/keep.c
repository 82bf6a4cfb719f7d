/* SPDX-License-Identifier: MIT */
#include "keep.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

/* In front of every piece; as large as the strictest alignment. */
union link {
    void *before;
    max_align_t align;
};

void *keep_array(struct keep *keep, size_t count, size_t size)
{
    if (size > 0 && count > (SIZE_MAX / 2) / size)
        return repx_array(SIZE_MAX, 2); /* ends the process: out of memory */
    union link *piece = repx_alloc(sizeof(*piece) + count * size);

    piece->before = keep->last;
    keep->last = piece;
    return piece + 1;
}

char *keep_text(struct keep *keep, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = keep_array(keep, n, 1);

    memcpy(copy, text, n);
    return copy;
}

void keep_free(struct keep *keep)
{
    while (keep->last) {
        union link *piece = keep->last;

        keep->last = piece->before;
        free(piece);
    }
}
