/* SPDX-License-Identifier: MIT */
/* index_own.h: what index.c (lookup) and index_file.c (reading, writing) share. */
#ifndef REPX_AGENT_INDEX_OWN_H
#define REPX_AGENT_INDEX_OWN_H

#include <kit/buf.h>

#include "index.h"
#include <kit/texts.h>

#define INDEX_PAGE 1024

struct index_tree {
    char *name;
    struct digest digest;
};

struct object_index {
    struct index_entry **pages; /* of INDEX_PAGE entries each */
    size_t count, page_cap;
    uint32_t *by_path, *by_key;
    size_t slots;
    struct repx_texts texts; /* the entries' paths */
    struct index_tree *trees;
    size_t tree_count, tree_cap;
    struct repx_buf unsaved;
    int unsynced; /* something was written and not flushed */
    int broken;   /* a write failed half way: nothing more is written */
    int state_fd;
    char *host, *boot, *writer;
    int started; /* the writer's file has its first line */
    char **old;  /* files that were read: candidates for merging */
    size_t old_count;
};

/* The entry, or NULL when there are too many. */
struct index_entry *index_remember(struct object_index *ix,
                                   const struct index_entry *entry);
void index_slots(struct object_index *ix, size_t slots);
void index_remember_tree(struct object_index *ix, const char *name,
                         const struct digest *digest);
/* Take a decimal number and the blank after it: 1, or 0 and nothing was taken. */
int index_number(const char **at, int64_t *n);
void index_line(struct repx_buf *to, const struct index_entry *e);
void index_tree_line(struct repx_buf *to, const struct index_tree *t);
/* When much is unsaved it goes to the file, without waiting for the disk. */
void index_spill(struct object_index *ix);
/* Parse one file of S/index; the fuzz target's entry. */
void index_read(struct object_index *ix, const char *text, size_t n);

#endif
