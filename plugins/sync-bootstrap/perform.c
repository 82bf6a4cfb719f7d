/* SPDX-License-Identifier: MIT */
/* perform.c: host tools and the scheduler's helper, with the services every sync plugin
 * has. Source entries and where they go:
 *
 *     host-tools/HASH/bin/x    tree "artifacts/host-tools/HASH", entry bin/x
 *     bin/SHA256/sched-NAME    tree "bin/SHA256", entry sched-NAME
 *     ARCH/repx-agent          is connect's and passed over */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/err.h>

#include "connect.h"

struct item {
    struct repx_entry entry;
    char *tree, *path, *link; /* path and link are what entry points to */
    uint64_t index;           /* in the source */
    int wanted;
};

struct items {
    struct item *list;
    size_t count;
};

static void items_free(struct items *items)
{
    for (size_t i = 0; i < items->count; i++) {
        free(items->list[i].tree);
        free(items->list[i].path);
        free(items->list[i].link);
    }
    free(items->list);
}

static int starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Where the second component ends, or NULL when there are fewer than three. */
static const char *third(const char *path)
{
    const char *slash = strchr(path, '/');

    slash = slash ? strchr(slash + 1, '/') : NULL;
    return slash && slash[1] ? slash : NULL;
}

/* 1 added, 0 passed over, -1. */
static int add_item(struct items *items, const struct repx_entry *e, uint64_t index,
                    struct repx_err *err)
{
    const char *rest = third(e->path);
    const char *below = starts(e->path, "host-tools/") ? "artifacts/"
                        : starts(e->path, "bin/")      ? ""
                                                       : NULL;

    if (!below && !rest && strstr(e->path, "/repx-agent"))
        return 0;
    if (!below || (!rest && e->kind != REPX_ENTRY_DIR))
        return repx_fail(err, REPX_E_CORRUPT, "%s has no place on a target", e->path);
    if (!rest)
        return 0;
    items->list = repx_grow(items->list, items->count + 1, sizeof(struct item));
    struct item *it = &items->list[items->count++];
    *it = (struct item){.entry = *e, .index = index};
    REPX_AUTO_FREE char *front = repx_strndup(e->path, (size_t)(rest - e->path));
    it->tree = repx_format("%s%s", below, front);
    it->path = repx_strdup(rest + 1);
    it->link = repx_strdup(e->kind == REPX_ENTRY_LINK ? e->link : "");
    it->entry.size = sizeof(struct repx_entry);
    it->entry.path = it->path;
    it->entry.link = it->link;
    return 1;
}

static int by_tree(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int order = strcmp(x->tree, y->tree);

    return order ? order : strcmp(x->path, y->path);
}

static int items_get(const struct repx_sync_host *sync, struct items *items,
                     struct repx_err *err)
{
    uint64_t count = sync->source_count(sync->ctx);

    for (uint64_t i = 0; i < count; i++) {
        struct repx_entry e = {.size = sizeof(e)};
        if (sync->source_entry(sync->ctx, i, &e, err) < 0 ||
            add_item(items, &e, i, err) < 0)
            return -1;
    }
    if (items->count)
        qsort(items->list, items->count, sizeof(struct item), by_tree);
    return 0;
}

static int place_all(const struct repx_sync_host *sync, const struct items *items,
                     struct repx_err *err)
{
    for (size_t from = 0, to; from < items->count; from = to) {
        const char *name = items->list[from].tree;
        for (to = from; to < items->count && strcmp(items->list[to].tree, name) == 0;)
            to++;
        const struct repx_tree tree = {.size = sizeof(tree),
                                       .entries = &items->list[from].entry,
                                       .count = to - from,
                                       .stride = sizeof(struct item)};
        if (sync->place(sync->ctx, &tree, name, err) < 0)
            return -1;
    }
    return 0;
}

static void want(void *ctx, const uint8_t *digest, uint32_t executable, uint64_t length)
{
    struct items *items = ctx;

    (void)length;
    for (size_t i = 0; i < items->count; i++) {
        struct item *it = &items->list[i];
        if (it->entry.kind != REPX_ENTRY_FILE ||
            memcmp(it->entry.digest, digest, REPX_DIGEST_LEN) != 0 ||
            (it->entry.executable != 0) != (executable != 0))
            continue;
        it->wanted = 1; /* each object is named once, so one that holds it is enough */
        return;
    }
}

static int put_all(const struct repx_sync_host *sync, const struct items *items,
                   struct repx_err *err)
{
    uint64_t total = 0, done = 0;

    for (size_t i = 0; i < items->count; i++)
        total += items->list[i].wanted ? items->list[i].entry.length : 0;
    for (size_t i = 0; i < items->count; i++) {
        const struct item *it = &items->list[i];
        if (!it->wanted)
            continue;
        if (sync->put(sync->ctx, it->index, err) < 0)
            return repx_wrap(err, "%s", it->path);
        done += it->entry.length;
        sync->host->progress(sync->host->ctx, "bytes", done, total);
    }
    return 0;
}

/* A name for the whole set: all of it as one tree. */
static int set_digest(const struct repx_sync_host *sync, const struct items *items,
                      uint8_t digest[REPX_DIGEST_LEN], struct repx_err *err)
{
    struct repx_entry *all = repx_array(items->count, sizeof(*all));
    char **paths = repx_array(items->count, sizeof(*paths));

    for (size_t i = 0; i < items->count; i++) {
        paths[i] = repx_format("%s/%s", items->list[i].tree, items->list[i].path);
        all[i] = items->list[i].entry;
        all[i].path = paths[i];
    }
    const struct repx_tree tree = {.size = sizeof(tree),
                                   .entries = all,
                                   .count = items->count,
                                   .stride = sizeof(*all)};
    int rc = sync->tree_digest(sync->ctx, &tree, digest, err);
    for (size_t i = 0; i < items->count; i++)
        free(paths[i]);
    free(paths);
    free(all);
    return rc;
}

static int send_missing(const struct repx_sync_host *sync, struct items *items,
                        struct repx_err *err)
{
    uint8_t digest[REPX_DIGEST_LEN];

    if (set_digest(sync, items, digest, err) < 0)
        return -1;
    int known = sync->known(sync->ctx, digest, err);
    if (known != 0)
        return known < 0 ? -1 : 0;
    if (place_all(sync, items, err) < 0 ||
        sync->lacking(sync->ctx, want, items, err) < 0 ||
        put_all(sync, items, err) < 0 || sync->verify(sync->ctx, err) < 0)
        return -1;
    return sync->remember(sync->ctx, digest, err);
}

int32_t bootstrap_perform(const struct repx_sync_host *sync, struct repx_err *err)
{
    struct items items = {0};
    int rc = items_get(sync, &items, err);

    if (rc == 0 && items.count)
        rc = send_missing(sync, &items, err);
    items_free(&items);
    return rc;
}
