/* SPDX-License-Identifier: MIT */
/* runtime_tar.c: reading ustar, GNU long names, pax records and sparse files. */
#include "runtime_tar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#define BLOCK ((size_t)512)
#define LONG_MAX_BYTES (1u << 20)
#define CHUNK ((size_t)256 * 1024)

int tar_read(struct tar_in *in, void *to, size_t n, struct repx_err *err)
{
    uint8_t *p = to;
    size_t got = 0;

    while (got < n) {
        ssize_t r = read(in->fd, p + got, n - got);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return repx_fail_errno(err, "layer");
        if (r == 0)
            return got == 0 ? 0 : repx_fail(err, REPX_E_CORRUPT, "layer: cut short");
        got += (size_t)r;
    }
    return 1;
}

int64_t tar_number(const uint8_t *field, size_t n)
{
    uint64_t v = 0;
    size_t i = 0;

    if (field[0] & 0x80) {
        for (i = 1; i < n; i++) {
            if (v >> 54)
                return -1;
            v = v << 8 | field[i];
        }
        return (field[0] & 0x7f) ? -1 : (int64_t)v;
    }
    while (i < n && field[i] == ' ')
        i++;
    for (; i < n && field[i] >= '0' && field[i] <= '7'; i++) {
        if (v >> 58)
            return -1;
        v = v << 3 | (uint64_t)(field[i] - '0');
    }
    return i == n || field[i] == 0 || field[i] == ' ' ? (int64_t)v : -1;
}

static int checksum_ok(const uint8_t *b)
{
    int64_t sum = 0;

    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : b[i];
    return sum == tar_number(b + 148, 8);
}

static int all_zero(const uint8_t *b)
{
    for (size_t i = 0; i < BLOCK; i++) {
        if (b[i])
            return 0;
    }
    return 1;
}

int tar_bytes(struct tar_in *in, uint64_t n, int to, struct repx_err *err)
{
    REPX_AUTO_FREE uint8_t *chunk =
        n ? repx_alloc(n < CHUNK ? (size_t)n : CHUNK) : NULL;

    while (n) {
        size_t part = n < CHUNK ? (size_t)n : CHUNK;
        if (tar_read(in, chunk, part, err) != 1)
            return repx_fail(err, REPX_E_CORRUPT, "layer: cut short");
        if (to >= 0 && repx_write_all(to, chunk, part) < 0)
            return repx_fail_errno(err, "write");
        n -= part;
    }
    return 0;
}

static uint64_t padding(uint64_t size)
{
    return (BLOCK - size % BLOCK) % BLOCK;
}

int tar_data(struct tar_in *in, uint64_t size, int to, struct repx_err *err)
{
    uint64_t pad = padding(size);

    if (in->glance && to < 0 && size < INT64_MAX - BLOCK) {
        return lseek(in->fd, (off_t)(size + pad), SEEK_CUR) < 0
                   ? repx_fail_errno(err, "layer")
                   : 0;
    }
    return tar_bytes(in, size, to, err) < 0 ? -1 : tar_bytes(in, pad, -1, err);
}

/* The data of a header that describes the next member, as text. */
static char *long_data(struct tar_in *in, uint64_t size, struct repx_err *err)
{
    if (size > LONG_MAX_BYTES) {
        (void)repx_fail(err, REPX_E_CORRUPT, "layer: a name of %llu bytes",
                        (unsigned long long)size);
        return NULL;
    }
    char *text = repx_alloc((size_t)size + BLOCK + 1);
    size_t whole = ((size_t)size + BLOCK - 1) / BLOCK * BLOCK;
    if (whole && tar_read(in, text, whole, err) != 1) {
        free(text);
        (void)repx_fail(err, REPX_E_CORRUPT, "layer: cut short");
        return NULL;
    }
    text[size] = 0;
    return text;
}

static int pax_take(struct tar_in *in, const char *key, const char *value,
                    struct repx_err *err)
{
    static const char sparse[] = "GNU.sparse.";
    char **to = strcmp(key, "path") == 0       ? &in->long_name
                : strcmp(key, "linkpath") == 0 ? &in->long_link
                                               : NULL;

    if (to) {
        free(*to);
        *to = repx_strdup(value);
    } else if (strcmp(key, "size") == 0) {
        in->long_size = strtoll(value, NULL, 10);
    } else if (strncmp(key, sparse, sizeof(sparse) - 1) == 0) {
        return sparse_record(in, key + sizeof(sparse) - 1, value, err);
    }
    return 0;
}

