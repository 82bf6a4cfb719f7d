/* SPDX-License-Identifier: MIT */
/* A stranger's file as a plugin: looked at before the dynamic linker sees it. */
#define _GNU_SOURCE /* memfd_create */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <kit/file.h>

#include "core/plugin/elf.h"
#include "core/plugin/needs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct repx_err err = {0};
    char path[64];
    int fd = memfd_create("plugin", MFD_CLOEXEC);

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (fd >= 0 && repx_write_all(fd, data, size) == 0 && elf_check(path, &err) == 0)
        (void)needs_check(path, &err);
    (void)close(fd);
    return 0;
}
