/* SPDX-License-Identifier: MIT */
/* Any bytes as an archive: indexed or refused with a reason, and what is indexed stays
 * inside. */
#define _GNU_SOURCE /* memfd_create */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/lab/tar.h"

/* NOLINTNEXTLINE(readability-identifier-naming): the fuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct index *ix, uint64_t size)
{
    struct repx_err err = {0};
    size_t at;

    for (size_t i = 0; i < ix->count; i++) {
        const struct repx_entry *e = &ix->entries[i];
        if (!repx_path_is_inside(e->path))
            abort();
        if (i && strcmp(ix->entries[i - 1].path, e->path) >= 0)
            abort();
        if (e->kind == REPX_ENTRY_FILE && ix->stamps[i].offset + e->length > size)
            abort();
        if (index_find(ix, e->path, strlen(e->path)) != i)
            abort();
        (void)index_resolve(ix, e->path, &at, &err);
    }
    if (index_check_links(ix, &err) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    REPX_AUTO_CLOSE int fd = memfd_create("archive", MFD_CLOEXEC);
    struct index ix = {0};
    struct arena arena = {0};
    struct repx_err err = {0};

    if (fd < 0 || repx_write_all(fd, data, size) < 0)
        return 0;
    if (tar_index(fd, size, &ix, &arena, &err) == 0) {
        check(&ix, size);
    } else if (err.code == REPX_E_NONE || !err.text[0]) {
        abort(); /* every failure must say why */
    }
    index_free(&ix);
    arena_free(&arena);
    return 0;
}
