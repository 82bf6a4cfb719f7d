/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>

#include "core/wire/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int begin(void *ctx, const struct pack_head *head, struct repx_err *err)
{
    (void)ctx, (void)err;
    if (head->length > PACK_OBJECT_MAX)
        __builtin_trap();
    return 0;
}

static int bytes(void *ctx, uint64_t at, const void *data, size_t n,
                 struct repx_err *err)
{
    volatile uint8_t *sum = ctx;

    (void)err;
    if (at > PACK_OBJECT_MAX || n > PACK_OBJECT_MAX - at)
        __builtin_trap();
    for (size_t i = 0; i < n; i++)
        *sum = (uint8_t)(*sum + ((const uint8_t *)data)[i]);
    return 0;
}

static int end(void *ctx, struct repx_err *err)
{
    (void)ctx, (void)err;
    return 0;
}

/* The first byte says in how large pieces the rest comes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    volatile uint8_t sum = 0;
    const struct pack_sink sink = {(void *)(uintptr_t)&sum, begin, bytes, end};
    struct repx_err err = {0};
    struct pack p;
    size_t step = size ? 1u + data[0] : 1;

    pack_init(&p, &sink);
    for (size_t at = 1; at < size; at += step) {
        if (pack_input(&p, data + at, size - at < step ? size - at : step, &err) < 0)
            break;
    }
    (void)pack_end(&p, &err);
    return 0;
}
