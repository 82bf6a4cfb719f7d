/* SPDX-License-Identifier: MIT */
#include "mirror.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "buf.h"
#include "err.h"
#include "texts.h"

#define MIB 1048576.0

struct item {
    struct repx_entry entry; /* path within the tree */
    const char *name;        /* the same pointer for what was added in a row */
    uint64_t index;
    unsigned round;
};

struct repx_mirror {
    const struct repx_sync_host *sync;
    struct item *items;
    size_t count, cap;
    struct repx_texts texts;
    size_t *files; /* items with content, by digest and mode */
    size_t file_count;
    uint64_t *wanted; /* source indices, in the target's order */
    uint64_t wanted_bytes;
    size_t wanted_count, wanted_cap;
    /* of those, what `attempt` may have */
    int64_t (*attempt)(const struct repx_sync_host *sync, const uint64_t *entries,
                       uint64_t count, struct repx_err *err);
    uint64_t smallest;
    uint64_t *large;
    size_t large_count;
    int stranger; /* the target asked for what was not declared */
};

struct repx_mirror *repx_mirror_create(const struct repx_sync_host *sync)
{
    struct repx_mirror *m = REPX_NEW(struct repx_mirror);

    m->sync = sync;
    return m;
}

void repx_mirror_destroy(struct repx_mirror *m)
{
    if (!m)
        return;
    repx_texts_free(&m->texts);
    free(m->items);
    free(m->files);
    free(m->wanted);
    free(m->large);
    free(m);
}

void repx_mirror_add(struct repx_mirror *m, unsigned round, const char *name,
                     const char *path, const struct repx_entry *entry, uint64_t index)
{
    if (m->count == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 256;
        m->items = repx_grow(m->items, m->cap, sizeof(*m->items));
    }
    const char *last = m->count ? m->items[m->count - 1].name : "";
    struct item *item = &m->items[m->count++];
    *item = (struct item){.entry = *entry, .round = round, .index = index};
    item->name = strcmp(last, name) == 0 ? last : repx_texts_add(&m->texts, name);
    item->entry.size = sizeof(item->entry);
    item->entry.path = repx_texts_add(&m->texts, path);
    item->entry.link = entry->kind == REPX_ENTRY_LINK && entry->link
                           ? repx_texts_add(&m->texts, entry->link)
                           : NULL;
}

void repx_mirror_link(struct repx_mirror *m, unsigned round, const char *from,
                      const char *to)
{
    const struct repx_entry e = {
        .size = sizeof(e), .path = "", .kind = REPX_ENTRY_LINK, .link = to};

    repx_mirror_add(m, round, from, "", &e, 0);
}

static int by_tree(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int order = x->round < y->round ? -1 : x->round > y->round;

    if (!order && x->name != y->name)
        order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->entry.path, y->entry.path);
}

/* As they mostly come. */
static int is_in_order(const struct repx_mirror *m)
{
    for (size_t i = 1; i < m->count; i++) {
        if (by_tree(&m->items[i - 1], &m->items[i]) > 0)
            return 0;
    }
    return 1;
}

static int content_order(const struct repx_entry *x, const struct repx_entry *y)
{
    int order = memcmp(x->digest, y->digest, REPX_DIGEST_LEN);

    return order ? order : (x->executable != 0) - (y->executable != 0);
}

/* What sort_files sorts: qsort passes no context, so each element leads to its item. */
struct content {
    const struct repx_entry *entry;
    size_t item;
};

static int by_content(const void *a, const void *b)
{
    const struct content *x = a, *y = b;

    return content_order(x->entry, y->entry);
}

static void sort_files(struct repx_mirror *m)
{
    REPX_AUTO_FREE struct content *all =
        repx_array(m->count + 1, sizeof(struct content));

    m->file_count = 0;
    for (size_t i = 0; i < m->count; i++) {
        if (m->items[i].entry.kind == REPX_ENTRY_FILE)
            all[m->file_count++] = (struct content){&m->items[i].entry, i};
    }
    if (m->file_count)
        qsort(all, m->file_count, sizeof(*all), by_content);
    m->files = repx_array(m->file_count + 1, sizeof(*m->files));
    for (size_t i = 0; i < m->file_count; i++)
        m->files[i] = all[i].item;
}

/* ---- is it known? ---- */

/* The whole set as one tree below its names. */
static int set_digest(struct repx_mirror *m, uint8_t digest[REPX_DIGEST_LEN],
                      struct repx_err *err)
{
    REPX_AUTO_FREE struct repx_entry *all =
        repx_array(m->count + 1, sizeof(struct repx_entry));
    REPX_AUTO_BUF struct repx_buf path = {0};
    struct repx_texts paths = {0};

    for (size_t i = 0; i < m->count; i++) {
        const struct item *item = &m->items[i];
        path.len = 0;
        repx_buf_str(&path, item->name);
        repx_buf_str(&path, *item->entry.path ? "/" : "");
        repx_buf_str(&path, item->entry.path);
        all[i] = item->entry;
        all[i].path = repx_texts_add(&paths, path.data);
    }
    const struct repx_tree tree = {sizeof(tree), all, m->count, sizeof(*all)};
    int rc = m->sync->tree_digest(m->sync->ctx, &tree, digest, err);
    repx_texts_free(&paths);
    return rc;
}

/* ---- one round ---- */

