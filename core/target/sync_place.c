/* SPDX-License-Identifier: MIT */
/* Trees on their way to the agent. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/target/sync_own.h"
#include "core/wire/digest.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

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

int32_t sync_tree_digest(void *ctx, const struct repx_tree *tree,
                         uint8_t digest[REPX_DIGEST_LEN], struct repx_err *err)
{
    REPX_AUTO_FREE struct repx_entry *entries = NULL;
    size_t count = (size_t)tree->count;
    struct digest d;

    (void)ctx;
    if (check_stride(tree, err) < 0)
        return -1;
    if (tree->stride != sizeof(struct repx_entry)) {
        entries = repx_array(count + 1, sizeof(struct repx_entry));
        for (size_t i = 0; i < count; i++)
            entries[i] = entry_at(tree, i);
    }
    digest_tree(entries ? entries : tree->entries, count, &d);
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

/* Trees are collected first: one question tells which of them stand. */
int32_t sync_place(void *ctx, const struct repx_tree *tree, const char *name,
                   struct repx_err *err)
{
    struct sync_host *h = ctx;
    REPX_AUTO_BUF struct repx_buf one = {0};

    if (strlen(name) > UINT16_MAX)
        return repx_fail(err, REPX_E_USAGE, "%s: too long a name", name);
    if (h->tree_count == h->tree_cap) {
        h->tree_cap = h->tree_cap ? h->tree_cap * 2 : 64;
        h->trees = repx_grow(h->trees, h->tree_cap, sizeof(*h->trees));
    }
    struct sync_tree t = {0};
    if (sync_tree_digest(h, tree, t.digest, err) < 0)
        return -1;
    for (uint64_t i = 0; i < tree->count; i++) {
        struct repx_entry e = entry_at(tree, i);
        put_entry(&t.entries, &one, &e);
    }
    t.name = repx_strdup(name);
    h->trees[h->tree_count++] = t;
    return 0;
}

void sync_trees_forget(struct sync_host *h)
{
    for (size_t i = 0; i < h->tree_count; i++) {
        free(h->trees[i].name);
        repx_buf_free(&h->trees[i].entries);
    }
    h->tree_count = 0;
}

/* One character a tree: '1' when it stands. */
static int ask_standing(struct sync_host *h, struct repx_buf *answers,
                        struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf names = {0};

    for (size_t i = 0; i < h->tree_count; i++) {
        size_t n = strlen(h->trees[i].name);
        repx_buf_add(&names, h->trees[i].digest, REPX_DIGEST_LEN);
        repx_buf_char(&names, (char)(n & 0xff));
        repx_buf_char(&names, (char)(n >> 8));
        repx_buf_add(&names, h->trees[i].name, n);
    }
    struct session_call *c =
        session_call(h->session, V_STANDS, NULL, 0, session_collect, answers);
    if (session_send(c, names.data, names.len, err) < 0) {
        session_cancel(c);
        return -1;
    }
    if (session_finish(c, NULL, err) < 0)
        return -1;
    if (answers->len == h->tree_count)
        return 0;
    return repx_fail(err, REPX_E_CORRUPT, "the agent answered %zu of %zu questions",
                     answers->len, h->tree_count);
}

static int send_tree(struct sync_host *h, const struct sync_tree *t,
                     struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};

    msg_put_text(&msg, F_NAME, t->name);
    if (h->flags & SYNC_READ_ALL)
        msg_put_number(&msg, F_OPTIONS, PLACE_READ_ALL);
    struct session_call *c =
        session_call(h->session, V_PLACE, msg.data, msg.len, NULL, NULL);
    keep_place(h, c);
    h->sent.placed++;
    if (session_send(c, t->entries.data, t->entries.len, err) < 0)
        return repx_wrap(err, "%s", t->name);
    /* ends the upload without waiting for the answer */
    return session_poll(c, 0, err) < 0 ? -1 : 0;
}

int sync_send_places(struct sync_host *h, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf standing = {0};
    int rc = 0;

    if (h->may_stand && h->tree_count && ask_standing(h, &standing, err) < 0)
        rc = -1;
    for (size_t i = 0; i < h->tree_count && rc == 0; i++) {
        if (!standing.len || standing.data[i] != '1')
            rc = send_tree(h, &h->trees[i], err);
    }
    sync_trees_forget(h);
    return rc;
}

int sync_collect_places(struct sync_host *h, struct repx_err *err)
{
    return session_finish_all(h->places, &h->place_count, err);
}
