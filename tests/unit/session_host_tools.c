/* SPDX-License-Identifier: MIT */
/* What the bootstrap plugin does with the services of a sync plugin: a host that notes. */
#include "tap.h"

#include <stdlib.h>

#include <kit/alloc.h>
#include <kit/buf.h>
#include <kit/err.h>

#include "agent/link.h"
#include "plugins/sync-bootstrap/connect.h"

struct fake {
    const struct repx_entry *entries;
    size_t count;
    uint8_t lacks;    /* first byte of the digest that is missing; 0: nothing */
    int known;        /* the answer of known */
    const char *fail; /* service that fails, or NULL */
    struct repx_buf log;
};

static int fails(const struct fake *f, const char *service, struct repx_err *err)
{
    if (!f->fail || strcmp(f->fail, service) != 0)
        return 0;
    return repx_fail(err, REPX_E_LINK, "%s failed", service);
}

static uint64_t source_count(void *ctx)
{
    const struct fake *f = ctx;

    return f->count;
}

/* The entry is valid until the next call, as the contract says. */
static int32_t source_entry(void *ctx, uint64_t i, struct repx_entry *entry,
                            struct repx_err *err)
{
    const struct fake *f = ctx;
    static char path[128], link[128];

    (void)snprintf(path, sizeof(path), "%s", f->entries[i].path);
    (void)snprintf(link, sizeof(link), "%s",
                   f->entries[i].link ? f->entries[i].link : "");
    *entry = f->entries[i];
    entry->path = path;
    entry->link = entry->link ? link : NULL;
    return fails(f, "entry", err);
}

static int32_t known(void *ctx, const uint8_t digest[REPX_DIGEST_LEN],
                     struct repx_err *err)
{
    struct fake *f = ctx;

    if (digest[0] != 77)
        return repx_fail(err, REPX_E_FAILED, "another digest than tree_digest gave");
    repx_buf_str(&f->log, "known\n");
    return fails(f, "known", err) < 0 ? -1 : f->known;
}

static int32_t remember(void *ctx, const uint8_t digest[REPX_DIGEST_LEN],
                        struct repx_err *err)
{
    struct fake *f = ctx;

    (void)digest;
    repx_buf_str(&f->log, "remember\n");
    return fails(f, "remember", err);
}

static int32_t tree_digest(void *ctx, const struct repx_tree *tree,
                           uint8_t digest[REPX_DIGEST_LEN], struct repx_err *err)
{
    (void)tree;
    digest[0] = 77;
    return fails(ctx, "tree_digest", err);
}

static int32_t place(void *ctx, const struct repx_tree *tree, const char *name,
                     struct repx_err *err)
{
    struct fake *f = ctx;

    repx_buf_fmt(&f->log, "place %s:", name);
    for (uint64_t i = 0; i < tree->count; i++) {
        struct repx_entry e;
        memcpy(&e, (const char *)tree->entries + i * tree->stride, sizeof(e));
        repx_buf_fmt(&f->log, " %s%s%s", e.path, e.kind == REPX_ENTRY_LINK ? "->" : "",
                     e.kind == REPX_ENTRY_LINK ? e.link : "");
    }
    repx_buf_char(&f->log, '\n');
    return fails(f, "place", err);
}

static int32_t lacking(void *ctx,
                       void (*want)(void *want_ctx, const uint8_t *digest,
                                    uint32_t executable, uint64_t length),
                       void *want_ctx, struct repx_err *err)
{
    struct fake *f = ctx;
    uint8_t digest[REPX_DIGEST_LEN] = {f->lacks};

    repx_buf_str(&f->log, "lacking\n");
    if (f->lacks)
        want(want_ctx, digest, 1, 5);
    return fails(f, "lacking", err);
}

static int32_t put(void *ctx, uint64_t i, struct repx_err *err)
{
    struct fake *f = ctx;

    repx_buf_fmt(&f->log, "put %s\n", f->entries[i].path);
    return fails(f, "put", err);
}

static int32_t verify(void *ctx, struct repx_err *err)
{
    struct fake *f = ctx;

    repx_buf_str(&f->log, "verify\n");
    return fails(f, "verify", err);
}

