/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>

#include "plugins/transport-ssh/known_hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct known_keys keys = {0};

    known_hosts_parse("f", (const char *)data, size, "[host]:2222", &keys);
    for (size_t i = 0; i < keys.count; i++) {
        if (!keys.items[i].type || !keys.items[i].key || keys.items[i].line < 1)
            abort(); /* what was found is whole */
    }
    known_keys_free(&keys);
    return 0;
}
