/* SPDX-License-Identifier: MIT */
/* index.h: what is in a Lab: every file, directory and link, sorted by path as bytes. A
 * directory and an archive look the same here, and links are followed here, by the
 * names in the index, never by the kernel. */
#ifndef REPX_LAB_INDEX_H
#define REPX_LAB_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include <repx/sync.h>

#include <kit/err.h>

#include "arena.h"

#define STAMP_KNOWN 1u  /* length, executable and the times are filled in */
#define STAMP_DIGEST 2u /* the entry's digest is filled in */

/* What the entry was when it was looked at. In an archive only offset and same count. */
struct stamp {
    uint64_t dev, ino;
    int64_t mtime_ns, ctime_ns;
    uint64_t offset; /* archive: of the content */
    uint32_t same;   /* archive: entry that this is a hard link to, or itself */
    uint32_t flags;
};

struct index {
    struct repx_entry *entries;
    struct stamp *stamps;
    size_t count, cap;
    uint32_t *slots; /* hash table: index + 1, 0 when free */
    size_t mask;
    char *strings; /* texts that came from the cache; the others are in an arena */
};

#define INDEX_NONE SIZE_MAX

/* Add an entry; the texts must outlive the index. */
struct stamp *index_add(struct index *ix, uint32_t kind, const char *path,
                        const char *link);
/* Sort, keep the last of equal paths, and make index_find work. No add after it. */
void index_settle(struct index *ix);
/* Only make index_find work: the entries are sorted already. */
void index_hash(struct index *ix);
size_t index_find(const struct index *ix, const char *path, size_t len);
void index_free(struct index *ix);

/* Follow the links of `path` component by component. *at gets the index of what is there
 * in the end (INDEX_NONE for the Lab itself). REPX_E_NOENT: nothing there;
 * REPX_E_CORRUPT: leads out of the Lab, or in circles. The text says only what. */
int index_resolve(const struct index *ix, const char *path, size_t *at,
                  struct repx_err *err);
/* All links: relative, and not out of the Lab by their text or by what they meet. What a
 * link inside names need not exist. */
int index_check_links(const struct index *ix, struct repx_err *err);

/* path without "." components and double slashes, in the arena. NULL if it is empty,
 * absolute, too long, or has a ".." component. */
const char *index_clean_path(struct arena *a, const char *path, size_t len);

#endif
