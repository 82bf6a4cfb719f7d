/* SPDX-License-Identifier: MIT */
#include "core/target/sync_upload.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kit/alloc.h>

#include "core/target/session_internal.h"
#include "core/target/upload_packer.h"
#include "core/wire/msg.h"
#include "core/wire/mux.h"
#include "core/wire/verbs.h"

#define WAIT_MS 100 /* between two looks whether the user gave up */
#define UNMEASURED (2 * (uint64_t)MUX_WINDOW) /* that much goes into buffers at first */
#define MEASURED ((uint64_t)1 << 20)          /* bytes of one measurement */

struct upload {
    struct session *session;
    const struct repx_host *host;
    const struct sync_source *source;
    struct session_call *call;
    int finished;
    struct packer packer;
    /* one measurement of the link */
    uint64_t sent, since;
    int64_t took_ns;
};

static int agent_takes_blocks(struct session *s)
{
    size_t n;
    const void *hello = session_hello(s, &n);

    return (msg_number(hello, n, F_FEATURES, 0) & FEATURE_BLOCKS) != 0;
}

static void start(struct packer *p)
{
    sigset_t all, before;

    (void)sigfillset(&all); /* signals are the main thread's */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    p->started = pthread_create(&p->thread, NULL, packer_main, p) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct upload *upload_create(struct session *session, const struct repx_host *host,
                             const struct sync_source *source,
                             const struct upload_options *options)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};
    struct upload *u = REPX_NEW(struct upload);
    struct packer *p = &u->packer;

    u->session = session;
    u->host = host;
    u->source = source;
    p->source = source;
    p->near = (options->flags & UPLOAD_NEAR) != 0;
    p->blocks_known = agent_takes_blocks(session);
    p->press = press_create();
    p->piece = repx_alloc(PACK_CHUNK);
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->more, NULL);
    (void)pthread_cond_init(&p->moved, NULL);
    msg_put_number(&msg, F_OPTIONS,
                   (options->flags & UPLOAD_AGAIN ? PUT_AGAIN : 0) |
                       (p->blocks_known ? PUT_BLOCKS : 0));
    if (options->window > MUX_WINDOW)
        msg_put_number(&msg, F_LIMIT, options->window);
    u->call = session_call(session, V_PUT, msg.data, msg.len, NULL, NULL);
    mux_accept(session->mux, u->call->stream, options->window);
    start(p);
    return u;
}

static void stop(struct packer *p)
{
    if (!p->started)
        return;
    (void)pthread_mutex_lock(&p->lock);
    p->stop = 1;
    (void)pthread_cond_signal(&p->more);
    (void)pthread_mutex_unlock(&p->lock);
    (void)pthread_join(p->thread, NULL);
    p->started = 0;
}

void upload_destroy(struct upload *u)
{
    if (!u)
        return;
    struct packer *p = &u->packer;
    stop(p);
    session_cancel(u->call);
    for (size_t i = 0; i < p->block_count; i++)
        repx_buf_free(&p->blocks[(p->block_first + i) % PACKER_BLOCKS]);
    repx_buf_free(&p->raw);
    press_destroy(p->press);
    free(p->piece);
    (void)pthread_cond_destroy(&p->moved);
    (void)pthread_cond_destroy(&p->more);
    (void)pthread_mutex_destroy(&p->lock);
    free(u);
}

/* ---- sending ---- */

static int64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* How fast bytes leave, in the time that sending them took. What is sent first only fills
 * buffers, which says nothing. */
static void measure(struct upload *u, size_t n, int64_t took_ns)
{
    u->sent += n;
    if (u->sent <= UNMEASURED)
        return;
    u->since += n;
    u->took_ns += took_ns;
    if (u->since < MEASURED)
        return;
    (void)pthread_mutex_lock(&u->packer.lock);
    u->packer.link = (double)u->since * 1e9 / (double)(u->took_ns + 1);
    (void)pthread_mutex_unlock(&u->packer.lock);
    u->since = 0;
    u->took_ns = 0;
}

