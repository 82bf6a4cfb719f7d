/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#define BLOCK 65536u

struct pool_block {
    struct pool_block *next;
    size_t used, size;
    max_align_t data[];
};

static struct pool_block *new_block(struct pool *p, size_t size)
{
    struct pool_block *b = repx_alloc(sizeof(*b) + size);

    b->size = size;
    b->next = p->blocks;
    p->blocks = b;
    return b;
}

void *pool_alloc(struct pool *p, size_t size)
{
    struct pool_block *b = p->blocks;
    size_t need = (size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);

    if (!b || b->size - b->used < need)
        b = new_block(p, need > BLOCK ? need : BLOCK);
    void *at = (char *)b->data + b->used;
    b->used += need;
    return at;
}

void *pool_array(struct pool *p, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / 2 / size)
        return repx_array(count, size); /* ends the process: out of memory */
    return pool_alloc(p, count * size);
}

char *pool_strn(struct pool *p, const char *s, size_t n)
{
    char *to = pool_alloc(p, n + 1);

    if (n)
        memcpy(to, s, n);
    return to;
}

char *pool_str(struct pool *p, const char *s)
{
    return s ? pool_strn(p, s, strlen(s)) : NULL;
}

char *pool_format(struct pool *p, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return pool_str(p, "");
    char *to = pool_alloc(p, (size_t)n + 1);
    va_start(ap, fmt);
    (void)vsnprintf(to, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return to;
}

void *pool_grow(struct pool *p, void *array, size_t count, size_t size)
{
    if (count & (count - 1) || (count && count < 4))
        return array;
    if (count == 0)
        return pool_array(p, 4, size);
    void *to = pool_array(p, count * 2, size);
    memcpy(to, array, count * size);
    return to;
}

void pool_free(struct pool *p)
{
    while (p->blocks) {
        struct pool_block *next = p->blocks->next;
        free(p->blocks);
        p->blocks = next;
    }
}
