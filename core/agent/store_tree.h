/* SPDX-License-Identifier: MIT */
/* store_tree.h: a tree as a client declares it, checked: after store_tree_make every path
 * can be joined to the directory it is built in, and no link leaves where it may point. */
#ifndef REPX_AGENT_STORE_TREE_H
#define REPX_AGENT_STORE_TREE_H

#include <stddef.h>
#include <stdint.h>

#include <repx/sync.h>

#include <kit/err.h>

#include "core/wire/digest.h"

struct store_item {
    char *path;       /* "" in a tree that is one file or link */
    const char *leaf; /* the last component of path */
    uint32_t kind;    /* REPX_ENTRY_FILE or REPX_ENTRY_LINK */
    uint32_t executable;
    uint64_t length;
    struct digest digest;
    char *link;
    size_t dir; /* index into dirs */
};

struct store_dir {
    char *path; /* "" for the top */
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
    size_t dir_count;
};

/* Is it a name that trees may be placed at (repx/sync.h)? */
int store_name_check(const char *name, struct repx_err *err);
/* The job id when the name is that of a job package, else NULL. */
const char *store_name_job(const char *name);

/* Check and copy. REPX_E_CORRUPT names the entry and what is wrong with it. */
int store_tree_make(struct store_tree *to, const struct repx_tree *from,
                    const char *name, struct repx_err *err);
void store_tree_finish(struct store_tree *tree);

/* A tree from the wire: the F_ENTRY fields of V_PLACE. Needs no trust in the bytes. */
int store_tree_parse(struct store_tree *to, const void *msg, size_t n, const char *name,
                     struct repx_err *err);

#endif