static int perform(struct fake *f, struct repx_err *err)
{
    const struct repx_sync_host sync = {.size = sizeof(sync),
                                        .host = &link_host,
                                        .ctx = f,
                                        .source_count = source_count,
                                        .source_entry = source_entry,
                                        .known = known,
                                        .remember = remember,
                                        .tree_digest = tree_digest,
                                        .place = place,
                                        .lacking = lacking,
                                        .put = put,
                                        .verify = verify};

    return bootstrap_perform(&sync, err);
}

#define TOOL(text, first)                                                      \
    {                                                                          \
        .path = (text), .kind = REPX_ENTRY_FILE, .executable = 1, .length = 5, \
        .digest = {                                                            \
            first                                                              \
        }                                                                      \
    }

static const struct repx_entry tools[] = {
    TOOL("x86_64/repx-agent", 9),
    TOOL("host-tools/h1/bin/jq", 1),
    TOOL("bin/abc/sched-local", 2),
    {.path = "host-tools/h1/bin/awk", .kind = REPX_ENTRY_LINK, .link = "busybox"},
    TOOL("host-tools/h2/bin/jq", 1),
    TOOL("host-tools/h1/bin/busybox", 3),
    {.path = "host-tools/h1", .kind = REPX_ENTRY_DIR},
};

static void trees_go_to_their_places(void)
{
    struct fake f = {
        .entries = tools, .count = sizeof(tools) / sizeof(tools[0]), .lacks = 1};
    struct repx_err err = {0};

    ok(perform(&f, &err) == 0, "performs %s", err.text);
    is(repx_buf_text(&f.log),
       "known\n"
       "place artifacts/host-tools/h1: bin/awk->busybox bin/busybox bin/jq\n"
       "place artifacts/host-tools/h2: bin/jq\n"
       "place bin/abc: sched-local\n"
       "lacking\n"
       "put host-tools/h1/bin/jq\n"
       "verify\n"
       "remember\n",
       "each tree once, each missing object once, the agent not at all");
    repx_buf_free(&f.log);
}

static void what_is_known_costs_one_question(void)
{
    struct fake f = {
        .entries = tools, .count = sizeof(tools) / sizeof(tools[0]), .known = 1};
    struct repx_err err = {0};

    ok(perform(&f, &err) == 0, "performs %s", err.text);
    is(repx_buf_text(&f.log), "known\n", "and asks no more");
    repx_buf_free(&f.log);
}

static void nothing_to_place_costs_nothing(void)
{
    struct fake f = {.entries = tools, .count = 1};
    struct repx_err err = {0};

    ok(perform(&f, &err) == 0 && f.log.len == 0, "no call to the target");
    repx_buf_free(&f.log);
}

static void failures_come_through(void)
{
    static const char *const services[] = {"entry",  "tree_digest", "known",
                                           "place",  "lacking",     "put",
                                           "verify", "remember"};

    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        struct fake f = {.entries = tools,
                         .count = sizeof(tools) / sizeof(tools[0]),
                         .lacks = 2,
                         .fail = services[i]};
        struct repx_err err = {0};
        ok(perform(&f, &err) < 0 && err.code == REPX_E_LINK, "%s: %s", services[i],
           err.text);
        repx_buf_free(&f.log);
    }
}

static void strange_names_are_refused(void)
{
    static const char *const names[] = {"elsewhere/x/y", "host-tools/x", "bin/x",
                                        "bin/x/", "x"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct repx_entry one = TOOL(names[i], 1);
        struct fake f = {.entries = &one, .count = 1};
        struct repx_err err = {0};
        ok(perform(&f, &err) < 0 && err.code == REPX_E_CORRUPT && f.log.len == 0,
           "%s: %s", names[i], err.text);
        repx_buf_free(&f.log);
    }
}

int main(void)
{
    trees_go_to_their_places();
    what_is_known_costs_one_question();
    nothing_to_place_costs_nothing();
    failures_come_through();
    strange_names_are_refused();
    return tap_end();
}