/* "LENGTH KEY=VALUE\n" repeated. */
static int pax_read(struct tar_in *in, char *text, size_t n, struct repx_err *err)
{
    for (size_t at = 0; at < n;) {
        char *end = NULL;
        unsigned long long len = strtoull(text + at, &end, 10);
        size_t head = (size_t)(end - (text + at));
        char *equals = len > head && len <= n - at && *end == ' '
                           ? memchr(end, '=', (size_t)len - head)
                           : NULL;
        if (!equals || text[at + len - 1] != '\n')
            return repx_fail(err, REPX_E_CORRUPT, "layer: damaged pax header");
        *equals = 0;
        text[at + len - 1] = 0;
        if (pax_take(in, end + 1, equals + 1, err) < 0)
            return -1;
        at += (size_t)len;
    }
    return 0;
}

/* A header that only describes the next one: 1 taken, 0 it is a member, -1. */
static int describes_next(struct tar_in *in, char type, uint64_t size,
                          struct repx_err *err)
{
    if (type != 'L' && type != 'K' && type != 'x' && type != 'g')
        return 0;
    char *text = long_data(in, size, err);
    if (!text)
        return -1;
    int rc = 1;
    if (type == 'L' || type == 'K') {
        char **to = type == 'L' ? &in->long_name : &in->long_link;
        free(*to);
        *to = repx_strdup(text);
    } else if (type == 'x' && pax_read(in, text, (size_t)size, err) < 0) {
        rc = -1;
    }
    free(text);
    return rc;
}

static char *field_text(const uint8_t *field, size_t n)
{
    const char *s = (const char *)field;

    return repx_strndup(s, strnlen(s, n));
}

static char *block_name(const uint8_t *b)
{
    REPX_AUTO_FREE char *name = field_text(b, 100);
    REPX_AUTO_FREE char *prefix = field_text(b + 345, 155);

    if (memcmp(b + 257, "ustar\0", 6) == 0 && *prefix)
        return repx_format("%s/%s", prefix, name);
    return repx_strdup(name);
}

static void member_fill(struct tar_in *in, struct tar_member *m)
{
    const uint8_t *b = in->block;

    m->sparse = in->sparse;
    in->sparse = (struct tar_sparse){0};
    m->name = in->long_name ? in->long_name : block_name(b);
    if (m->sparse.name) {
        free(m->name);
        m->name = m->sparse.name;
        m->sparse.name = NULL;
    }
    m->link = in->long_link ? in->long_link : field_text(b + 157, 100);
    in->long_name = in->long_link = NULL;
    m->mode = (unsigned)tar_number(b + 100, 8) & 0777u;
    m->mtime = tar_number(b + 136, 12);
    m->type = '0'; /* also what old archives say with 0, and contiguous files */
    if (b[156] != 0 && b[156] != '7' && b[156] != 'S')
        m->type = (char)(b[156] & 0x7f);
    if (in->long_size >= 0)
        m->size = (uint64_t)in->long_size;
    in->long_size = -1;
    if (m->type != '0') /* links may state a size and have no data */
        m->size = m->type == '1' || m->type == '2' || m->type == '5' ? 0 : m->size;
}

int tar_next(struct tar_in *in, struct tar_member *m, struct repx_err *err)
{
    for (;;) {
        int rc = tar_read(in, in->block, BLOCK, err);
        if (rc <= 0 || all_zero(in->block))
            return rc < 0 ? -1 : 0;
        int64_t size = tar_number(in->block + 124, 12);
        if (!checksum_ok(in->block) || size < 0) {
            return repx_fail(err, REPX_E_CORRUPT,
                             "layer: not a tar archive, or a compressed one");
        }
        rc = describes_next(in, (char)in->block[156], (uint64_t)size, err);
        if (rc < 0)
            return -1;
        if (rc == 1)
            continue;
        if (in->block[156] == 'M') {
            return repx_fail(err, REPX_E_UNSUPPORTED,
                             "layer: a part of an archive of several volumes; make the "
                             "image without them");
        }
        if (in->block[156] == 'S' && sparse_block(in, err) < 0)
            return -1;
        *m = (struct tar_member){.size = (uint64_t)size};
        member_fill(in, m);
        return 1;
    }
}

void tar_member_finish(struct tar_member *m)
{
    free(m->name);
    free(m->link);
    sparse_free(&m->sparse);
    *m = (struct tar_member){0};
}
