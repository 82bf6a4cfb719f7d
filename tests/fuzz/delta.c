/* SPDX-License-Identifier: MIT */
/* A hostile delta, applied to a file that is there. */
#define _GNU_SOURCE /* memfd_create */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <kit/file.h>

#include "core/delta/delta.h"

#define DECLARED 200000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    uint64_t *made = ctx;

    (void)bytes, (void)err;
    *made += n;
    if (*made > DECLARED)
        __builtin_trap();
    return 0;
}

static int file_of(const void *bytes, size_t n)
{
    int fd = memfd_create("delta", MFD_CLOEXEC);

    if (fd < 0 || repx_write_all(fd, bytes, n) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        abort();
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char old[4096] = "what is there";
    struct repx_err err = {0};
    uint64_t made = 0;
    int delta = file_of(data, size), basis = file_of(old, sizeof(old));

    (void)delta_apply(delta, basis, DECLARED, count, &made, &err);
    (void)close(delta);
    (void)close(basis);
    return 0;
}
