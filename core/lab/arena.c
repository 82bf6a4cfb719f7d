/* SPDX-License-Identifier: MIT */
#include "arena.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#define CHUNK ((size_t)256 * 1024)
#define ALIGNED 16

struct arena_chunk {
    struct arena_chunk *older;
    uint64_t pad; /* keeps what follows aligned */
};

static void *take(struct arena *a, size_t size)
{
    size_t start = sizeof(struct arena_chunk);

    if (!a->chunks || a->room - a->used < size) {
        size_t room = size > CHUNK / 4 ? size + start : CHUNK;
        struct arena_chunk *chunk = repx_alloc(room);
        /* A large block of its own goes behind, the newest still has room. */
        if (a->chunks && size > CHUNK / 4) {
            chunk->older = a->chunks->older;
            a->chunks->older = chunk;
            return (char *)chunk + start;
        }
        chunk->older = a->chunks;
        a->chunks = chunk;
        a->used = start;
        a->room = room;
    }
    char *at = (char *)a->chunks + a->used;
    a->used += size;
    return at;
}

void *arena_alloc(struct arena *a, size_t size)
{
    a->used = (a->used + ALIGNED - 1) & ~(size_t)(ALIGNED - 1);
    if (a->used > a->room)
        a->used = a->room;
    return take(a, size ? size : 1);
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / 2 / size)
        return repx_array(count, size); /* ends the process: no such memory */
    return arena_alloc(a, count * size);
}

char *arena_bytes(struct arena *a, size_t n)
{
    return take(a, n);
}

char *arena_text(struct arena *a, const char *bytes, size_t n)
{
    char *to = take(a, n + 1);

    memcpy(to, bytes, n);
    to[n] = 0;
    return to;
}

void *arena_copy(struct arena *a, const void *from, size_t size)
{
    void *to = arena_alloc(a, size);

    if (size)
        memcpy(to, from, size);
    return to;
}

void arena_free(struct arena *a)
{
    while (a->chunks) {
        struct arena_chunk *older = a->chunks->older;
        free(a->chunks);
        a->chunks = older;
    }
    *a = (struct arena){0};
}

uint64_t text_hash(const char *bytes, size_t n)
{
    uint64_t h = UINT64_C(0x9e3779b97f4a7c15) ^ n, word;

    for (; n >= 8; bytes += 8, n -= 8) {
        memcpy(&word, bytes, 8);
        h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 32;
    }
    word = 0;
    memcpy(&word, bytes, n);
    h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
    return h ^ (h >> 29);
}

static void rehash(struct intern *names)
{
    size_t mask = names->mask ? names->mask * 2 + 1 : 1023;
    const char **slots = repx_array(mask + 1, sizeof(*slots));

    for (size_t i = 0; names->slots && i <= names->mask; i++) {
        const char *text = names->slots[i];
        if (!text)
            continue;
        size_t at = (size_t)text_hash(text, strlen(text)) & mask;
        while (slots[at])
            at = (at + 1) & mask;
        slots[at] = text;
    }
    free(names->slots);
    names->slots = slots;
    names->mask = mask;
}

const char *intern_text(struct intern *names, const char *bytes, size_t n)
{
    if (names->count * 2 >= names->mask)
        rehash(names);
    size_t at = (size_t)text_hash(bytes, n) & names->mask;
    for (; names->slots[at]; at = (at + 1) & names->mask) {
        if (strncmp(names->slots[at], bytes, n) == 0 && !names->slots[at][n])
            return names->slots[at];
    }
    names->count++;
    return names->slots[at] = arena_text(names->arena, bytes, n);
}

void intern_free(struct intern *names)
{
    free(names->slots);
    *names = (struct intern){0};
}
