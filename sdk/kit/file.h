/* SPDX-License-Identifier: MIT */
/* file.h: files that appear whole or not at all, and reading with a limit. Paths may be
 * relative to dir (AT_FDCWD for none). */
#ifndef REPX_KIT_FILE_H
#define REPX_KIT_FILE_H

#include <dirent.h>
#include <sys/types.h>

#include "buf.h"
#include "err.h"

/* All of a regular file; more than max bytes is REPX_E_CORRUPT. */
int repx_read_file(int dir, const char *path, size_t max, struct repx_buf *to,
                   struct repx_err *err);
/* Write to "<path>.<pid>.tmp", rename. Or REPX_DURABLE to the mode for an fsync between. */
#define REPX_DURABLE ((mode_t)010000000)
int repx_write_file(int dir, const char *path, const void *bytes, size_t n, mode_t mode,
                    struct repx_err *err);
/* mkdir -p; mode for new directories. Existing ones are fine. */
int repx_make_dirs(const char *path, mode_t mode, struct repx_err *err);
/* Remove a file, link or whole tree without following links; making directories
 * writable on the way. What is not there is fine. */
int repx_remove_tree(int dir, const char *path, struct repx_err *err);
/* The next entry. NULL with errno 0 at the end, else with the error: then what was read is not
 * all that is there. */
struct dirent *repx_readdir(DIR *d);
/* All n bytes or -1; EINTR and short writes are handled. */
int repx_write_all(int fd, const void *bytes, size_t n);
/* Is `path` relative, without empty, "." or ".." components and without NUL or a
 * leading or trailing slash? Such a path stays below the directory it is joined to. */
int repx_path_is_inside(const char *path);
/* Where this user's NAME is remembered: "$XDG_CACHE_HOME/repx/NAME", else
 * "$HOME/.cache/repx/NAME"; NULL when neither is an absolute path. The caller frees. */
char *repx_cache_path(const char *name);

#endif
