/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>

#include "core/plugin/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct repx_err err = {0};
    struct manifest m;

    if (manifest_parse("/d/sched-x.ini", (const char *)data, size, &m, &err) < 0) {
        if (err.code == REPX_E_NONE || !err.text[0])
            abort(); /* every failure says why */
    } else if (!m.info.name || !m.info.file || !m.info.summary || !m.info.kind) {
        abort(); /* what was accepted is whole */
    }
    manifest_free(&m);
    return 0;
}
