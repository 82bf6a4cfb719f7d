/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/agent/json_member.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    REPX_AUTO_FREE char *text = repx_alloc(size); /* no more than that is read */
    size_t from, end;

    if (size)
        memcpy(text, data, size);
    if (json_member_find(text, size, "files", &from, &end) &&
        (from > end || end > size))
        __builtin_trap();
    return 0;
}
