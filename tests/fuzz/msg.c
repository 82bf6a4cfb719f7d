/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/wire/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct msg_field f;
    size_t at = 0, sum = 0;
    int got;

    while ((got = msg_next(data, size, &at, &f)) == 1) {
        REPX_AUTO_FREE char *text = msg_text(data, size, f.tag);
        sum += text ? strlen(text) : 0;
        sum += (size_t)msg_number(data, size, f.tag, 1);
        sum += f.length ? f.bytes[f.length - 1] : 0;
        if (at > size)
            abort();
    }
    if ((got == 0) != msg_valid(data, size))
        abort();
    return sum == SIZE_MAX;
}
