/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/store_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct store_tree *t)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->items[i].dir >= t->dir_count)
            __builtin_trap();
        if (!t->single && !repx_path_is_inside(t->items[i].path))
            __builtin_trap();
        if (t->items[i].link && t->items[i].link[0] == '/')
            __builtin_trap();
    }
    for (size_t i = 1; i < t->dir_count; i++) {
        if (t->dirs[i].parent >= i || !repx_path_is_inside(t->dirs[i].path))
            __builtin_trap();
    }
}

/* A name up to the first NUL, then the tree's message. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    struct repx_err err = {0};
    struct store_tree tree;

    if (!nul)
        return 0;
    size_t n = (size_t)(nul + 1 - data);
    REPX_AUTO_FREE char *name = repx_strndup((const char *)data, n - 1);
    if (store_tree_parse(&tree, nul + 1, size - n, name, &err) == 0)
        check(&tree);
    store_tree_finish(&tree);
    return 0;
}
