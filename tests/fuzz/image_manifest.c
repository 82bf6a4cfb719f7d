/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/agent/runtime_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct repx_err err = {0};
    json_t *j = image_manifest_parse((const char *)data, size, &err);

    if (!j && err.code == REPX_E_NONE)
        abort(); /* every failure must say why */
    json_decref(j);
    return 0;
}
