/* SPDX-License-Identifier: MIT */
/* block.h: a pack in blocks, each as it is or compressed by itself (zstd).
 *
 *     length (4, little endian; BLOCK_PACKED set: compressed)
 *     when compressed: length of the content (4)
 *     so many bytes
 *
 * No block holds more than BLOCK_MAX bytes of content, and none depends on another, so what
 * a reader has to keep is bounded whatever it is sent. block.c reads, block_press.c writes. */
#ifndef REPX_WIRE_BLOCK_H
#define REPX_WIRE_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include <kit/buf.h>
#include <kit/err.h>

#define BLOCK_MAX 262144
#define BLOCK_PACKED 0x80000000u

struct blocks;

/* What comes out goes to `bytes`; -1 from it ends the reading with its error. */
struct blocks *blocks_create(int (*bytes)(void *ctx, const void *at, size_t n,
                                          struct repx_err *err),
                             void *ctx);
void blocks_destroy(struct blocks *b); /* NULL is fine */
int blocks_input(struct blocks *b, const void *bytes, size_t n, struct repx_err *err);
/* No more bytes: fails within a block. */
int blocks_end(struct blocks *b, struct repx_err *err);

struct press;

struct press *press_create(void);
void press_destroy(struct press *p); /* NULL is fine */
/* Append a block with these bytes (at most BLOCK_MAX), compressed at that level (0: as they
 * are) if that makes it smaller by a sixteenth. Returns the bytes of the block. */
size_t press_block(struct press *p, const void *bytes, size_t n, int level,
                   struct repx_buf *to);

#endif
