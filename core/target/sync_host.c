/* SPDX-License-Identifier: MIT */
#include "core/target/sync_host.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/buf.h>

#include "core/target/entry.h"
#include "core/target/sync_delta.h"
#include "core/target/sync_own.h"
#include "core/wire/digest.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

/* ---- the source ---- */

static uint64_t source_count(void *ctx)
{
    const struct sync_host *h = ctx;

    return h->source->count(h->source->ctx);
}

static int32_t source_entry(void *ctx, uint64_t i, struct repx_entry *entry,
                            struct repx_err *err)
{
    const struct sync_host *h = ctx;
    struct repx_entry own = {.size = sizeof(own)};

    if (h->source->entry(h->source->ctx, i, &own, err) < 0)
        return -1;
    entry_give(entry, &own);
    return 0;
}

static int64_t source_read(void *ctx, uint64_t i, uint64_t offset, void *to,
                           uint64_t len, struct repx_err *err)
{
    const struct sync_host *h = ctx;

    return h->shared.read(h->shared.ctx, i, offset, to, len, err);
}

/* What the packing thread reads from while the plugin may do so, too. */
static int64_t shared_read(void *ctx, uint64_t i, uint64_t offset, void *to,
                           uint64_t len, struct repx_err *err)
{
    struct sync_host *h = ctx;

    (void)pthread_mutex_lock(&h->reading);
    int64_t n = h->source->read(h->source->ctx, i, offset, to, len, err);
    (void)pthread_mutex_unlock(&h->reading);
    return n;
}

/* ---- single questions ---- */

static int32_t known(void *ctx, const uint8_t digest[REPX_DIGEST_LEN],
                     struct repx_err *err)
{
    struct sync_host *h = ctx;

    if (h->flags & SYNC_READ_ALL) /* every byte is to be looked at */
        return 0;
    return sets_ask(h->sets, digest, &h->may_stand, &h->trip_ms, err);
}

static int32_t remember(void *ctx, const uint8_t digest[REPX_DIGEST_LEN],
                        struct repx_err *err)
{
    const struct sync_host *h = ctx;

    return sets_remember(h->sets, digest, err);
}

static int32_t room(void *ctx, uint64_t *bytes, uint64_t *inodes, struct repx_err *err)
{
    const struct sync_host *h = ctx;
    REPX_AUTO_BUF struct repx_buf fields = {0};

    *bytes = h->room_bytes;
    *inodes = h->room_inodes;
    if (h->room_known)
        return 0;
    if (session_ask(h->session, V_ROOM, NULL, 0, NULL, &fields, err) < 0)
        return -1;
    *bytes = (uint64_t)msg_number(fields.data, fields.len, F_BYTES, 0);
    *inodes = (uint64_t)msg_number(fields.data, fields.len, F_INODES, 0);
    return 0;
}

static int32_t have(void *ctx, const uint8_t *digests, uint64_t count, uint8_t *bits,
                    struct repx_err *err)
{
    const struct sync_host *h = ctx;
    REPX_AUTO_BUF struct repx_buf answers = {0};
    struct session_call *c =
        session_call(h->session, V_HAVE, NULL, 0, session_collect, &answers);

    if (session_send(c, digests, (size_t)count * REPX_DIGEST_LEN, err) < 0) {
        session_cancel(c);
        return -1;
    }
    if (session_finish(c, NULL, err) < 0)
        return -1;
    if (answers.len != count) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "the agent answered %zu of %llu questions", answers.len,
                         (unsigned long long)count);
    }
    memset(bits, 0, (size_t)(count + 7) / 8);
    for (size_t i = 0; i < answers.len; i++) {
        if (answers.data[i] == '1')
            bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << (i % 8));
    }
    return 0;
}

/* ---- deltas ---- */

static int32_t signature(void *ctx, uint64_t i,
                         void (*part)(void *part_ctx, const void *bytes, uint64_t n),
                         void *part_ctx, struct repx_err *err)
{
    struct sync_host *h = ctx;
    struct repx_entry e = {.size = sizeof(e)};

    if (h->source->entry(h->source->ctx, i, &e, err) < 0)
        return -1;
    return sync_delta_signature(h->delta, &e, part, part_ctx, err);
}

