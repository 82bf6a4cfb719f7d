/* SPDX-License-Identifier: MIT */
/* upload_packer.h: what the sending thread (sync_upload.c) and the packing one
 * (upload_packer.c) share. */
#ifndef REPX_TARGET_UPLOAD_PACKER_H
#define REPX_TARGET_UPLOAD_PACKER_H

#include <pthread.h>

#include <kit/buf.h>

#include "core/target/sync_upload.h"
#include "core/wire/block.h"
#include "core/wire/pack.h"

#define PACKER_JOBS 1024
#define PACKER_BLOCKS 8

struct packer_job {
    uint64_t index;
    struct pack_head head;
    struct upload_here here;
};

struct packer {
    const struct sync_source *source;
    int blocks_known; /* the agent takes blocks */
    pthread_t thread;
    int started;

    pthread_mutex_t lock; /* of all up to the next comment */
    pthread_cond_t more;  /* the packer may go on */
    pthread_cond_t moved; /* the sender may */
    struct packer_job jobs[PACKER_JOBS];
    size_t job_first, job_count;
    struct repx_buf blocks[PACKER_BLOCKS];
    size_t block_first, block_count;
    int last, stop;   /* no more jobs; give up */
    int done, failed; /* by the packer */
    struct repx_err err;
    uint64_t failed_at; /* entry */
    double link;        /* bytes a second that leave; 0: not known yet */
    struct upload_count count;

    /* of the packing thread */
    struct press *press;
    struct repx_buf raw;
    uint8_t *piece;
    double speed, ratio; /* of compressing; 0: not known yet */
    int near;            /* begin without */
    unsigned level;      /* how well: 0, 1, 2 */
    unsigned skip, skip_next, unasked;
};

/* The thread's function; ctx is the packer. */
void *packer_main(void *ctx);

#endif
