/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>

#include <kit/file.h>

#include "core/agent/index_own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct object_index *ix = index_open(-1, "n1", "b1", "w");

    index_read(ix, (const char *)data, size);
    for (size_t i = 0; i < ix->count; i++) {
        const struct index_entry *e = index_at(ix, i);
        if (!repx_path_is_inside(e->path) || (e->next != INDEX_END && e->next >= i) ||
            index_find(ix, &e->digest, e->executable) == INDEX_END)
            __builtin_trap();
        if (!e->dropped && index_path(ix, e->path) != e)
            __builtin_trap();
    }
    index_close(ix);
    return 0;
}
