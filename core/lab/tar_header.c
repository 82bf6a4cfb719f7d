/* SPDX-License-Identifier: MIT */
#include "tar_header.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 512
#define META_MAX (1u << 20) /* a pax header or a long name */
#define NAME_LONGEST 4096

/* Fields of a header block: where, and how long. */
enum {
    NAME_AT = 0,
    NAME_LEN = 100,
    MODE_AT = 100,
    SIZE_AT = 124,
    SUM_AT = 148,
    TYPE_AT = 156,
    LINK_AT = 157,
    LINK_LEN = 100,
    MAGIC_AT = 257,
    PREFIX_AT = 345,
    PREFIX_LEN = 155
};

/* What the headers before a member say about it. */
struct override {
    struct repx_buf name, link;
    int has_name, has_link, has_size;
    uint64_t size;
};

void tar_member_finish(struct tar_member *m)
{
    repx_buf_free(&m->name);
    repx_buf_free(&m->link);
}

/* Exactly n bytes at an offset; fewer are an error. */
static int tar_read_at(const struct tar_reader *r, uint64_t offset, void *to, size_t n,
                       struct repx_err *err)
{
    char *p = to;

    while (n) {
        ssize_t got = pread(r->fd, p, n, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return repx_fail_errno(err, "byte %" PRIu64, offset);
        if (got == 0) {
            return repx_fail(err, REPX_E_CORRUPT,
                             "byte %" PRIu64 ": the archive is cut off; copy it again",
                             offset);
        }
        p += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return 0;
}

/* A number: octal digits, or base 256 with the top bit of the first byte set. */
static int parse_number(const unsigned char *at, size_t len, uint64_t *value)
{
    size_t i = 0;

    *value = 0;
    if (at[0] & 0x80) {
        if (at[0] != 0x80)
            return -1; /* negative, or beyond 2^88 */
        for (i = 1; i < len; i++) {
            if (*value >> 55)
                return -1;
            *value = *value << 8 | at[i];
        }
        return 0;
    }
    while (i < len && at[i] == ' ')
        i++;
    for (; i < len && at[i] >= '0' && at[i] <= '7'; i++) {
        if (*value >> 60)
            return -1;
        *value = *value << 3 | (uint64_t)(at[i] - '0');
    }
    return i == len || at[i] == 0 || at[i] == ' ' ? 0 : -1;
}

static int sum_is_right(const unsigned char *block)
{
    uint64_t want, sum = 0;

    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= SUM_AT && i < SUM_AT + 8 ? ' ' : block[i];
    return parse_number(block + SUM_AT, 8, &want) == 0 && want == sum;
}

static const char *compressed(const unsigned char *block)
{
    static const struct {
        const char *magic;
        size_t len;
        const char *name;
    } kinds[] = {{"\x1f\x8b", 2, "gzip"},
                 {"BZh", 3, "bzip2"},
                 {"\xfd"
                  "7zXZ",
                  5, "xz"},
                 {"\x28\xb5\x2f\xfd", 4, "zstd"}};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (memcmp(block, kinds[i].magic, kinds[i].len) == 0)
            return kinds[i].name;
    }
    return NULL;
}

/* 1: a good header block; 0: the end of the archive. */
static int read_block(struct tar_reader *r, unsigned char *block, struct repx_err *err)
{
    static const unsigned char zeros[BLOCK];

    if (r->size == 0)
        return repx_fail(err, REPX_E_CORRUPT, "the archive is empty; copy it again");
    if (tar_read_at(r, r->pos, block, r->size < BLOCK ? r->size : BLOCK, err) < 0)
        return -1;
    if (r->pos == 0 && compressed(block)) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "this is compressed with %s; decompress it first",
                         compressed(block));
    }
    if (r->size < BLOCK) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "neither a directory nor a tar archive; name a Lab");
    }
    if (memcmp(block, zeros, BLOCK) == 0)
        return 0;
    if (!sum_is_right(block)) {
        return repx_fail(err, REPX_E_CORRUPT,
                         r->pos ? "byte %" PRIu64
                                  ": no tar header where one must be; copy it again"
                                : "byte %" PRIu64
                                  ": neither a directory nor a tar archive; name a Lab",
                         r->pos);
    }
    return 1;
}

