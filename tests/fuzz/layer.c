/* SPDX-License-Identifier: MIT */
/* A layer, unpacked into a directory of its own: nothing may appear beside it. */
#define _GNU_SOURCE /* memfd_create */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/file.h>

#include "core/agent/runtime_tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char dir[] = "/tmp/repx-fuzz.XXXXXX", escape[64];
    struct repx_err err = {0};
    struct stat st;
    int fd = memfd_create("layer", MFD_CLOEXEC);

    if (fd < 0 || repx_write_all(fd, data, size) < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
        !mkdtemp(dir))
        return 0;
    int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (layer_unpack(fd, root, &(struct layer_options){.max = 1000}, &err) < 0 &&
        err.code == REPX_E_NONE)
        abort(); /* every failure must say why */
    (void)strcpy(escape, "/tmp/repx-fuzz-escape");
    if (lstat(escape, &st) == 0)
        abort(); /* the corpus tries to write there */
    (void)close(root);
    (void)close(fd);
    (void)repx_remove_tree(AT_FDCWD, dir, NULL);
    return 0;
}
