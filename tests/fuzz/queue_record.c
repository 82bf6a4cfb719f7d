/* SPDX-License-Identifier: MIT */
/* The local queue's files: a batch, then (after an empty line) its journal. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "plugins/sched-local/helper_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* NOLINTNEXTLINE(readability-identifier-naming): the fuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct q_model m = {0};
    size_t cut = 0;

    while (cut + 1 < size && !(data[cut] == '\n' && data[cut + 1] == '\n'))
        cut++;
    size_t batch = cut + 1 < size ? cut + 1 : size;
    REPX_AUTO_FREE char *text = repx_alloc(size + 1);
    memcpy(text, data, size);
    (void)model_add_batch(&m, "b", text, batch, NULL);
    model_apply_journal(&m, text + batch, size - batch);
    (void)model_find(&m, "x");
    model_finish(&m);
    return 0;
}
