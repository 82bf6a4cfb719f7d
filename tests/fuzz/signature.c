/* SPDX-License-Identifier: MIT */
/* A hostile signature, for a file that is to be sent. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/delta/delta.h"

#define LENGTH 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    uint64_t *made = ctx;

    (void)bytes, (void)err;
    *made += n;
    if (*made > LENGTH)
        __builtin_trap();
    return 0;
}

static int64_t read_some(void *ctx, uint64_t offset, void *to, uint64_t len,
                         struct repx_err *err)
{
    (void)ctx, (void)offset, (void)err;
    memset(to, (int)(offset & 7), (size_t)len);
    return (int64_t)len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct delta_source source = {NULL, read_some, LENGTH, LENGTH};
    struct repx_err err = {0};
    uint64_t made = 0;

    (void)delta_make(data, size, &source, count, &made, &err);
    return 0;
}
