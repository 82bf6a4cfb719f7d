/* SPDX-License-Identifier: MIT */
/* source.h: where a Lab's bytes come from: a directory or a tar archive, both as an index.
 *
 * Opening makes the index. Digests are worked out when they are asked for, by two
 * threads, and are remembered in the user's cache together with what the file was, so
 * that what has not changed is not read again. */
#ifndef REPX_LAB_SOURCE_H
#define REPX_LAB_SOURCE_H

#include <stdint.h>

#include <kit/buf.h>
#include <kit/err.h>

#include "core/wire/digest.h"
#include "index.h"
#include "parallel.h"

struct source {
    int fd; /* of the directory or the archive */
    int is_tar;
    int use_cache;
    int changed;        /* against what the cache holds */
    int64_t since_ns;   /* changed later than this: too young to be remembered */
    struct stamp whole; /* the archive's own */
    uint64_t whole_size;
    struct index index;
    struct index past; /* of the cache, while it may help */
    struct arena arenas[LAB_WORKERS];
    int open_fd; /* the file read last, and its index */
    size_t open_at;
};

/* path: a directory with a manifest, or an archive. flags: LAB_NO_CACHE. */
int source_open(struct source *s, const char *path, unsigned flags,
                struct repx_err *err);
/* Write down what was learnt, if anything was. Failing is nobody's business. */
void source_remember(struct source *s, const char *path);
void source_close(struct source *s);

/* Make sure that these entries (files) have STAMP_DIGEST; NULL: all files. Errors are
 * "PATH: what; cure". */
int source_digest(struct source *s, const size_t *which, size_t count,
                  struct repx_err *err);
/* All of a file, at most max bytes. */
int source_text(struct source *s, size_t i, size_t max, struct repx_buf *to,
                struct repx_err *err);
int64_t source_read(struct source *s, size_t i, uint64_t offset, void *to, size_t len,
                    struct repx_err *err);

/* The file behind entry i of a directory, open for reading, and what it is. */
struct stat;
int source_open_file(struct source *s, size_t i, struct stat *st, struct repx_err *err);

/* walk.c: is there a manifest? Asked before anything is walked: the path may be a whole
 * home directory by mistake. */
int walk_has_manifest(const struct source *s);
/* The index of a directory; digests are taken over from s->past where nothing
 * changed. */
int walk_directory(struct source *s, struct repx_err *err);
/* Is the index, which came from the cache, still what is there? Files that changed lose
 * their digest. 1 yes; 0: something came, went or changed its kind. */
int walk_again(struct source *s);

/* Seconds and nanoseconds in one number. */
void stamp_of(const struct stat *st, struct stamp *stamp);
int stamp_equal(const struct stamp *a, const struct stamp *b);

/* cache.c: read what is remembered about path into *ix (of a tar: if s->whole is still the
 * same). Returns 1 when there was something good. */
int cache_load(struct source *s, const char *path, struct index *ix);
void cache_save(const struct source *s, const char *path);
/* Where in such a file the path of its Lab stands; -1: it is none. */
int64_t cache_path_at(int fd);
/* cache_prune.c: of a directory of such files those of Labs that are gone or that nobody
 * opened for 60 days. */
void cache_prune(const char *path);

#endif
