/* SPDX-License-Identifier: MIT */
/* What sync plugins do with it. A delta pays when it is clearly shorter than the file: whole
 * files are taken up again where they were cut off, deltas are not. So the delta is made once
 * to see how long it gets; a short one is kept meanwhile, a long one made again as it is sent,
 * since it may be larger than memory. */
#include "delta_own.h"

#include <kit/alloc.h>
#include <kit/buf.h>
#include <kit/err.h>

#define KEEP ((size_t)16 << 20)
#define PAYS(length) ((length) / 10 * 7)

/* ---- reading the source ---- */

struct place {
    const struct repx_sync_host *sync;
    uint64_t index;
};

static int64_t read_place(void *ctx, uint64_t offset, void *to, uint64_t len,
                          struct repx_err *err)
{
    const struct place *p = ctx;

    return p->sync->source_read(p->sync->ctx, p->index, offset, to, len, err);
}

/* ---- one file ---- */

static int keep(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    struct repx_buf *kept = ctx;

    (void)err;
    if (kept->len <= KEEP)
        repx_buf_add(kept, bytes, n);
    return 0;
}

static int send_part(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    const struct place *p = ctx;

    return p->sync->patch(p->sync->ctx, p->index, bytes, n, 0, err);
}

static int send_end(const struct place *p, struct repx_err *err)
{
    return p->sync->patch(p->sync->ctx, p->index, NULL, 0, 1, err);
}

/* 1 sent, 0 it does not pay, -1. */
static int send_one(struct place *p, uint64_t length, const struct repx_buf *signature,
                    struct repx_err *err)
{
    const struct delta_source source = {p, read_place, length, PAYS(length)};
    REPX_AUTO_BUF struct repx_buf kept = {0};
    int rc = delta_make(signature->data, signature->len, &source, keep, &kept, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (kept.len <= KEEP) {
        rc = send_part(p, kept.data, kept.len, err);
    } else {
        repx_buf_free(&kept);
        rc = delta_make(signature->data, signature->len, &source, send_part, p, err);
        if (rc == 1)
            rc = repx_fail(err, REPX_E_CORRUPT, "changed while it was sent; run again");
    }
    return rc < 0 || send_end(p, err) < 0 ? -1 : 1;
}

/* ---- many ---- */

static void take(void *ctx, const void *bytes, uint64_t n)
{
    struct repx_buf *signature = ctx;

    /* longer than it may be: whole then, since a part is none */
    if (n <= DELTA_SIGNATURE_MAX && signature->len <= DELTA_SIGNATURE_MAX)
        repx_buf_add(signature, bytes, (size_t)n);
}

static int send_entry(const struct repx_sync_host *sync, uint64_t i,
                      struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf signature = {0};
    struct repx_entry e = {.size = sizeof(e)};
    struct place p = {sync, i};

    if (sync->host->canceled(sync->host->ctx))
        return repx_fail(err, REPX_E_CANCELED, "cancelled");
    if (sync->signature(sync->ctx, i, take, &signature, err) < 0)
        return -1;
    if (!signature.len)
        return 0;
    if (sync->source_entry(sync->ctx, i, &e, err) < 0)
        return -1;
    REPX_AUTO_FREE char *path = repx_strdup(e.path); /* lent until the next service */
    int rc = send_one(&p, e.length, &signature, err);
    return rc < 0 ? repx_wrap(err, "%s", path) : rc;
}

int64_t delta_send(const struct repx_sync_host *sync, const uint64_t *entries,
                   uint64_t count, struct repx_err *err)
{
    int64_t sent = 0;

    if (!sync->signature || !sync->patch)
        return 0;
    for (uint64_t i = 0; i < count; i++) {
        int rc = send_entry(sync, entries[i], err);
        if (rc < 0)
            return -1;
        sent += rc;
    }
    return sent;
}
