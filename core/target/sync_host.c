/* SPDX-License-Identifier: MIT */
#include "core/target/sync_host.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/buf.h>

#include "core/target/sync_delta.h"
#include "core/wire/digest.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define CHUNK ((size_t)256 * 1024) /* read from the source at a time */
#define BATCH ((size_t)64 * 1024)  /* small files are sent together */
#define PROGRESS_MS 100            /* between two progress calls */
#define OBJECT_HEAD (REPX_DIGEST_LEN + 9)

struct sync_host {
    struct repx_sync_host services;
    struct session *session;
    const struct repx_host *host;
    const struct sync_source *source;
    const char *base;
    struct session_call **places; /* not collected yet */
    size_t place_count, place_cap;
    struct session_call *put; /* the upload, or NULL */
    struct repx_buf out;      /* of the upload, not sent yet */
    char *chunk;
    uint64_t wanted; /* bytes that lacking named */
    int64_t shown_ms;
    struct sync_sent sent;
    struct sync_delta *delta;
};

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

    return h->source->entry(h->source->ctx, i, entry, err);
}

static int64_t source_read(void *ctx, uint64_t i, uint64_t offset, void *to,
                           uint64_t len, struct repx_err *err)
{
    const struct sync_host *h = ctx;

    return h->source->read(h->source->ctx, i, offset, to, len, err);
}

/* ---- single questions ---- */

static int ask_digest(struct sync_host *h, uint16_t verb, const uint8_t *digest,
                      struct repx_buf *fields, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};

    msg_put(&msg, F_DIGEST, digest, REPX_DIGEST_LEN);
    return session_ask(h->session, verb, msg.data, msg.len, NULL, fields, err);
}

static int32_t known(void *ctx, const uint8_t digest[REPX_DIGEST_LEN],
                     struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf fields = {0};

    if (ask_digest(ctx, V_KNOWN, digest, &fields, err) < 0)
        return -1;
    return msg_number(fields.data, fields.len, F_COUNT, 0) == 1;
}

static int32_t remember(void *ctx, const uint8_t digest[REPX_DIGEST_LEN],
                        struct repx_err *err)
{
    return ask_digest(ctx, V_REMEMBER, digest, NULL, err);
}

static int32_t room(void *ctx, uint64_t *bytes, uint64_t *inodes, struct repx_err *err)
{
    const struct sync_host *h = ctx;
    REPX_AUTO_BUF struct repx_buf fields = {0};

    if (session_ask(h->session, V_ROOM, NULL, 0, NULL, &fields, err) < 0)
        return -1;
    *bytes = (uint64_t)msg_number(fields.data, fields.len, F_BYTES, 0);
    *inodes = (uint64_t)msg_number(fields.data, fields.len, F_INODES, 0);
    return 0;
}

static int collect(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    (void)err;
    repx_buf_add(ctx, bytes, n);
    return 0;
}

static int32_t have(void *ctx, const uint8_t *digests, uint64_t count, uint8_t *bits,
                    struct repx_err *err)
{
    const struct sync_host *h = ctx;
    REPX_AUTO_BUF struct repx_buf answers = {0};
    struct session_call *c =
        session_call(h->session, V_HAVE, NULL, 0, collect, &answers);

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

/* ---- place ---- */

static void put_entry(struct repx_buf *to, struct repx_buf *one,
                      const struct repx_entry *e)
{
    one->len = 0;
    msg_put_text(one, F_NAME, e->path);
    msg_put_number(one, F_KIND, e->kind);
    if (e->kind == REPX_ENTRY_FILE) {
        msg_put_number(one, F_EXEC, e->executable != 0);
        msg_put_number(one, F_LENGTH, (int64_t)e->length);
        msg_put(one, F_DIGEST, e->digest, REPX_DIGEST_LEN);
    } else if (e->kind == REPX_ENTRY_LINK) {
        msg_put_text(one, F_LINK, e->link);
    }
    msg_put(to, F_ENTRY, one->data, (uint32_t)one->len);
}

/* Of another version's plugin: `stride` apart, at least as long as we know them. */
static struct repx_entry entry_at(const struct repx_tree *tree, uint64_t i)
{
    struct repx_entry e;

