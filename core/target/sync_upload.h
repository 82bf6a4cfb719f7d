/* SPDX-License-Identifier: MIT */
/* sync_upload.h: the way of files' content to the agent.
 *
 * A thread reads, packs and compresses; the calling one sends. So the disk, the processor and
 * the link work at the same time. How much is compressed follows what is measured: how fast
 * bytes leave, how fast they are compressed, and by how much. */
#ifndef REPX_TARGET_SYNC_UPLOAD_H
#define REPX_TARGET_SYNC_UPLOAD_H

#include <repx/sync.h>

#include "core/target/session.h"
#include "core/target/target.h"

#define UPLOAD_AGAIN 1 /* wrong digests are counted, not fatal */
#define UPLOAD_NEAR 2  /* the target is this machine: begin without compressing */

struct upload;

/* Starts the call and the thread. Borrows all. */
struct upload_options {
    unsigned flags;  /* UPLOAD_* */
    uint32_t window; /* bytes on their way at a time; MUX_WINDOW at least */
};
struct upload *upload_create(struct session *session, const struct repx_host *host,
                             const struct sync_source *source,
                             const struct upload_options *options);
/* Cancels what was not finished. NULL is fine. */
void upload_destroy(struct upload *u);

/* Send source entry i. `here` bytes of it lie on the target; pieces (borrowed until the
 * upload is finished) are their digests (V_LACKING). */
struct upload_here {
    uint64_t bytes;
    const uint8_t *pieces;
};
int upload_put(struct upload *u, uint64_t i, const struct repx_entry *e,
               const struct upload_here *here, struct repx_err *err);
/* All was put: send what is left, without waiting for the answer. */
int upload_end(struct upload *u, struct repx_err *err);
/* The answer; *wrong objects are to be sent again. */
int upload_finish(struct upload *u, uint64_t *wrong, struct repx_err *err);

struct upload_count {
    uint64_t bytes;   /* of content that was sent */
    uint64_t skipped; /* of content that lay there already */
    uint64_t wire;    /* of the stream */
};
void upload_counts(struct upload *u, struct upload_count *count);

#endif
