/* SPDX-License-Identifier: MIT */
/* arena.h: memory that goes all at once, and texts that are kept once. */
#ifndef REPX_LAB_ARENA_H
#define REPX_LAB_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    size_t used, room;          /* of the newest */
};

/* Zeroed, aligned for any type; never NULL. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_array(struct arena *a, size_t count, size_t size);
/* n zero bytes, for text. */
char *arena_bytes(struct arena *a, size_t n);
/* A copy of n bytes and a zero byte. */
char *arena_text(struct arena *a, const char *bytes, size_t n);
void *arena_copy(struct arena *a, const void *from, size_t size);
void arena_free(struct arena *a);

/* One copy of each text, so that many jobs share "main" or "$out/result.txt". */
struct intern {
    struct arena *arena;
    const char **slots;
    size_t count, mask;
};

const char *intern_text(struct intern *names, const char *bytes, size_t n);
void intern_free(struct intern *names);

uint64_t text_hash(const char *bytes, size_t n);

#endif