    memcpy(&e, (const char *)tree->entries + i * tree->stride, sizeof(e));
    return e;
}

static int check_stride(const struct repx_tree *tree, struct repx_err *err)
{
    if (!tree->count || tree->stride >= sizeof(struct repx_entry))
        return 0;
    return repx_fail(err, REPX_E_UNSUPPORTED,
                     "the plugin's entries are shorter than this repx needs");
}

static int32_t tree_digest(void *ctx, const struct repx_tree *tree,
                           uint8_t digest[REPX_DIGEST_LEN], struct repx_err *err)
{
    REPX_AUTO_FREE struct repx_entry *entries =
        repx_array((size_t)tree->count + 1, sizeof(struct repx_entry));
    struct digest d;

    (void)ctx;
    if (check_stride(tree, err) < 0)
        return -1;
    for (uint64_t i = 0; i < tree->count; i++)
        entries[i] = entry_at(tree, i);
    digest_tree(entries, (size_t)tree->count, &d);
    memcpy(digest, d.bytes, REPX_DIGEST_LEN);
    return 0;
}

static void keep_place(struct sync_host *h, struct session_call *c)
{
    if (h->place_count == h->place_cap) {
        h->place_cap = h->place_cap ? h->place_cap * 2 : 64;
        h->places = repx_grow(h->places, h->place_cap, sizeof(struct session_call *));
    }
    h->places[h->place_count++] = c;
}

static int32_t place(void *ctx, const struct repx_tree *tree, const char *name,
                     struct repx_err *err)
{
    struct sync_host *h = ctx;
    REPX_AUTO_BUF struct repx_buf msg = {0};
    REPX_AUTO_BUF struct repx_buf entries = {0};
    REPX_AUTO_BUF struct repx_buf one = {0};

