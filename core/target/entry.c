/* SPDX-License-Identifier: MIT */
#include "entry.h"

#include <string.h>

void entry_give(struct repx_entry *entry, const struct repx_entry *own)
{
    uint64_t size = entry->size;

    memcpy(entry, own, size < sizeof(*own) ? (size_t)size : sizeof(*own));
    entry->size = size;
}
