/* SPDX-License-Identifier: MIT */
#include "core/wire/digest.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>

#define READ_STEP 65536

_Static_assert(sizeof(struct sha256_ctx) <= sizeof(struct digest_ctx),
               "struct digest_ctx is too small for the library's context");
_Static_assert(_Alignof(struct sha256_ctx) <= _Alignof(struct digest_ctx),
               "struct digest_ctx is not aligned as the library's context");

static struct sha256_ctx *inside(struct digest_ctx *c)
{
    return (struct sha256_ctx *)(void *)c->opaque;
}

void digest_begin(struct digest_ctx *c)
{
    sha256_init(inside(c));
}

void digest_add(struct digest_ctx *c, const void *bytes, size_t n)
{
    if (n)
        sha256_update(inside(c), n, bytes);
}

void digest_end(struct digest_ctx *c, struct digest *out)
{
    sha256_digest(inside(c), sizeof(out->bytes), out->bytes);
}

void digest_of(const void *bytes, size_t n, struct digest *out)
{
    struct digest_ctx c;

    digest_begin(&c);
    digest_add(&c, bytes, n);
    digest_end(&c, out);
}

int digest_fd(int fd, struct digest *out, uint64_t *length, struct repx_err *err)
{
    REPX_AUTO_FREE char *buffer = repx_alloc(READ_STEP);
    struct digest_ctx c;
    uint64_t total = 0;

    digest_begin(&c);
    for (;;) {
        ssize_t n = read(fd, buffer, READ_STEP);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return repx_fail_errno(err, "read");
        if (n == 0)
            break;
        digest_add(&c, buffer, (size_t)n);
        total += (uint64_t)n;
    }
    digest_end(&c, out);
    if (length)
        *length = total;
    return 0;
}

void digest_hex(const struct digest *d, char hex[DIGEST_HEX])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < sizeof(d->bytes); i++) {
        hex[2 * i] = digits[d->bytes[i] >> 4];
        hex[2 * i + 1] = digits[d->bytes[i] & 15];
    }
    hex[DIGEST_HEX - 1] = 0;
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

int digest_parse(const char *hex, struct digest *d)
{
    for (size_t i = 0; i < sizeof(d->bytes); i++) {
        int high = nibble(hex[2 * i]);
        int low = high < 0 ? -1 : nibble(hex[2 * i + 1]);
        if (low < 0)
            return 0;
        d->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return hex[DIGEST_HEX - 1] == 0;
}

static int by_path(const void *a, const void *b)
{
    const struct repx_entry *const *x = a;
    const struct repx_entry *const *y = b;

    return strcmp((*x)->path, (*y)->path); /* strcmp compares as unsigned bytes */
}

/* Does the next entry in order lie below the directory d? Entries that share a prefix
 * with d may stand between d and its content ("d-x" before "d/y"), so look on past them. */
static int holds_something(const struct repx_entry **sorted, size_t count, size_t i)
{
    const char *path = sorted[i]->path;
    size_t n = strlen(path);

    for (size_t k = i + 1; k < count && strncmp(sorted[k]->path, path, n) == 0; k++) {
        if (sorted[k]->path[n] == '/')
            return 1;
    }
    return 0;
}

static void add_entry(struct digest_ctx *c, const struct repx_entry *e)
{
    if (e->kind == REPX_ENTRY_FILE) {
        digest_add(c, e->executable ? "x" : "f", 1);
        digest_add(c, e->digest, REPX_DIGEST_LEN);
    } else if (e->kind == REPX_ENTRY_LINK) {
        digest_add(c, "l", 1);
        digest_add(c, e->link, strlen(e->link) + 1);
    } else {
        digest_add(c, "d", 1);
    }
    digest_add(c, e->path, strlen(e->path) + 1);
}

void digest_tree(const struct repx_entry *entries, size_t count, struct digest *out)
{
    static const char head[] = "repx-tree-1\n";
    REPX_AUTO_FREE const struct repx_entry **sorted =
        repx_array(count, sizeof(struct repx_entry *));
    struct digest_ctx c;

    int in_order = 1; /* as they mostly come */
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &entries[i];
        in_order = in_order && (!i || by_path(&sorted[i - 1], &sorted[i]) <= 0);
    }
    if (!in_order)
        qsort(sorted, count, sizeof(struct repx_entry *), by_path);
    digest_begin(&c);
    digest_add(&c, head, sizeof(head) - 1);
    for (size_t i = 0; i < count; i++) {
        if (sorted[i]->kind != REPX_ENTRY_DIR || !holds_something(sorted, count, i))
            add_entry(&c, sorted[i]);
    }
    digest_end(&c, out);
}