static int32_t patch(void *ctx, uint64_t i, const void *bytes, uint64_t n,
                     uint32_t last, struct repx_err *err)
{
    struct sync_host *h = ctx;
    struct repx_entry e = {.size = sizeof(e)};

    if (source_entry(h, i, &e, err) < 0 ||
        sync_delta_patch(h->delta, &e, bytes, n, last, err) < 0)
        return -1;
    h->sent.bytes += n;
    h->sent.files += last != 0;
    sync_progress(h, 0);
    return 0;
}

static const char *base_path(void *ctx)
{
    return ((const struct sync_host *)ctx)->base;
}

static const char *state_path(void *ctx)
{
    (void)ctx;
    return "";
}

/* ---- */

struct sync_host *sync_host_create(struct target *target, const struct repx_host *host,
                                   const struct sync_source *source)
{
    struct sync_host *h = REPX_NEW(struct sync_host);

    h->session = target_session(target);
    h->sets = target_sets(target);
    h->host = host;
    h->source = source;
    h->shared = (struct sync_source){h, source_count, source_entry, shared_read};
    (void)pthread_mutex_init(&h->reading, NULL);
    h->base = target_base(target);
    h->delta = sync_delta_create(h->session);
    h->services = (struct repx_sync_host){.size = sizeof(h->services),
                                          .host = host,
                                          .ctx = h,
                                          .source_count = source_count,
                                          .source_entry = source_entry,
                                          .source_read = source_read,
                                          .known = known,
                                          .remember = remember,
                                          .have = have,
                                          .place = sync_place,
                                          .lacking = sync_lacking,
                                          .put = sync_put,
                                          .verify = sync_verify,
                                          .room = room,
                                          .signature = signature,
                                          .patch = patch,
                                          .base_path = base_path,
                                          .state_path = state_path,
                                          .tree_digest = sync_tree_digest};
    return h;
}

void sync_host_destroy(struct sync_host *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->place_count; i++)
        session_cancel(h->places[i]);
    upload_destroy(h->upload);
    sync_delta_destroy(h->delta);
    sync_here_forget(h);
    (void)pthread_mutex_destroy(&h->reading);
    sync_trees_forget(h);
    free(h->trees);
    free(h->places);
    free(h->puts);
    free(h);
}

void sync_host_flags(struct sync_host *h, unsigned flags)
{
    h->flags = flags;
}

const struct repx_sync_host *sync_host_services(struct sync_host *h)
{
    return &h->services;
}

void sync_host_sent(const struct sync_host *h, struct sync_sent *sent)
{
    *sent = h->sent;
}

int target_sync(struct target *t, const char *name, uint32_t phase,
                const struct sync_source *source, struct sync_sent *sent,
                struct repx_err *err)
{
    REPX_AUTO_FREE char *table = repx_format("sync-%s", name);
    const struct plugin *plugin =
        plugin_load(target_paths(t), REPX_KIND_SYNC, name, err);
    struct host *host;
    int rc;

    if (!plugin)
        return -1;
    if (plugin->descriptor->phase != phase || !plugin->ops.sync.perform) {
        return repx_fail(err, REPX_E_USAGE,
                         "plugin sync-%s serves another phase; see `repx plugin list`",
                         name);
    }
    host = host_create(plugin, config_table_of(target_config(t), table), target_ui(t),
                       err);
    if (!host)
        return -1;
    struct sync_host *h = sync_host_create(t, host_services(host), source);
    sync_host_flags(h, (target_config(t)->address ? 0 : SYNC_NEAR) |
                           (target_reads_all(t) ? SYNC_READ_ALL : 0));
    rc = plugin->ops.sync.perform(&h->services, err);
    if (sent)
        sync_host_sent(h, sent);
    sync_host_destroy(h);
    host_destroy(host);
    return rc < 0 ? repx_wrap(err, "sync-%s", name) : 0;
}
