/* SPDX-License-Identifier: MIT */
/* store_fs.h: the store's file calls. None follows a link in its last component, all are
 * counted, since what a file system of a cluster charges for is the number of them. */
#ifndef REPX_AGENT_STORE_FS_H
#define REPX_AGENT_STORE_FS_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <kit/err.h>

#include "core/wire/digest.h"

/* Metadata calls of this process so far; reads, writes and closes are none. */
uint64_t store_calls(void);

/* Long work within one call of the session: several times a second `tell` is called, from
 * between two calls or pieces of a file. NULL: nobody wants to know. */
void store_at_work(void (*tell)(void *ctx), void *ctx);
void store_rested(void); /* from now on it counts anew */
void store_worked(void); /* a piece is done */

int store_openat(int dir, const char *path, int flags, mode_t mode);
int store_mkdirat(int dir, const char *path);
int store_lstat(int dir, const char *path, struct stat *st);
int store_rename(int from_dir, const char *from, int to_dir, const char *to);
/* The same; a directory of ours on either side that its owner may not write, as Nix makes
 * them and RepX copies them, is opened up first when that is what is in the way. */
int store_move(int from_dir, const char *from, int to_dir, const char *to);
/* The two change places in one moment; ENOSYS, EINVAL: this file system cannot. */
int store_exchange(int a_dir, const char *a, int b_dir, const char *b);
/* Did a move fail with that errno because something has the name? */
int store_in_the_way(int error);
/* Let its owner write a directory. 1 when that changed something. */
int store_open_up(int dir, const char *path);
int store_linkat(int from_dir, const char *from, int to_dir, const char *to);
int store_symlinkat(const char *target, int dir, const char *path);
int store_unlinkat(int dir, const char *path);
/* Target of a link as a fresh string, or NULL with errno (EINVAL: it is no link). */
char *store_readlink(int dir, const char *path);

/* The directory `path` below dir, through real directories only; with `make` those that
 * are missing are created. A descriptor, or -1 with errno. */
int store_walk(int dir, const char *path, int make);

/* -1, *err telling what errno means for writing at root/path and what helps. */
int store_fail(struct repx_err *err, const char *root, const char *path);

/* Digest of what can be read from a descriptor; 1, or 0 when it cannot. */
int store_hash_fd(int fd, struct digest *out, uint64_t *length);
/* Digest of a regular file; 1, or 0 when it cannot be read or is none. */
int store_hash(int dir, const char *path, struct digest *out, uint64_t *length);

/* Copy a file into a new one, checking its digest. 1, 0 when the source is not what it
 * should be, -1 with errno when the copy could not be written. */
struct store_copy {
    int from_dir, to_dir;
    const char *from, *to;
    mode_t mode;
    const struct digest *digest;
    uint64_t length;
};
int store_copy(const struct store_copy *copy);

#endif