    if (check_stride(tree, err) < 0)
        return -1;
    msg_put_text(&msg, F_NAME, name);
    for (uint64_t i = 0; i < tree->count; i++) {
        struct repx_entry e = entry_at(tree, i);
        put_entry(&entries, &one, &e);
    }
    struct session_call *c =
        session_call(h->session, V_PLACE, msg.data, msg.len, NULL, NULL);
    keep_place(h, c);
    if (session_send(c, entries.data, entries.len, err) < 0)
        return repx_wrap(err, "%s", name);
    /* ends the upload without waiting for the answer */
    return session_poll(c, 0, err) < 0 ? -1 : 0;
}

/* The answers to all places; the first error counts. */
static int collect_places(struct sync_host *h, struct repx_err *err)
{
    int rc = 0;

    for (size_t i = 0; i < h->place_count; i++) {
        if (rc < 0) {
            session_cancel(h->places[i]);
        } else {
            rc = session_finish(h->places[i], NULL, err);
        }
    }
    h->place_count = 0;
    return rc;
}

struct missing {
    struct sync_host *h;
    struct repx_buf part;
    void (*want)(void *want_ctx, const uint8_t *digest, uint32_t executable,
                 uint64_t length);
    void *ctx;
};

static int missing_data(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    struct missing *m = ctx;
    size_t at = 0;

    (void)err;
    repx_buf_add(&m->part, bytes, n);
    for (; m->part.len - at >= OBJECT_HEAD; at += OBJECT_HEAD) {
        const uint8_t *p = (const uint8_t *)m->part.data + at;
        uint64_t length = 0;
        for (int i = 7; i >= 0; i--)
            length = length << 8 | p[REPX_DIGEST_LEN + 1 + i];
        m->h->wanted += length;
        uint32_t executable = p[REPX_DIGEST_LEN] & 1u;
        if (p[REPX_DIGEST_LEN] & LACKING_NEAR)
            sync_delta_near(m->h->delta, p, executable);
        m->want(m->ctx, p, executable, length);
    }
    repx_buf_drop(&m->part, at);
    return 0;
}

static int32_t lacking(void *ctx,
                       void (*want)(void *want_ctx, const uint8_t *digest,
                                    uint32_t executable, uint64_t length),
                       void *want_ctx, struct repx_err *err)
{
    struct sync_host *h = ctx;
    struct missing m = {.h = h, .want = want, .ctx = want_ctx};
    struct session_call *c =
        session_call(h->session, V_LACKING, NULL, 0, missing_data, &m);
    int rc = collect_places(h, err);

    h->wanted = h->sent.bytes;
    if (rc == 0)
        rc = sync_delta_collect(h->delta, err);
    if (rc < 0) {
        session_cancel(c);
    } else {
        rc = session_finish(c, NULL, err);
    }
    if (rc == 0 && m.part.len)
        rc = repx_fail(err, REPX_E_CORRUPT, "the agent's list of objects is cut off");
    repx_buf_free(&m.part);
    return rc;
}

/* ---- put ---- */

static void show_progress(struct sync_host *h, int now)
{
    int64_t ms = h->host->now_ms(h->host->ctx);

    if (!now && ms - h->shown_ms < PROGRESS_MS)
        return;
    h->shown_ms = ms;
    h->host->progress(h->host->ctx, "bytes", h->sent.bytes, h->wanted);
}

static int flush(struct sync_host *h, struct repx_err *err)
{
    int rc = h->out.len ? session_send(h->put, h->out.data, h->out.len, err) : 0;

    h->out.len = 0;
    show_progress(h, 0);
    return rc;
}

static void put_head(struct repx_buf *to, const struct repx_entry *e)
{
    repx_buf_add(to, e->digest, REPX_DIGEST_LEN);
    repx_buf_char(to, e->executable ? 1 : 0);
    for (int i = 0; i < 8; i++)
        repx_buf_char(to, (char)(e->length >> (8 * i)));
}

/* Exactly as many bytes as were declared, or the pack would be out of step. */
static int put_content(struct sync_host *h, uint64_t i, const struct repx_entry *e,
                       struct repx_err *err)
{
    for (uint64_t at = 0; at < e->length;) {
        uint64_t ask = e->length - at < CHUNK ? e->length - at : CHUNK;
        int64_t n = source_read(h, i, at, h->chunk, ask, err);
        if (n < 0)
            return repx_wrap(err, "%s", e->path);
        if (n == 0 || (uint64_t)n > ask) {
            return repx_fail(err, REPX_E_CORRUPT,
                             "%s: became shorter while it was sent; run again",
                             e->path);
        }
        repx_buf_add(&h->out, h->chunk, (size_t)n);
        at += (uint64_t)n;
        h->sent.bytes += (uint64_t)n;
        if (h->out.len >= BATCH && flush(h, err) < 0)
            return -1;
    }
    return 0;
}

static int32_t put(void *ctx, uint64_t i, struct repx_err *err)
{
    struct sync_host *h = ctx;
    struct repx_entry e = {.size = sizeof(e)};

    if (source_entry(h, i, &e, err) < 0)
        return -1;
    if (e.kind != REPX_ENTRY_FILE) {
        return repx_fail(err, REPX_E_USAGE, "%s: only files have content to send",
                         e.path);
    }
    if (!h->put)
        h->put = session_call(h->session, V_PUT, NULL, 0, NULL, NULL);
    if (!h->chunk)
        h->chunk = repx_alloc(CHUNK);
    put_head(&h->out, &e);
    if (put_content(h, i, &e, err) < 0)
        return -1;
    h->sent.files++;
    return h->out.len >= BATCH ? flush(h, err) : 0;
}

/* ---- deltas ---- */

static int32_t signature(void *ctx, const uint64_t *entries, uint64_t count,
                         void (*part)(void *part_ctx, uint64_t position,
                                      const void *bytes, uint64_t n),
                         void *part_ctx, struct repx_err *err)
{
    struct sync_host *h = ctx;
    REPX_AUTO_FREE struct repx_entry *objects =
        repx_array((size_t)count + 1, sizeof(struct repx_entry));

    for (uint64_t i = 0; i < count; i++) {
        objects[i].size = sizeof(objects[i]);
        if (source_entry(h, entries[i], &objects[i], err) < 0)
            return -1;
    }
    return sync_delta_signature(h->delta, objects, count, part, part_ctx, err);
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
    show_progress(h, 0);
    return 0;
}

static int32_t verify(void *ctx, struct repx_err *err)
{
    struct sync_host *h = ctx;
    struct session_call *upload = h->put;
    int rc = upload ? flush(h, err) : 0;

    /* the question follows the upload at once; the agent answers it when that has ended */
    if (rc == 0 && upload && session_poll(upload, 0, err) < 0)
        rc = -1;
    struct session_call *c = session_call(h->session, V_VERIFY, NULL, 0, NULL, NULL);
    int places = collect_places(h, rc == 0 ? err : NULL);
    h->put = NULL;
    if (rc == 0)
        rc = places;
    if (rc < 0) {
        session_cancel(upload);
        session_cancel(c);
        return -1;
    }
    if (upload && session_finish(upload, NULL, err) < 0) {
        session_cancel(c);
        return -1;
    }
    if (session_finish(c, NULL, err) < 0)
        return -1;
    if (upload)
        show_progress(h, 1);
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

struct sync_host *sync_host_create(struct session *session,
                                   const struct repx_host *host,
                                   const struct sync_source *source, const char *base)
{
    struct sync_host *h = REPX_NEW(struct sync_host);

    h->session = session;
    h->host = host;
    h->source = source;
    h->base = base;
    h->delta = sync_delta_create(session);
    h->services = (struct repx_sync_host){.size = sizeof(h->services),
                                          .host = host,
                                          .ctx = h,
                                          .source_count = source_count,
                                          .source_entry = source_entry,
                                          .source_read = source_read,
                                          .known = known,
                                          .remember = remember,
                                          .have = have,
                                          .place = place,
                                          .lacking = lacking,
                                          .put = put,
                                          .verify = verify,
                                          .room = room,
                                          .signature = signature,
                                          .patch = patch,
                                          .base_path = base_path,
                                          .state_path = state_path,
                                          .tree_digest = tree_digest};
    return h;
}

void sync_host_destroy(struct sync_host *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->place_count; i++)
        session_cancel(h->places[i]);
    session_cancel(h->put);
    sync_delta_destroy(h->delta);
    repx_buf_free(&h->out);
    free(h->places);
    free(h->chunk);
    free(h);
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
    host = host_create(plugin, config_table_find(target_config(t), table), target_ui(t),
                       err);
    if (!host)
        return -1;
    struct sync_host *h = sync_host_create(target_session(t), host_services(host),
                                           source, target_base(t));
    rc = plugin->ops.sync.perform(&h->services, err);
    if (sent)
        sync_host_sent(h, sent);
    sync_host_destroy(h);
    host_destroy(host);
    return rc < 0 ? repx_wrap(err, "sync-%s", name) : 0;
}
