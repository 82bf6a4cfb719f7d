/* SPDX-License-Identifier: MIT */
/* store_tree.h: a tree as a client declares it, checked: after store_tree_sorted every path
 * can be joined to the directory it is built in, and no link leaves where it may point. */
#ifndef REPX_AGENT_STORE_TREE_H
#define REPX_AGENT_STORE_TREE_H

#include <stddef.h>
#include <stdint.h>

#include <repx/sync.h>

#include <kit/err.h>

#include "core/wire/digest.h"

struct store_item {   /* there may be a million of them */
    const char *path; /* "" in a tree that is one file or link */
    const char *leaf; /* the last component of path */
    const char *link;
    uint64_t length;
    struct digest digest;
    uint32_t dir; /* index into dirs */
    uint8_t kind; /* REPX_ENTRY_FILE or REPX_ENTRY_LINK */
    uint8_t executable;
};

struct store_dir {
    const char *path; /* "" for the top */
    size_t parent;
    size_t children;
};

struct store_tree {
    char *name;
    struct digest digest;     /* digest_tree of all entries */
    int single;               /* one file or link: no directories */
    struct store_item *items; /* a directory's items follow it */
    size_t count;
    struct store_dir *dirs; /* parents first; [0] is the top */
    size_t dir_count, dir_cap;
    char *texts; /* paths and links of all of them */
    size_t texts_len;
};

/* Is it a name that trees may be placed at (repx/sync.h)? */
int store_name_check(const char *name, struct repx_err *err);
/* The job id when the name is that of a job package, else NULL. */
const char *store_name_job(const char *name);

/* Check and copy; puts the entries in order where they are. REPX_E_CORRUPT names the entry and
 * what is wrong with it. */
int store_tree_sorted(struct store_tree *to, struct repx_entry *entries, size_t count,
                      const char *name, struct repx_err *err);
void store_tree_finish(struct store_tree *tree);

/* A tree from the wire: the F_ENTRY fields of V_PLACE. Needs no trust in the bytes. */
int store_tree_parse(struct store_tree *to, const void *msg, size_t n, const char *name,
                     struct repx_err *err);

#endif
