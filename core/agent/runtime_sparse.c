/* SPDX-License-Identifier: MIT */
/* runtime_sparse.c: files that GNU tar stored without their holes, in its four ways.
 *
 * type S       pieces in the header block and in blocks that go on with it
 * pax 0.0      records GNU.sparse.offset and numbytes, one pair for each piece
 * pax 0.1      a record GNU.sparse.map=OFFSET,LENGTH,OFFSET,LENGTH...
 * pax 1.0      the number of pieces, offsets and lengths, a line each, before the data
 *
 * The pieces stand in the archive one behind the other. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "runtime_tar.h"

#define BLOCK ((size_t)512)
#define PIECES_MAX (1u << 20)
#define PIECE_LEN 24 /* two numbers of 12 */
#define FIRST_AT 386
#define FIRST_COUNT 4
#define MORE_AT 482
#define SIZE_AT 483
#define NEXT_COUNT 21
#define NEXT_MORE_AT 504

static int damaged(struct repx_err *err)
{
    return repx_fail(err, REPX_E_CORRUPT, "layer: a sparse file with a damaged map");
}

void sparse_free(struct tar_sparse *s)
{
    free(s->pieces);
    free(s->name);
    *s = (struct tar_sparse){0};
}

/* Pieces ascend and lie inside of what a file can be; whether they lie in this one is
 * looked at when all are known. */
static int add_piece(struct tar_sparse *s, int64_t offset, int64_t length,
                     struct repx_err *err)
{
    const struct tar_piece *last = s->count ? &s->pieces[s->count - 1] : NULL;

    if (offset < 0 || length < 0 || offset > INT64_MAX - length ||
        s->count == PIECES_MAX ||
        (last && (uint64_t)offset < last->offset + last->length))
        return damaged(err);
    if (!(s->count & (s->count - 1)))
        s->pieces = repx_grow(s->pieces, s->count * 2 + 1, sizeof(*s->pieces));
    s->pieces[s->count++] =
        (struct tar_piece){.offset = (uint64_t)offset, .length = (uint64_t)length};
    return 0;
}

/* ---- type S ---- */

static int add_fields(struct tar_sparse *s, const uint8_t *at, size_t count,
                      struct repx_err *err)
{
    for (size_t i = 0; i < count; i++, at += PIECE_LEN) {
        if (!at[0] && !at[12])
            return 0; /* the rest is not used */
        if (add_piece(s, tar_number(at, 12), tar_number(at + 12, 12), err) < 0)
            return -1;
    }
    return 0;
}

int sparse_block(struct tar_in *in, struct repx_err *err)
{
    struct tar_sparse *s = &in->sparse;
    int64_t size = tar_number(in->block + SIZE_AT, 12);
    uint8_t block[BLOCK];
    int more = in->block[MORE_AT];

    sparse_free(s);
    s->given = 1;
    s->size = (uint64_t)size;
    if (size < 0 || add_fields(s, in->block + FIRST_AT, FIRST_COUNT, err) < 0)
        return damaged(err);
    while (more) {
        if (tar_read(in, block, BLOCK, err) != 1)
            return repx_fail(err, REPX_E_CORRUPT, "layer: cut short");
        if (add_fields(s, block, NEXT_COUNT, err) < 0)
            return -1;
        more = block[NEXT_MORE_AT];
    }
    return 0;
}

/* ---- pax ---- */

/* Decimal digits up to a character `end`, which is passed over; -1 when there are
 * none. */
static int64_t decimal(const char **at, char end)
{
    const char *p = *at;
    int64_t v = 0;

    while (*p >= '0' && *p <= '9' && v < INT64_MAX / 16)
        v = v * 10 + (*p++ - '0');
    if (p == *at || (*p && *p != end))
        return -1;
    *at = p + (*p == end && *p);
    return v;
}

static int take_map(struct tar_sparse *s, const char *at, struct repx_err *err)
{
    while (*at) {
        int64_t offset = decimal(&at, ',');
        if (add_piece(s, offset, *at ? decimal(&at, ',') : -1, err) < 0)
            return -1;
    }
    return 0;
}

