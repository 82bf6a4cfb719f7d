/* SPDX-License-Identifier: MIT */
/* upload_packer.c: the thread that reads, packs and compresses. */
#include "core/target/upload_packer.h"

#include <string.h>
#include <time.h>

#include <kit/err.h>

#include "core/wire/digest.h"

#define NS 1000000000.0
#define SKIP_MOST 32   /* blocks that are not tried after some that did not shrink */
#define LIKED 0.9      /* of its size: then a block shrank */
#define LINK_SLOW 10e6 /* bytes a second */
#define RETRY 16       /* blocks: what did not pay is tried again */
#define IDLE 8       /* times faster than the link: there is time to compress better */
#define BUSY 3       /* less than that: there is none */
#define EARLIER 0.75 /* weight of what was measured earlier */

/* Of this thread: what other programs take of the processor slows the link down as well. */
static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / NS;
}

/* ---- compress or not ---- */

/* Compressing takes time on this machine and saves time on the link. While nothing was
 * measured it is tried, but for a target on this machine: what is slow there is the disk. */
static int level_for(struct packer *p, double link)
{
    static const int levels[] = {1, 3, 6};
    const unsigned last = sizeof(levels) / sizeof(levels[0]) - 1;
    unsigned before = p->level;

    if (!p->blocks_known || (p->near && (link <= 0 || link > LINK_SLOW)))
        return 0;
    if (link <= 0 || p->speed <= 0)
        return levels[p->level];
    /* the two overlap, and what is not sent need not be encrypted: hence the half */
    if (p->speed * (1 - p->ratio) < link / 2)
        return ++p->unasked % RETRY ? 0 : levels[0];
    if (p->speed > link * IDLE && p->level < last) {
        p->level++;
    } else if (p->speed < link * BUSY && p->level > 0) {
        p->level--;
    }
    if (p->level != before)
        p->speed = 0; /* of another level */
    return levels[p->level];
}

static void note(double *value, double seen)
{
    *value = *value > 0 ? *value * EARLIER + seen * (1 - EARLIER) : seen;
}

static void make_block(struct packer *p, double link, struct repx_buf *to)
{
    if (!p->blocks_known) {
        repx_buf_add(to, p->raw.data, p->raw.len);
        return;
    }
    int level = p->skip ? 0 : level_for(p, link);
    double from = level ? now() : 0;
    size_t got = press_block(p->press, p->raw.data, p->raw.len, level, to);
    p->skip -= p->skip > 0;
    if (!level)
        return;
    double took = now() - from, ratio = (double)got / (double)p->raw.len;
    if (ratio < LIKED) {
        p->skip_next = 0;
        note(&p->speed, (double)p->raw.len / (took > 1e-9 ? took : 1e-9));
        note(&p->ratio, ratio);
    } else {
        p->skip_next = p->skip_next ? p->skip_next * 2 : 1;
        p->skip_next = p->skip_next < SKIP_MOST ? p->skip_next : SKIP_MOST;
        p->skip = p->skip_next;
    }
}

/* ---- out ---- */

