/* SPDX-License-Identifier: MIT */
/* Deltas: they lead to the new file, cost what they should, and nothing that comes from the
 * other side does harm. */
#define _GNU_SOURCE /* memfd_create */
#include "tap.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/buf.h>
#include <kit/file.h>

#include "core/delta/delta.h"

#define MIB ((size_t)1 << 20)

static uint32_t seed;

/* Bytes that do not compress, the same in every run. */
static uint8_t next_byte(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint8_t)(seed >> 24);
}

static void add_random(struct repx_buf *to, size_t n)
{
    char *room = repx_buf_room(to, n);

    for (size_t i = 0; i < n; i++)
        room[i] = (char)next_byte();
    to->len += n;
}

static int file_of(const struct repx_buf *b)
{
    int fd = memfd_create("delta", MFD_CLOEXEC);

    if (fd < 0 || repx_write_all(fd, repx_buf_text(b), b->len) < 0 ||
        lseek(fd, 0, SEEK_SET) < 0)
        abort();
    return fd;
}

static int collect(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    (void)err;
    repx_buf_add(ctx, bytes, n);
    return 0;
}

static int64_t read_buf(void *ctx, uint64_t offset, void *to, uint64_t len,
                        struct repx_err *err)
{
    const struct repx_buf *b = ctx;
    size_t n = b->len - (size_t)offset;

    (void)err;
    n = n < len ? n : (size_t)len;
    memcpy(to, b->data + offset, n);
    return (int64_t)n;
}

static int apply(const struct repx_buf *delta, const struct repx_buf *basis,
                 uint64_t length, struct repx_buf *made, struct repx_err *err)
{
    int delta_fd = file_of(delta), basis_fd = file_of(basis);
    int rc = delta_apply(delta_fd, basis_fd, length, collect, made, err);

    (void)close(delta_fd);
    (void)close(basis_fd);
    return rc;
}

static int make(const struct repx_buf *signature, struct repx_buf *to, uint64_t most,
                struct repx_buf *delta)
{
    const struct delta_source source = {to, read_buf, to->len, most};
    struct repx_err err = {0};

    return delta_make(signature->data, signature->len, &source, collect, delta, &err);
}

static void sign(const struct repx_buf *of, struct repx_buf *signature)
{
    struct repx_err err = {0};
    int fd = file_of(of);

    if (delta_signature(fd, of->len, collect, signature, &err) < 0)
        printf("# %s\n", err.text);
    (void)close(fd);
}

/* ---- changes ---- */

static void insert_in_front(struct repx_buf *to, const struct repx_buf *from)
{
    add_random(to, 1000);
    repx_buf_add(to, from->data, from->len);
}

static void cut_in_the_middle(struct repx_buf *to, const struct repx_buf *from)
{
    repx_buf_add(to, from->data, from->len / 2 - 12345);
    repx_buf_add(to, from->data + from->len / 2, from->len - from->len / 2);
}

static void grow_at_the_end(struct repx_buf *to, const struct repx_buf *from)
{
    repx_buf_add(to, from->data, from->len);
    add_random(to, 5000);
}

/* One in a hundred pages of 4 KiB. */
static void scatter(struct repx_buf *to, const struct repx_buf *from)
{
    repx_buf_add(to, from->data, from->len);
    for (size_t at = (size_t)4096 * 37; at + 4096 <= to->len;
         at += (size_t)4096 * 100) {
        for (size_t i = 0; i < 4096; i++)
            to->data[at + i] = (char)next_byte();
    }
}

static void nothing(struct repx_buf *to, const struct repx_buf *from)
{
    repx_buf_add(to, from->data, from->len);
}

static void rewrite(struct repx_buf *to, const struct repx_buf *from)
{
    add_random(to, from->len);
}

/* For 16 MiB; `cost` is of signature and delta together: rsync 3.2 takes about 49 KiB for a file
 * that did not change or was moved, and for the pages 49 KiB and 8 KiB each. */
static const struct {
    const char *name;
    void (*change)(struct repx_buf *to, const struct repx_buf *from);
    size_t cost;
} changes[] = {
    {"nothing", nothing, 60000},
    {"1,000 bytes in front", insert_in_front, 60000},
    {"12,345 bytes less", cut_in_the_middle, 60000},
    {"5,000 bytes more", grow_at_the_end, 66000},
    {"one page of a hundred", scatter, 500000},
};

static void deltas_lead_to_the_new_file(void)
{
    REPX_AUTO_BUF struct repx_buf old = {0};
    REPX_AUTO_BUF struct repx_buf signature = {0};
    struct repx_err err = {0};

    add_random(&old, 16 * MIB);
    sign(&old, &signature);
    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
        REPX_AUTO_BUF struct repx_buf new = {0};
        REPX_AUTO_BUF struct repx_buf delta = {0};
        REPX_AUTO_BUF struct repx_buf made = {0};
        changes[i].change(&new, &old);
        ok(make(&signature, &new, new.len, &delta) == 0, "%s", changes[i].name);
        ok(signature.len + delta.len < changes[i].cost, "costs %zu + %zu bytes",
           signature.len, delta.len);
        ok(apply(&delta, &old, new.len, &made, &err) == 0 &&
               made.len == new.len &&memcmp(made.data, new.data, new.len) == 0,
           "and leads there");
        int longer =
            delta.len < 100 || apply(&delta, &old, new.len - 1, &made, &err) < 0;
        ok(longer, "but not to more than was declared: %s", err.text);
    }
}