static int place_round(struct repx_mirror *m, size_t from, size_t end,
                       struct repx_err *err)
{
    for (size_t to; from < end; from = to) {
        const char *name = m->items[from].name;
        for (to = from + 1; to < end && strcmp(m->items[to].name, name) == 0;)
            to++;
        /* a directory that is told beside what it holds */
        size_t first = from;
        if (!*m->items[first].entry.path &&
            m->items[first].entry.kind == REPX_ENTRY_DIR)
            first++;
        const struct repx_tree tree = {sizeof(tree), &m->items[first].entry, to - first,
                                       sizeof(struct item)};
        if (m->sync->place(m->sync->ctx, &tree, name, err) < 0)
            return -1;
    }
    return 0;
}

static void want(void *ctx, const uint8_t *digest, uint32_t executable, uint64_t length)
{
    struct repx_mirror *m = ctx;
    struct repx_entry key = {.executable = executable};
    size_t low = 0, high = m->file_count;

    memcpy(key.digest, digest, REPX_DIGEST_LEN);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (content_order(&m->items[m->files[middle]].entry, &key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const struct item *hit = low < m->file_count ? &m->items[m->files[low]] : NULL;
    if (!hit || content_order(&hit->entry, &key) != 0 || hit->entry.length != length) {
        m->stranger = 1;
        return;
    }
    if (m->wanted_count == m->wanted_cap) {
        m->wanted_cap = m->wanted_cap ? m->wanted_cap * 2 : 256;
        m->wanted = repx_grow(m->wanted, m->wanted_cap, sizeof(*m->wanted));
    }
    m->wanted[m->wanted_count++] = hit->index;
    if (m->attempt && length >= m->smallest) {
        m->large = repx_grow(m->large, m->large_count + 1, sizeof(*m->large));
        m->large[m->large_count++] = hit->index;
    }
    m->wanted_bytes += length;
}

/* Better to say so before hours of sending than after. */
static int check_room(const struct repx_mirror *m, struct repx_err *err)
{
    uint64_t bytes, inodes;

    if (!m->wanted_count || !m->sync->room)
        return 0;
    if (m->sync->room(m->sync->ctx, &bytes, &inodes, err) < 0)
        return -1;
    if (bytes < m->wanted_bytes) {
        return repx_fail(err, REPX_E_FAILED,
                         "%.1f MiB are to be sent, but the target has room for %.1f: "
                         "free some there, or choose another base_path",
                         (double)m->wanted_bytes / MIB, (double)bytes / MIB);
    }
    if (inodes >= m->wanted_count)
        return 0;
    return repx_fail(err, REPX_E_FAILED,
                     "%zu files are to be sent, but the target can hold %llu more "
                     "(inodes): remove some there, or choose another base_path",
                     m->wanted_count, (unsigned long long)inodes);
}

static int put_wanted(struct repx_mirror *m, struct repx_err *err)
{
    const struct repx_host *host = m->sync->host;

    for (size_t i = 0; i < m->wanted_count; i++) {
        if (host->canceled(host->ctx)) {
            return repx_fail(err, REPX_E_CANCELED,
                             "cancelled; what was sent is not sent again next time");
        }
        if (m->sync->put(m->sync->ctx, m->wanted[i], err) < 0)
            return -1;
    }
    return 0;
}

static int ask(struct repx_mirror *m, struct repx_err *err)
{
    m->wanted_count = 0;
    m->wanted_bytes = 0;
    m->large_count = 0;
    if (m->sync->lacking(m->sync->ctx, want, m, err) < 0)
        return -1;
    if (m->stranger) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "the target asks for a file that was not declared");
    }
    return 0;
}

/* What is still missing after something was tried has to be asked for again. */
static int try_large(struct repx_mirror *m, struct repx_err *err)
{
    if (!m->large_count)
        return 0;
    int64_t tried = m->attempt(m->sync, m->large, m->large_count, err);
    return tried < 0 ? -1 : tried > 0 ? ask(m, err) : 0;
}

static int run_round(struct repx_mirror *m, size_t from, size_t end,
                     struct repx_err *err)
{
    const struct repx_sync_host *sync = m->sync;

    if (place_round(m, from, end, err) < 0 || ask(m, err) < 0 ||
        check_room(m, err) < 0 || try_large(m, err) < 0 || put_wanted(m, err) < 0)
        return -1;
    return sync->verify(sync->ctx, err);
}

void repx_mirror_try(struct repx_mirror *m,
                     int64_t (*attempt)(const struct repx_sync_host *sync,
                                        const uint64_t *entries, uint64_t count,
                                        struct repx_err *err),
                     uint64_t smallest)
{
    m->attempt = attempt;
    m->smallest = smallest;
}

int repx_mirror_run(struct repx_mirror *m, struct repx_err *err)
{
    uint8_t digest[REPX_DIGEST_LEN];

    if (!m->count)
        return 0;
    if (!is_in_order(m))
        qsort(m->items, m->count, sizeof(*m->items), by_tree);
    if (set_digest(m, digest, err) < 0)
        return -1;
    int known = m->sync->known(m->sync->ctx, digest, err);
    if (known != 0)
        return known < 0 ? -1 : 0;
    sort_files(m);
    for (size_t from = 0, to; from < m->count; from = to) {
        for (to = from; to < m->count && m->items[to].round == m->items[from].round;)
            to++;
        if (run_round(m, from, to, err) < 0)
            return -1;
    }
    return m->sync->remember(m->sync->ctx, digest, err);
}