/* Hand over what was packed; waits while the sender has enough. -1: give up. */
static int emit(struct packer *p)
{
    struct repx_buf block = {0};
    int rc = 0;

    if (!p->raw.len)
        return 0;
    (void)pthread_mutex_lock(&p->lock);
    double link = p->link;
    (void)pthread_mutex_unlock(&p->lock);
    make_block(p, link, &block);
    p->raw.len = 0;
    (void)pthread_mutex_lock(&p->lock);
    while (p->block_count == PACKER_BLOCKS && !p->stop)
        (void)pthread_cond_wait(&p->more, &p->lock);
    if (p->stop) {
        repx_buf_free(&block);
        rc = -1;
    } else {
        p->blocks[(p->block_first + p->block_count++) % PACKER_BLOCKS] = block;
        (void)pthread_cond_signal(&p->moved);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return rc;
}

static int add(struct packer *p, const void *bytes, size_t n)
{
    const uint8_t *at = bytes;

    while (n) {
        size_t take = BLOCK_MAX - p->raw.len;
        take = take < n ? take : n;
        repx_buf_add(&p->raw, at, take);
        at += take;
        n -= take;
        if (p->raw.len == BLOCK_MAX && emit(p) < 0)
            return -1;
    }
    return 0;
}

/* ---- in ---- */

/* Exactly n bytes, or the pack would be out of step. */
static int read_all(struct packer *p, const struct packer_job *job, uint64_t at,
                    uint8_t *to, size_t n, struct repx_err *err)
{
    for (size_t got = 0; got < n;) {
        int64_t r = p->source->read(p->source->ctx, job->index, at + got, to + got,
                                    n - got, err);
        if (r < 0)
            return -1;
        if (r == 0 || (uint64_t)r > n - got) {
            return repx_fail(err, REPX_E_CORRUPT,
                             "became shorter while it was sent; run again");
        }
        got += (size_t)r;
    }
    return 0;
}

static void count(struct packer *p, uint64_t sent, uint64_t skipped)
{
    (void)pthread_mutex_lock(&p->lock);
    p->count.bytes += sent;
    p->count.skipped += skipped;
    (void)pthread_mutex_unlock(&p->lock);
}

/* How much of a piece, from its beginning, the target has. */
static size_t same_as_there(struct packer *p, const struct packer_job *job, uint64_t at)
{
    struct digest got;

    if (at >= job->here.bytes)
        return 0;
    uint64_t left = job->here.bytes - at;
    size_t n = left < PACK_CHUNK ? (size_t)left : (size_t)PACK_CHUNK;
    digest_of(p->piece, n, &got);
    const uint8_t *told = job->here.pieces + at / PACK_CHUNK * REPX_DIGEST_LEN;
    return memcmp(got.bytes, told, REPX_DIGEST_LEN) == 0 ? n : 0;
}

/* The ranges of an object that the target has parts of. */
static int pack_ranges(struct packer *p, const struct packer_job *job,
                       struct repx_err *err)
{
    uint8_t range[PACK_RANGE];

    for (uint64_t at = 0; at < job->head.length; at += PACK_CHUNK) {
        uint64_t left = job->head.length - at;
        size_t n = left < PACK_CHUNK ? (size_t)left : (size_t)PACK_CHUNK;
        if (read_all(p, job, at, p->piece, n, err) < 0)
            return -1;
        size_t same = same_as_there(p, job, at);
        count(p, n - same, same);
        if (same == n)
            continue;
        pack_range_put(range, at + same, (uint32_t)(n - same));
        if (add(p, range, sizeof(range)) < 0 || add(p, p->piece + same, n - same) < 0)
            return repx_fail(err, REPX_E_CANCELED, "given up");
    }
    pack_range_put(range, 0, 0);
    return add(p, range, sizeof(range)) < 0
               ? repx_fail(err, REPX_E_CANCELED, "given up")
               : 0;
}

static int pack_job(struct packer *p, const struct packer_job *job,
                    struct repx_err *err)
{
    uint8_t head[PACK_HEAD];

    pack_head_put(head, &job->head);
    if (add(p, head, sizeof(head)) < 0)
        return repx_fail(err, REPX_E_CANCELED, "given up");
    if (job->head.parts)
        return pack_ranges(p, job, err);
    for (uint64_t at = 0; at < job->head.length;) {
        uint64_t left = job->head.length - at;
        size_t n = left < PACK_CHUNK ? (size_t)left : (size_t)PACK_CHUNK;
        if (read_all(p, job, at, p->piece, n, err) < 0)
            return -1;
        if (add(p, p->piece, n) < 0)
            return repx_fail(err, REPX_E_CANCELED, "given up");
        count(p, n, 0);
        at += n;
    }
    return 0;
}

/* The next job: 1, 0 at the end, -1 given up. */
static int take(struct packer *p, struct packer_job *job)
{
    (void)pthread_mutex_lock(&p->lock);
    while (!p->job_count && !p->last && !p->stop)
        (void)pthread_cond_wait(&p->more, &p->lock);
    int rc = p->stop ? -1 : p->job_count > 0;
    if (rc > 0) {
        *job = p->jobs[p->job_first];
        p->job_first = (p->job_first + 1) % PACKER_JOBS;
        p->job_count--;
        (void)pthread_cond_signal(&p->moved);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return rc;
}

void *packer_main(void *ctx)
{
    struct packer *p = ctx;
    struct packer_job job = {0};
    struct repx_err err = {0};
    int rc = 0, failed = 0;

    while (!failed && (rc = take(p, &job)) > 0)
        failed = pack_job(p, &job, &err) < 0;
    if (rc == 0 && !failed)
        (void)emit(p);
    (void)pthread_mutex_lock(&p->lock);
    p->failed = failed;
    p->failed_at = job.index;
    p->err = err;
    p->done = 1;
    (void)pthread_cond_signal(&p->moved);
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}
