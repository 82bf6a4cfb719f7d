/* SPDX-License-Identifier: MIT */
/* entry.h: entries that a plugin asks for. */
#ifndef REPX_TARGET_ENTRY_H
#define REPX_TARGET_ENTRY_H

#include <repx/sync.h>

/* As much of it as the plugin knows: entry->size bytes. */
void entry_give(struct repx_entry *entry, const struct repx_entry *own);

#endif