/* A length belongs to the offset before it. */
static int take_length(struct tar_sparse *s, int64_t length, struct repx_err *err)
{
    struct tar_piece *last = s->count ? &s->pieces[s->count - 1] : NULL;

    if (!last || last->length || length < 0 ||
        last->offset > (uint64_t)(INT64_MAX - length))
        return damaged(err);
    last->length = (uint64_t)length;
    return 0;
}

int sparse_record(struct tar_in *in, const char *key, const char *value,
                  struct repx_err *err)
{
    struct tar_sparse *s = &in->sparse;
    const char *at = value;

    s->given = 1;
    if (strcmp(key, "name") == 0) {
        free(s->name);
        s->name = repx_strdup(value);
        return 0;
    }
    if (strcmp(key, "map") == 0)
        return take_map(s, value, err);
    int64_t v = decimal(&at, 0);
    if (v < 0)
        return damaged(err);
    if (strcmp(key, "offset") == 0)
        return add_piece(s, v, 0, err);
    if (strcmp(key, "numbytes") == 0)
        return take_length(s, v, err);
    if (strcmp(key, "size") == 0 || strcmp(key, "realsize") == 0)
        s->size = (uint64_t)v;
    if (strcmp(key, "major") == 0)
        s->in_data = v == 1;
    if (strcmp(key, "major") == 0 && v > 1) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "layer: a sparse file of a kind that is not known; make the "
                         "image without --sparse");
    }
    return 0;
}

/* ---- data ---- */

/* Lines at the front of the data, in whole blocks. */
struct lines {
    struct tar_in *in;
    uint64_t left; /* of the data */
    uint8_t block[BLOCK];
    size_t at; /* in the block; BLOCK: read the next one */
};

static int64_t next_line(struct lines *l, struct repx_err *err)
{
    int64_t v = 0;

    for (int digits = 0;; digits++) {
        if (l->at == BLOCK) {
            if (l->left < BLOCK || tar_read(l->in, l->block, BLOCK, err) != 1)
                return -1;
            l->left -= BLOCK;
            l->at = 0;
        }
        uint8_t c = l->block[l->at++];
        if (c == '\n' && digits)
            return v;
        if (c < '0' || c > '9' || v > INT64_MAX / 16)
            return -1;
        v = v * 10 + (c - '0');
    }
}

static int map_in_data(struct tar_in *in, struct tar_sparse *s, uint64_t *left,
                       struct repx_err *err)
{
    struct lines l = {.in = in, .left = *left, .at = BLOCK};
    int64_t count = next_line(&l, err);

    if (count < 0)
        return damaged(err);
    for (int64_t i = 0; i < count; i++) {
        int64_t offset = next_line(&l, err);
        if (add_piece(s, offset, offset < 0 ? -1 : next_line(&l, err), err) < 0)
            return -1;
    }
    *left = l.left;
    return 0;
}

static int write_pieces(struct tar_in *in, const struct tar_sparse *s, uint64_t left,
                        int to, struct repx_err *err)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct tar_piece *p = &s->pieces[i];
        if (p->length > left || p->offset + p->length > s->size)
            return damaged(err);
        if (p->length && lseek(to, (off_t)p->offset, SEEK_SET) < 0)
            return repx_fail_errno(err, "layer");
        if (tar_bytes(in, p->length, to, err) < 0)
            return -1;
        left -= p->length;
    }
    if (left)
        return damaged(err);
    return ftruncate(to, (off_t)s->size) < 0 ? repx_fail_errno(err, "write") : 0;
}

int tar_content(struct tar_in *in, const struct tar_member *m, int to,
                struct repx_err *err)
{
    struct tar_sparse map = {.size = m->sparse.size};
    uint64_t left = m->size;

    if (!m->sparse.given)
        return tar_data(in, m->size, to, err);
    if (m->sparse.size > INT64_MAX)
        return damaged(err);
    int rc = m->sparse.in_data ? map_in_data(in, &map, &left, err) : 0;
    if (rc == 0) {
        rc = write_pieces(in, m->sparse.in_data ? &map : &m->sparse, left, to, err);
    }
    free(map.pieces);
    return rc < 0 ? -1 : tar_bytes(in, (BLOCK - m->size % BLOCK) % BLOCK, -1, err);
}
