/* SPDX-License-Identifier: MIT */
/* index_own.h: what index.c (lookup) and index_file.c (reading, writing) share. */
#ifndef REPX_AGENT_INDEX_OWN_H
#define REPX_AGENT_INDEX_OWN_H

#include <kit/buf.h>

#include "index.h"

struct index_tree {
    char *name;
    struct digest digest;
};

struct object_index {
    struct index_entry *entries;
    size_t count, cap;
    size_t *by_path, *by_key, slots;
    struct index_tree *trees;
    size_t tree_count, tree_cap;
    struct repx_buf unsaved;
    int state_fd;
    char *host, *boot, *writer;
    int started; /* the writer's file has its first line */
    char **old;  /* files that were read: candidates for merging */
    size_t old_count;
};

void index_remember(struct object_index *ix, const struct index_entry *entry);
void index_remember_tree(struct object_index *ix, const char *name,
                         const struct digest *digest);
/* Take a decimal number and the blank after it: 1, or 0 and nothing was taken. */
int index_number(const char **at, int64_t *n);
void index_line(struct repx_buf *to, const struct index_entry *e);
void index_tree_line(struct repx_buf *to, const struct index_tree *t);
/* Parse one file of S/index; the fuzz target's entry. */
void index_read(struct object_index *ix, const char *text, size_t n);

#endif
