/* SPDX-License-Identifier: MIT */
/* endian.h: little endian numbers at any address. */
#ifndef REPX_WIRE_ENDIAN_H
#define REPX_WIRE_ENDIAN_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t le_get(const uint8_t *p, size_t bytes)
{
    uint64_t v = 0;

    for (size_t i = bytes; i > 0; i--)
        v = v << 8 | p[i - 1];
    return v;
}

static inline void le_put(uint8_t *p, size_t bytes, uint64_t v)
{
    for (size_t i = 0; i < bytes; i++, v >>= 8)
        p[i] = (uint8_t)(v & 0xff);
}

static inline uint32_t le32_get(const uint8_t *p)
{
    return (uint32_t)le_get(p, 4);
}

static inline void le32_put(uint8_t *p, uint32_t v)
{
    le_put(p, 4, v);
}

#endif
