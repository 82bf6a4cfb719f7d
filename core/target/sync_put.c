/* SPDX-License-Identifier: MIT */
/* Files' content on its way to the agent, and whether all is there. What arrived wrong is
 * sent once more. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/target/sync_own.h"
#include "core/wire/digest.h"
#include "core/wire/verbs.h"

#define PROGRESS_MS 100 /* between two progress calls */
#define TRIES 3         /* of one object in one transfer */

void sync_progress(struct sync_host *h, int now)
{
    int64_t ms = h->host->now_ms(h->host->ctx);
    struct upload_count count = {0};

    if (!now && ms - h->shown_ms < PROGRESS_MS)
        return;
    h->shown_ms = ms;
    if (h->upload)
        upload_counts(h->upload, &count);
    h->host->progress(h->host->ctx, "bytes",
                      h->sent.bytes + count.bytes + count.skipped, h->wanted);
}

static void begin(struct sync_host *h)
{
    h->put_count = 0;
    h->upload = upload_create(h->session, h->host, &h->shared,
                              (h->put_last ? 0 : UPLOAD_AGAIN) |
                                  (h->flags & SYNC_NEAR ? UPLOAD_NEAR : 0));
}

int32_t sync_put(void *ctx, uint64_t i, struct repx_err *err)
{
    struct sync_host *h = ctx;
    struct repx_entry e = {.size = sizeof(e)};
    struct upload_here there = {0};

    if (h->source->entry(h->source->ctx, i, &e, err) < 0)
        return -1;
    if (e.kind != REPX_ENTRY_FILE) {
        return repx_fail(err, REPX_E_USAGE, "%s: only files have content to send",
                         e.path);
    }
    if (!h->upload)
        begin(h);
    const struct here *here = sync_here(h, e.digest, e.executable);
    if (here && here->bytes <= e.length)
        there = (struct upload_here){here->bytes, here->pieces};
    if (upload_put(h->upload, i, &e, &there, err) < 0)
        return -1;
    if (h->put_count == h->put_cap) {
        h->put_cap = h->put_cap ? h->put_cap * 2 : 64;
        h->puts = repx_grow(h->puts, h->put_cap, sizeof(uint64_t));
    }
    h->puts[h->put_count++] = i;
    sync_progress(h, 0);
    return 0;
}

/* The upload is over, well or not. */
static void close_upload(struct sync_host *h)
{
    struct upload_count count = {0};

    if (!h->upload)
        return;
    upload_counts(h->upload, &count);
    h->sent.bytes += count.bytes;
    h->sent.files += h->put_count;
    upload_destroy(h->upload);
    h->upload = NULL;
}

/* Wait for the upload and for what the agent says of the whole. *wrong objects have to be
 * sent again; then it fails, too. */
static int settle(struct sync_host *h, uint64_t *wrong, struct repx_err *err)
{
    struct repx_err *why = err;
    int rc = sync_send_places(h, err);

    if (rc == 0 && h->upload)
        rc = upload_end(h->upload, err);

    /* the question follows the upload at once; the agent answers when that has ended */
    struct session_call *c = session_call(h->session, V_VERIFY, NULL, 0, NULL, NULL);
    if (rc < 0)
        why = NULL;
    if (sync_collect_places(h, why) < 0)
        rc = -1;
    if (rc == 0 && h->upload)
        rc = upload_finish(h->upload, wrong, err);
    if (rc < 0) {
        session_cancel(c);
        return -1;
    }
    return session_finish(c, NULL, err);
}

struct again {
    struct digest *digests;
    size_t count, cap;
};

static void add_again(void *ctx, const uint8_t *digest, uint32_t executable,
                      uint64_t length)
{
    struct again *a = ctx;

    (void)executable, (void)length;
    if (a->count == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 16;
        a->digests = repx_grow(a->digests, a->cap, sizeof(struct digest));
    }
    memcpy(a->digests[a->count++].bytes, digest, REPX_DIGEST_LEN);
}

static int by_digest(const void *a, const void *b)
{
    return memcmp(a, b, REPX_DIGEST_LEN);
}

/* Of what was put, that which is lacking still. */
static int put_again(struct sync_host *h, struct repx_err *err)
{
    size_t count = h->put_count;
    REPX_AUTO_FREE uint64_t *before = repx_array(count + 1, sizeof(uint64_t));
    struct again again = {0};

    for (size_t i = 0; i < count; i++)
        before[i] = h->puts[i];
    int rc = sync_lacking(h, add_again, &again, err);
    if (again.count)
        qsort(again.digests, again.count, sizeof(struct digest), by_digest);
    for (size_t i = 0; i < count && rc == 0 && again.count; i++) {
        struct repx_entry e = {.size = sizeof(e)};
        rc = h->source->entry(h->source->ctx, before[i], &e, err);
        if (rc == 0 && bsearch(e.digest, again.digests, again.count,
                               sizeof(struct digest), by_digest))
            rc = sync_put(h, before[i], err);
    }
    free(again.digests);
    return rc;
}

int32_t sync_verify(void *ctx, struct repx_err *err)
{
    struct sync_host *h = ctx;
    struct repx_err why = {0};
    int put = h->upload != NULL;
    uint64_t wrong = 0;
    int rc = settle(h, &wrong, &why);

    close_upload(h);
    for (int tries = 2; rc < 0 && wrong && tries <= TRIES; tries++) {
        wrong = 0;
        h->put_last = tries == TRIES;
        rc = put_again(h, &why);
        if (rc == 0)
            rc = settle(h, &wrong, &why);
        close_upload(h);
    }
    h->put_last = 0;
    if (rc < 0) {
        *err = why;
        return -1;
    }
    if (put)
        sync_progress(h, 1);
    return 0;
}
