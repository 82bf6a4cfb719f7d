/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>

#include "core/wire/block.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int bytes(void *ctx, const void *at, size_t n, struct repx_err *err)
{
    volatile uint8_t *sum = ctx;

    (void)err;
    if (n > BLOCK_MAX)
        __builtin_trap();
    for (size_t i = 0; i < n; i++)
        *sum = (uint8_t)(*sum + ((const uint8_t *)at)[i]);
    return 0;
}

/* The first byte says in how large pieces the rest comes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    volatile uint8_t sum = 0;
    struct blocks *b = blocks_create(bytes, (void *)(uintptr_t)&sum);
    struct repx_err err = {0};
    size_t step = size ? 1u + data[0] : 1;

    for (size_t at = 1; at < size; at += step) {
        if (blocks_input(b, data + at, size - at < step ? size - at : step, &err) < 0)
            break;
    }
    (void)blocks_end(b, &err);
    blocks_destroy(b);
    return 0;
}