static void what_does_not_pay_is_left(void)
{
    REPX_AUTO_BUF struct repx_buf old = {0};
    REPX_AUTO_BUF struct repx_buf new = {0};
    REPX_AUTO_BUF struct repx_buf signature = {0};
    REPX_AUTO_BUF struct repx_buf delta = {0};

    add_random(&old, 2 * MIB);
    sign(&old, &signature);
    rewrite(&new, &old);
    ok(make(&signature, &new, new.len / 2, &delta) == 1, "another file: no delta");
    ok(delta.len <= new.len / 2, "and no more than asked for is made");
    ok(delta_suits(MIB, MIB) && delta_suits(MIB, 4 * MIB) && delta_suits(4 * MIB, MIB),
       "what is about as long suits");
    ok(!delta_suits(MIB - 1, MIB) && !delta_suits(MIB, 5 * MIB) &&
           !delta_suits(5 * MIB, MIB) && !delta_suits(UINT64_MAX, UINT64_MAX),
       "what is short, much longer or beyond all bounds does not");
}

/* ---- what others may send ---- */

static void put_be32(uint8_t *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(v >> (24 - 8 * i));
}

#define MAGIC 0x72730147u /* rolling sum of Rabin and Karp, BLAKE2 */

static const struct {
    const char *name;
    uint32_t magic, block, strong;
    size_t body;
} signatures[] = {
    {"another magic", 0x72730136u, 2048, 8, 1200},
    {"blocks of nothing", MAGIC, 0, 8, 1200},
    {"blocks of one byte", MAGIC, 1, 8, 1200},
    {"blocks of 2 GiB", MAGIC, 0x80000000u, 8, 1200},
    {"strong sums of nothing", MAGIC, 2048, 0, 1200},
    {"strong sums longer than there are", MAGIC, 2048, 33, 1221},
    {"strong sums of 4 GiB", MAGIC, 2048, 0xffffffffu, 1200},
    {"half a block's sums", MAGIC, 2048, 8, 1203},
    {"no blocks", MAGIC, 2048, 8, 0},
    {"more than there can be", MAGIC, 2048, 8, 9 * MIB / 12 * 12},
};

static void signatures_are_checked(void)
{
    REPX_AUTO_BUF struct repx_buf new = {0};

    add_random(&new, 2 * MIB);
    for (size_t i = 0; i < sizeof(signatures) / sizeof(*signatures); i++) {
        REPX_AUTO_BUF struct repx_buf signature = {0};
        REPX_AUTO_BUF struct repx_buf delta = {0};
        uint8_t head[12];
        put_be32(head, signatures[i].magic);
        put_be32(head + 4, signatures[i].block);
        put_be32(head + 8, signatures[i].strong);
        repx_buf_add(&signature, head, sizeof(head));
        add_random(&signature, signatures[i].body);
        ok(make(&signature, &new, new.len, &delta) == 1 && delta.len == 0,
           "refused: %s", signatures[i].name);
        signature.len = 7;
        ok(make(&signature, &new, new.len, &delta) == 1, "refused: cut off");
    }
}

/* One rolling sum for all blocks, and all different: each byte would be compared with all. */
static void slow_signatures_are_refused(void)
{
    REPX_AUTO_BUF struct repx_buf signature = {0};
    REPX_AUTO_BUF struct repx_buf new = {0};
    REPX_AUTO_BUF struct repx_buf delta = {0};
    uint8_t head[12];

    add_random(&new, 2 * MIB);
    put_be32(head, MAGIC);
    put_be32(head + 4, 512);
    put_be32(head + 8, 4);
    repx_buf_add(&signature, head, sizeof(head));
    for (uint32_t i = 0; i < 500000; i++) {
        put_be32(head, 12345);
        put_be32(head + 4, i);
        repx_buf_add(&signature, head, 8);
    }
    ok(make(&signature, &new, new.len, &delta) == 1, "refused: made to be slow");
}

static const struct {
    const char *name;
    const char *bytes;
    size_t n;
} deltas[] = {
    {"nothing", "", 0},
    {"another magic", "rs\x02\x37\0", 5},
    {"a magic alone", "rs\x02\x36", 4},
    {"a literal of 8 bytes and 3 of them",
     "rs\x02\x36\x08"
     "abc",
     8},
    {"a literal of 2^63 bytes", "rs\x02\x36\x44\x80\0\0\0\0\0\0\0", 13},
    {"a copy from beyond the end", "rs\x02\x36\x4f\x7f\xff\xff\xff\x10\0", 11},
    {"a copy from before the beginning",
     "rs\x02\x36\x54\xff\xff\xff\xff\xff\xff\xff\xf0\x10\0", 15},
    {"a copy of 2^62 bytes", "rs\x02\x36\x48\x00\x40\0\0\0\0\0\0\0\0", 15},
    {"a command that there is not", "rs\x02\x36\xff\0", 6},
    {"a copy of nothing", "rs\x02\x36\x45\0\0\0", 8},
};

static void deltas_are_checked(void)
{
    REPX_AUTO_BUF struct repx_buf old = {0};

    add_random(&old, 100000);
    for (size_t i = 0; i < sizeof(deltas) / sizeof(*deltas); i++) {
        REPX_AUTO_BUF struct repx_buf delta = {0};
        REPX_AUTO_BUF struct repx_buf made = {0};
        struct repx_err err = {0};
        repx_buf_add(&delta, deltas[i].bytes, deltas[i].n);
        int rc = apply(&delta, &old, 2 * MIB, &made, &err);
        ok(rc < 0, "refused: %s: %s", deltas[i].name, err.text);
    }
}

int main(void)
{
    deltas_lead_to_the_new_file();
    what_does_not_pay_is_left();
    signatures_are_checked();
    slow_signatures_are_refused();
    deltas_are_checked();
    return tap_end();
}
