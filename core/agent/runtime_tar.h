/* SPDX-License-Identifier: MIT */
/* runtime_tar.h: layers of an image, unpacked one over the other.
 *
 * A layer is hostile: its names and links are resolved as if the directory were `/`, so
 * no entry, and no link of an earlier layer, leads outside. Owners, set-id bits, devices
 * and extended attributes are dropped; `.wh.NAME` removes what earlier layers had. */
#ifndef REPX_AGENT_RUNTIME_TAR_H
#define REPX_AGENT_RUNTIME_TAR_H

#include <stdint.h>
#include <sys/types.h>

#include <kit/buf.h>
#include <kit/err.h>

/* A file that is stored without its holes: what of it is there. */
struct tar_piece {
    uint64_t offset, length;
};

struct tar_sparse {
    int given;     /* it is such a file */
    int in_data;   /* the pieces are told before the data, in decimal lines */
    uint64_t size; /* with the holes */
    struct tar_piece *pieces;
    size_t count;
    char *name; /* NULL: the header's */
};

/* One member as its headers tell it. */
struct tar_member {
    char *name, *link; /* link: of links */
    char type;         /* '0' file, '1' hard link, '2' symbolic link, '5' directory */
    unsigned mode;
    uint64_t size; /* of what stands in the archive */
    int64_t mtime;
    struct tar_sparse sparse;
};

/* An archive being read. */
struct tar_in {
    int fd;
    uint8_t *block;              /* of 512 bytes */
    char *long_name, *long_link; /* of the next member */
    int64_t long_size;           /* -1: none */
    struct tar_sparse sparse;    /* of the next member */
    int glance;                  /* skip by lseek */
};

/* 1 with *m (tar_member_finish it), 0 at the end, -1. Afterwards the member's data has
 * to be read or skipped with tar_data. */
int tar_next(struct tar_in *in, struct tar_member *m, struct repx_err *err);
/* Take the data of a member: write it to `to`, or skip it when that is -1. */
int tar_data(struct tar_in *in, uint64_t size, int to, struct repx_err *err);
/* The content of a file, with its holes, into the empty file `to`. */
int tar_content(struct tar_in *in, const struct tar_member *m, int to,
                struct repx_err *err);
void tar_member_finish(struct tar_member *m);

/* ---- parts of it ---- */

/* Exactly n bytes of the archive: 1, 0 at its very end, -1. */
int tar_read(struct tar_in *in, void *to, size_t n, struct repx_err *err);
/* n bytes of a member's data, without what fills its last block up. */
int tar_bytes(struct tar_in *in, uint64_t n, int to, struct repx_err *err);
/* Octal digits, or base 256 when the first bit is set; -1 when neither. */
int64_t tar_number(const uint8_t *field, size_t n);
/* runtime_sparse.c: from a header block of type S and those that go on with it, and from
 * a pax record GNU.sparse.KEY; what they tell is of in->sparse. */
int sparse_block(struct tar_in *in, struct repx_err *err);
int sparse_record(struct tar_in *in, const char *key, const char *value,
                  struct repx_err *err);
void sparse_free(struct tar_sparse *s);

#define LAYER_ENTRIES_MAX 5000000 /* of one layer: a disk has as many inodes */

struct layer_options {
    uint64_t max; /* members; more are refused */
    struct repx_buf
        *notes; /* NULL: over what lies in the directory. Else alone, into an
                              * empty one: what it means for other layers is noted */
    void (*tick)(void *ctx); /* called now and then; may be NULL */
    void *ctx;
};

/* Unpack the archive in file fd over the directory root. */
int layer_unpack(int fd, int root, const struct layer_options *o, struct repx_err *err);
/* Put a layer that was unpacked alone, in directory `from`, over the directory root: its
 * files become hard links where that is possible. The same comes out as if it had been
 * unpacked there. */
int layer_merge(int from, const struct repx_buf *notes, int root,
                const struct layer_options *o, struct repx_err *err);

/* ---- parts of it (runtime_untar.c) ---- */

/* The real place of a path in root, its parents made if need be. NULL with *err; NULL
 * without when it is root itself. Caller frees. */
char *root_place_of(int root, const char *name, struct repx_err *err);
int root_put_dir(int root, const char *place, unsigned mode, struct repx_err *err);
int root_whiteout(int root, const char *path, struct repx_err *err);
int root_hard_link(int root, const char *place, const char *target,
                   struct repx_err *err);
/* Make what lacks of a directory, or of an empty file, at that path as if root were `/`:
 * a place to mount something on. */
int root_place(int root, const char *path, int is_dir, struct repx_err *err);

#endif
