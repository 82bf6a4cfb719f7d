/* SPDX-License-Identifier: MIT */
/* follow.h: runs of a base path as the target tells of them, without the Lab. Answers are
 * lines of JSON (docs/following.md). */
#ifndef REPX_PIPELINE_FOLLOW_H
#define REPX_PIPELINE_FOLLOW_H

#include <kit/buf.h>

#include "core/target/target.h"

/* Takes a line, without its newline; -1 ends the call with that error. */
typedef int follow_fn(void *ctx, const char *line, size_t n, struct repx_err *err);

/* A reader of lines that come in pieces. `data` is for session_call, ctx is this. */
struct follow_lines {
    follow_fn *each;
    void *ctx;
    struct repx_buf rest;
};
int follow_data(void *ctx, const void *bytes, size_t n, struct repx_err *err);
void follow_lines_free(struct follow_lines *l);

/* One request, every line of its answer. fields (may be NULL) gets the result's. */
int follow_ask(struct target *target, uint16_t verb, const struct repx_buf *msg,
               follow_fn *each, void *ctx, struct repx_buf *fields,
               struct repx_err *err);

#endif
