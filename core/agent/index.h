/* SPDX-License-Identifier: MIT */
/* index.h: the object index S/index: where content of a digest lies, and how to see cheaply
 * that it still does.
 *
 * One file per writer, merged when read; it is a cache, so a lost record costs a hash and no
 * more. First line "repx-index 1 HOST BOOT", then
 *
 *     F <sha256> <x or -> <size> <sec> <nsec> <ino> <path>     content at B/path
 *     T <sha256> <name>                                        a tree placed at B/name
 *     S                                   all of the above was on disk at this moment
 *
 * A witness with ino 0 is a bound: nothing was written there after that time (by the file
 * server's clock), so the file needs no stat of its own when it is created. With ino it is the
 * file's own mtime and inode. No device number: it differs between nodes.
 * F lines of another boot count only when an S follows, since what a crash lost may have
 * left a file of the right size. */
#ifndef REPX_AGENT_INDEX_H
#define REPX_AGENT_INDEX_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <kit/err.h>

#include "core/wire/digest.h"

#define INDEX_END UINT32_MAX

struct index_entry { /* there may be a million of them */
    struct digest digest;
    uint64_t size;
    int64_t sec;
    uint64_t ino; /* 0: sec and nsec are a bound */
    char *path;   /* relative to B */
    uint32_t nsec;
    uint32_t next; /* same digest and mode; INDEX_END */
    uint8_t executable;
    uint8_t dropped;
};

struct object_index;

/* Reads S/index; what is broken in it is skipped. Never fails. */
struct object_index *index_open(int state_fd, const char *host, const char *boot,
                                const char *writer);
void index_close(struct object_index *ix); /* NULL is fine; does not save */

/* Entries with that content: first, then ->next. */
uint32_t index_find(const struct object_index *ix, const struct digest *digest,
                    uint8_t executable);
struct index_entry *index_at(const struct object_index *ix, size_t i);
/* The entry for a path, or NULL. */
struct index_entry *index_path(const struct object_index *ix, const char *path);
/* Does what stat says agree with the entry's witness? `dir`: stat of the file's directory; a
 * bound speaks of bytes, and only the directory's time tells that no older file was moved
 * there since. NULL: not asked for. */
int index_agrees(const struct index_entry *e, const struct stat *st,
                 const struct stat *dir);
/* Has nothing taken the name of the tree, whose directory is `top`, since the bound was noted? What
 * another session staged before may be older than that, but was renamed later. */
int index_stood(const struct index_entry *e, const struct stat *top);

/* Note content at a path; replaces what was known of the path. Entries stay where they are
 * in memory; what they say goes to the file in pieces. */
void index_add(struct object_index *ix, const struct index_entry *entry);
void index_drop(struct index_entry *entry);
/* The entry's file was hashed and is right: from now on `st` is its witness. */
void index_refresh(struct object_index *ix, struct index_entry *entry,
                   const struct stat *st);
/* Note a tree; and call each digest that was noted for a name. */
void index_tree_add(struct object_index *ix, const char *name,
                    const struct digest *digest);
void index_tree_each(const struct object_index *ix, const char *name,
                     void (*each)(void *ctx, const struct digest *digest), void *ctx);
/* The names that trees were noted for, as often as they were: how many, in a fresh array. */
size_t index_tree_names(const struct object_index *ix, const char ***names);
/* A name, other than this one, at which that tree was noted last; or NULL. */
const char *index_tree_elsewhere(const struct object_index *ix,
                                 const struct digest *digest, const char *name);

/* Before a save that merges: forget files that are gone from B. */
void index_prune(struct object_index *ix, int base_fd);
/* Append what was added since the last time, and fsync. Merges old files into one when
 * there are many. */
int index_save(struct object_index *ix, struct repx_err *err);
/* Append the S line to this writer's file. */
void index_mark_safe(int state_fd, const char *writer);

#endif
