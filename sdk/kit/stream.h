/* SPDX-License-Identifier: MIT */
/* stream.h: JSON of any length, read as it comes: what a scheduler prints of a million jobs
 * is never in memory as a whole. */
#ifndef REPX_KIT_STREAM_H
#define REPX_KIT_STREAM_H

#include <stdint.h>

#include "buf.h"

#define REPX_STREAM_DEPTH 16   /* deeper is no answer of a scheduler */
#define REPX_STREAM_TEXT 65536 /* of one text the rest is left out */

struct repx_stream {
    /* A text, a number or a word. keys[0..depth-1] are the names on the way to it; an
     * element of a list has the name "". */
    void (*value)(void *ctx, const char *const *keys, unsigned depth, const char *text);
    /* An object or a list ends: its own name is the last. */
    void (*end)(void *ctx, const char *const *keys, unsigned depth);
    void *ctx;
    /* the reader's own */
    struct repx_buf keys[REPX_STREAM_DEPTH];
    char kinds[REPX_STREAM_DEPTH + 1];
    struct repx_buf text;
    unsigned depth;
    int state, is_key, escape, hex, bad, done;
    uint32_t unit;
};

/* Is the output of a struct repx_run. */
void repx_stream_take(void *stream, const char *bytes, uint64_t n);
/* Frees; -1 when it was no JSON, or not all of it. */
int repx_stream_end(struct repx_stream *s);

#endif
