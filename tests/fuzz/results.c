/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <kit/file.h>

#include "core/wire/results.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read is safe, and writing it gives no more text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    REPX_AUTO_BUF struct repx_buf text = {0};
    struct results list = {0};

    if (results_read(&list, (const char *)data, size, NULL) == 0) {
        for (size_t i = 0; i < list.count; i++) {
            if (!repx_path_is_inside(list.items[i].path) ||
                results_find(&list, list.items[i].path) != &list.items[i])
                __builtin_trap();
        }
        results_write(&list, &text);
        if (text.len > size)
            __builtin_trap();
    }
    results_free(&list);
    return 0;
}
