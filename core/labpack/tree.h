/* SPDX-License-Identifier: MIT */
/* tree.h: the directory that a Lab is built in. It remembers the digest of every file, for
 * the manifest. All paths are inside the Lab. */
#ifndef REPX_LABPACK_TREE_H
#define REPX_LABPACK_TREE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <kit/err.h>

#include "core/wire/digest.h"

#include "pool.h"

struct tree_file {
    const char *path;
    struct digest digest;
};

struct tree {
    struct pool pool;
    int dir; /* descriptor of the Lab's directory */
    struct tree_file *files;
    size_t count;
    uint64_t bytes;
};

/* Parents are made as needed. */
int tree_dir(struct tree *t, const char *path, struct repx_err *err);
int tree_write(struct tree *t, const char *path, const void *bytes, size_t n,
               struct repx_err *err);
/* The rest of an open file; `digest` gets what was written. */
int tree_copy(struct tree *t, int from, const char *path, mode_t mode,
              struct digest *digest, struct repx_err *err);
/* Another name for a file that is there already. */
int tree_link(struct tree *t, const struct tree_file *file, const char *path,
              struct repx_err *err);
int tree_symlink(struct tree *t, const char *target, const char *path,
                 struct repx_err *err);
/* A new file that gets its name only when it is complete: write to the descriptor, then
 * tree_adopt closes it. Fails with -1. */
int tree_temporary(struct tree *t, struct repx_err *err);
int tree_adopt(struct tree *t, int fd, const char *path, const struct digest *digest,
               struct repx_err *err);
void tree_discard(struct tree *t, int fd); /* the temporary file, closed and gone */
/* NULL when there is no such file. */
const struct tree_file *tree_find(const struct tree *t, const char *path);
void tree_sort(struct tree *t); /* files by path */
void tree_free(struct tree *t); /* closes; what was written stays */

#endif
