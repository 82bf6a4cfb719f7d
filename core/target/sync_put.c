/* SPDX-License-Identifier: MIT */
/* Files' content on its way to the agent, and whether all is there. What arrived wrong is
 * sent once more. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/target/sync_own.h"
#include "core/wire/digest.h"
#include "core/wire/mux.h"
#include "core/wire/verbs.h"

#define PROGRESS_MS 100   /* between two progress calls */
#define TRIES 3           /* of one object in one transfer */
#define TRIP_NEAR_MS 10   /* of a round trip: below that a window is enough */
#define FAST_PER_MS 20000 /* bytes: 20 MB/s, about what ssh's own window lets through */

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

/* What fits on a far link: the longer the way, the more is lost when it is cut. */
static uint32_t window_for(int64_t trip_ms)
{
    int64_t more = trip_ms > TRIP_NEAR_MS ? trip_ms * FAST_PER_MS : 0;
    int64_t most = MUX_WINDOW_MOST - MUX_WINDOW;

    return (uint32_t)(MUX_WINDOW + (more < most ? more : most));
}

static void begin(struct sync_host *h)
{
    h->put_count = 0;
    const struct upload_options options = {.flags =
                                               (h->put_last ? 0 : UPLOAD_AGAIN) |
                                               (h->flags & SYNC_NEAR ? UPLOAD_NEAR : 0),
                                           .window = window_for(h->trip_ms)};
    h->upload = upload_create(h->session, h->host, &h->shared, &options);
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
