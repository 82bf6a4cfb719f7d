/* SPDX-License-Identifier: MIT */
/* A Lab definition: read, and if it is right, its runs expanded. */
#include <stdint.h>
#include <stdlib.h>

#include "core/labpack/expand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct repx_err err = {0};
    struct def d;

    if (def_read(&d, "lab.ini", (const char *)data, size, &err) < 0) {
        if (err.code == REPX_E_NONE) /* every failure must say why */
            abort();
        return 0;
    }
    for (size_t i = 0; i < d.run_count; i++) {
        struct expansion x;
        int rc = expand_run(&x, &d, &d.runs[i], &err);
        if (rc < 0 && err.code == REPX_E_NONE)
            abort();
        if (rc == 0)
            expand_free(&x);
    }
    def_free(&d);
    return 0;
}
