/* SPDX-License-Identifier: MIT */
/* One event line, and what it does to the state of a run. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/agent/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct repx_err err = {0};
    json_t *j = event_parse((const char *)data, size, &err);
    struct run_state s;

    if (!j && err.code == REPX_E_NONE)
        abort(); /* every failure must say why */
    run_state_init(&s, 3);
    if (j)
        run_state_event(&s, j);
    if (s.left > 3 || s.failed > 3)
        abort();
    run_state_finish(&s);
    json_decref(j);
    return 0;
}