static int read_meta(struct tar_reader *r, const struct tar_member *m,
                     struct repx_buf *to, struct repx_err *err)
{
    if (m->length > META_MAX) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "byte %" PRIu64 ": a header of %" PRIu64
                         " bytes; make the archive again",
                         m->offset, m->length);
    }
    to->len = 0;
    char *room = repx_buf_room(to, m->length);
    if (tar_read_at(r, m->offset, room, m->length, err) < 0)
        return -1;
    to->len = m->length;
    to->data[to->len] = 0;
    return 0;
}

static int pax_value(struct override *o, const char *key, size_t key_len,
                     const char *value, size_t len)
{
    if (key_len >= 10 && memcmp(key, "GNU.sparse", 10) == 0)
        return -1;
    if (key_len == 4 && memcmp(key, "path", 4) == 0) {
        o->has_name = 1;
        o->name.len = 0;
        repx_buf_add(&o->name, value, len);
    } else if (key_len == 8 && memcmp(key, "linkpath", 8) == 0) {
        o->has_link = 1;
        o->link.len = 0;
        repx_buf_add(&o->link, value, len);
    } else if (key_len == 4 && memcmp(key, "size", 4) == 0) {
        o->has_size = 1;
        o->size = 0;
        for (size_t i = 0; i < len; i++) {
            if (value[i] < '0' || value[i] > '9' || o->size > UINT64_MAX / 16)
                return -1;
            o->size = o->size * 10 + (uint64_t)(value[i] - '0');
        }
    }
    return 0;
}

/* Records "LENGTH KEY=VALUE\n", LENGTH counting all of the record. */
static int parse_pax(const char *p, size_t n, struct override *o)
{
    while (n && *p) {
        size_t len = 0, i = 0;
        for (; i < n && p[i] >= '0' && p[i] <= '9' && len <= n; i++)
            len = len * 10 + (size_t)(p[i] - '0');
        if (i == 0 || i >= n || p[i] != ' ' || len > n || len < i + 3 ||
            p[len - 1] != '\n')
            return -1;
        const char *key = p + i + 1, *end = p + len - 1;
        const char *equals = memchr(key, '=', (size_t)(end - key));
        if (!equals || pax_value(o, key, (size_t)(equals - key), equals + 1,
                                 (size_t)(end - equals - 1)) < 0)
            return -1;
        p += len;
        n -= len;
    }
    return 0;
}

static void put_field(struct repx_buf *to, const unsigned char *at, size_t len)
{
    const unsigned char *end = memchr(at, 0, len);

    repx_buf_add(to, at, end ? (size_t)(end - at) : len);
}

static int parse_block(const unsigned char *block, uint64_t pos, struct tar_member *m,
                       struct repx_err *err)
{
    uint64_t mode;

    m->name.len = m->link.len = 0;
    if (memcmp(block + MAGIC_AT, "ustar", 6) == 0 && block[PREFIX_AT]) {
        put_field(&m->name, block + PREFIX_AT, PREFIX_LEN);
        repx_buf_char(&m->name, '/');
    }
    put_field(&m->name, block + NAME_AT, NAME_LEN);
    put_field(&m->link, block + LINK_AT, LINK_LEN);
    memcpy(&m->type, block + TYPE_AT, 1);
    if (m->type == 0)
        m->type = '0';
    m->offset = pos + BLOCK;
    if (parse_number(block + SIZE_AT, 12, &m->length) < 0 ||
        parse_number(block + MODE_AT, 8, &mode) < 0) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "byte %" PRIu64
                         ": a malformed number in the header; make the archive again",
                         pos);
    }
    m->mode = (uint32_t)(mode & 07777);
    return 0;
}