/* 1 a block, to be freed; 0 none is ready. */
static int take_block(struct packer *p, struct repx_buf *block)
{
    if (!p->block_count)
        return 0;
    *block = p->blocks[p->block_first];
    p->blocks[p->block_first] = (struct repx_buf){0};
    p->block_first = (p->block_first + 1) % PACKER_BLOCKS;
    p->block_count--;
    (void)pthread_cond_signal(&p->more);
    return 1;
}

/* Send what is ready. The lock is held, and let go meanwhile. */
static int send_ready(struct upload *u, struct repx_err *err)
{
    struct packer *p = &u->packer;
    struct repx_buf block = {0};
    int rc = 0;

    while (rc == 0 && take_block(p, &block)) {
        (void)pthread_mutex_unlock(&p->lock);
        int64_t from = now_ns();
        rc = session_send(u->call, block.data, block.len, err);
        if (rc == 0)
            measure(u, block.len, now_ns() - from);
        repx_buf_free(&block);
        (void)pthread_mutex_lock(&p->lock);
    }
    p->count.wire = u->sent;
    return rc;
}

static void wait_a_moment(struct packer *p)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += WAIT_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    (void)pthread_cond_timedwait(&p->moved, &p->lock, &until);
}

static int packer_error(struct upload *u, struct repx_err *err)
{
    const struct packer *p = &u->packer;
    struct repx_entry e = {.size = sizeof(e)};
    struct repx_err ignored = {0};

    *err = p->err;
    if (u->source->entry(u->source->ctx, p->failed_at, &e, &ignored) == 0)
        return repx_wrap(err, "%s", e.path);
    return -1;
}

/* Send until `ready` says that it is enough. The lock is held. */
static int pump(struct upload *u, int (*ready)(const struct packer *p),
                struct repx_err *err)
{
    struct packer *p = &u->packer;

    for (;;) {
        if (send_ready(u, err) < 0)
            return -1;
        if (p->failed)
            return packer_error(u, err);
        if (ready(p))
            return 0;
        if (u->host->canceled(u->host->ctx)) {
            return repx_fail(err, REPX_E_CANCELED,
                             "cancelled; what was sent is not sent again next time");
        }
        wait_a_moment(p);
    }
}

static int has_room(const struct packer *p)
{
    return p->job_count < PACKER_JOBS;
}

static int is_done(const struct packer *p)
{
    return p->done && !p->block_count;
}

int upload_put(struct upload *u, uint64_t i, const struct repx_entry *e,
               const struct upload_here *here, struct repx_err *err)
{
    struct packer *p = &u->packer;
    struct packer_job job = {.index = i};

    if (!p->started)
        return repx_fail(err, REPX_E_FAILED, "no thread can be started to send files");
    memcpy(job.head.digest.bytes, e->digest, REPX_DIGEST_LEN);
    job.head.executable = e->executable != 0;
    job.head.length = e->length;
    job.head.parts = here && here->bytes;
    if (here)
        job.here = *here;
    (void)pthread_mutex_lock(&p->lock);
    int rc = pump(u, has_room, err);
    if (rc == 0) {
        p->jobs[(p->job_first + p->job_count++) % PACKER_JOBS] = job;
        (void)pthread_cond_signal(&p->more);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return rc;
}

int upload_end(struct upload *u, struct repx_err *err)
{
    struct packer *p = &u->packer;

    (void)pthread_mutex_lock(&p->lock);
    p->last = 1;
    (void)pthread_cond_signal(&p->more);
    int rc = p->started ? pump(u, is_done, err) : 0;
    (void)pthread_mutex_unlock(&p->lock);
    if (rc == 0)
        session_end(u->call);
    return rc == 0 && session_poll(u->call, 0, err) < 0 ? -1 : rc;
}

int upload_finish(struct upload *u, uint64_t *wrong, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf fields = {0};
    struct session_call *call = u->call;

    u->call = NULL;
    if (session_finish(call, &fields, err) < 0)
        return -1;
    *wrong = (uint64_t)msg_number(fields.data, fields.len, F_COUNT, 0);
    return 0;
}

void upload_counts(struct upload *u, struct upload_count *count)
{
    (void)pthread_mutex_lock(&u->packer.lock);
    *count = u->packer.count;
    (void)pthread_mutex_unlock(&u->packer.lock);
}
