/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "core/wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t at = 0;
    int64_t took = 1;

    while (took > 0 && at < size) {
        struct frame f;
        struct repx_err err = {0};
        took = frame_take(data + at, size - at, &f, &err);
        if (took < 0 && err.code == REPX_E_NONE)
            abort(); /* every failure says why */
        if (took > 0 && (f.payload + f.length > data + size || f.length > FRAME_MAX))
            abort();
        at += took > 0 ? (size_t)took : 0;
    }
    return 0;
}