static void apply(struct tar_member *m, const struct override *o)
{
    if (o->has_name) {
        m->name.len = 0;
        repx_buf_add(&m->name, o->name.data, o->name.len);
    }
    if (o->has_link) {
        m->link.len = 0;
        repx_buf_add(&m->link, o->link.data, o->link.len);
    }
    if (o->has_size)
        m->length = o->size;
    if (m->type == '7')
        m->type = '0';
    if (m->type == '0' && m->name.len && m->name.data[m->name.len - 1] == '/')
        m->type = '5';
    if (m->type == '1' || m->type == '2' || m->type == '5')
        m->length = 0; /* whatever the field says, nothing follows */
}

/* Headers about the next member: 1 when m was one. */
static int take_meta(struct tar_reader *r, const struct tar_member *m,
                     struct override *o, struct repx_err *err)
{
    struct repx_buf text = {0};
    int rc = 1;

    if (m->type == 'L' || m->type == 'K') {
        struct repx_buf *to = m->type == 'L' ? &o->name : &o->link;
        rc = read_meta(r, m, &text, err) < 0 ? -1 : 1;
        to->len = 0;
        repx_buf_str(to, repx_buf_text(&text));
        *(m->type == 'L' ? &o->has_name : &o->has_link) = 1;
    } else if (m->type == 'x') {
        rc = read_meta(r, m, &text, err) < 0 ? -1 : 1;
        if (rc == 1 && parse_pax(repx_buf_text(&text), text.len, o) < 0) {
            rc = repx_fail(err, REPX_E_CORRUPT,
                           "byte %" PRIu64
                           ": a malformed or sparse pax header; make "
                           "the archive again without --sparse",
                           m->offset);
        }
    } else if (m->type != 'g') {
        rc = 0;
    }
    repx_buf_free(&text);
    return rc;
}

static int check_member(const struct tar_reader *r, const struct tar_member *m,
                        struct repx_err *err)
{
    const char *name = repx_buf_text(&m->name);

    if (m->length > r->size - m->offset) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "%s: the archive is cut off in it; copy it again", name);
    }
    if (m->type == 'S') {
        return repx_fail(err, REPX_E_CORRUPT,
                         "%s: is stored as a sparse file; make the archive again "
                         "without --sparse",
                         name);
    }
    if (m->name.len > NAME_LONGEST || m->link.len > NAME_LONGEST ||
        memchr(name, 0, m->name.len) ||
        memchr(repx_buf_text(&m->link), 0, m->link.len)) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "byte %" PRIu64
                         ": a name with NUL or more than %d bytes; rename the file",
                         m->offset - BLOCK, NAME_LONGEST);
    }
    return 0;
}

static int next_member(struct tar_reader *r, struct tar_member *m, struct override *o,
                       struct repx_err *err)
{
    unsigned char block[BLOCK] = {0};
    int meta = 1;

    while (meta == 1) {
        int more = read_block(r, block, err);
        if (more <= 0)
            return more;
        if (parse_block(block, r->pos, m, err) < 0)
            return -1;
        int about_next =
            m->type == 'x' || m->type == 'g' || m->type == 'L' || m->type == 'K';
        if (!about_next)
            apply(m, o);
        if (check_member(r, m, err) < 0)
            return -1;
        meta = take_meta(r, m, o, err);
        if (meta < 0)
            return -1;
        uint64_t padded = (m->length + BLOCK - 1) / BLOCK * BLOCK;
        r->pos = m->offset + padded;
    }
    return 1;
}

int tar_next(struct tar_reader *r, struct tar_member *m, struct repx_err *err)
{
    struct override o = {0};
    int rc = next_member(r, m, &o, err);

    repx_buf_free(&o.name);
    repx_buf_free(&o.link);
    return rc;
}
