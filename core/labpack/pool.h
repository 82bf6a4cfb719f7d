/* SPDX-License-Identifier: MIT */
/* pool.h: memory that is released all at once. A definition is thousands of small texts
 * that live and die together. */
#ifndef REPX_LABPACK_POOL_H
#define REPX_LABPACK_POOL_H

#include <stddef.h>

struct pool_block;
struct pool {
    struct pool_block *blocks; /* zeroed is an empty pool */
};

void *pool_alloc(struct pool *p, size_t size); /* zeroed */
void *pool_array(struct pool *p, size_t count, size_t size);
char *pool_strn(struct pool *p, const char *s, size_t n);
char *pool_str(struct pool *p, const char *s); /* NULL gives NULL */
char *pool_format(struct pool *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* `array` of count elements with room for one more; grows by doubling, so count must go
 * up by one each time. */
void *pool_grow(struct pool *p, void *array, size_t count, size_t size);
void pool_free(struct pool *p);

#endif
