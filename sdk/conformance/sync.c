/* SPDX-License-Identifier: MIT */
/* sync.c: a sync plugin against a target of the test's own, which remembers what it was
 * given and refuses what the contract forbids. */
#include <string.h>

#include <kit/err.h>

#include "conform.h"

struct fake {
    unsigned placed, put, verified;
};

static uint64_t no_source(void *ctx)
{
    (void)ctx;
    return 0;
}

static int32_t no_entry(void *ctx, uint64_t i, struct repx_entry *entry,
                        struct repx_err *err)
{
    (void)ctx, (void)entry;
    return repx_fail(err, REPX_E_USAGE, "entry %llu of an empty source was asked for",
                     (unsigned long long)i);
}

static int32_t count_place(void *ctx, const struct repx_tree *tree, const char *name,
                           struct repx_err *err)
{
    (void)tree, (void)name, (void)err;
    ((struct fake *)ctx)->placed++;
    return 0;
}

static int32_t count_put(void *ctx, uint64_t i, struct repx_err *err)
{
    (void)i, (void)err;
    ((struct fake *)ctx)->put++;
    return 0;
}

static int32_t count_verify(void *ctx, struct repx_err *err)
{
    (void)err;
    ((struct fake *)ctx)->verified++;
    return 0;
}

static int32_t is_known(void *ctx, const uint8_t digest[REPX_DIGEST_LEN],
                        struct repx_err *err)
{
    (void)ctx, (void)digest, (void)err;
    return 0;
}

static int32_t none_lacking(void *ctx,
                            void (*want)(void *want_ctx, const uint8_t *digest,
                                         uint32_t executable, uint64_t length),
                            void *want_ctx, struct repx_err *err)
{
    (void)ctx, (void)want, (void)want_ctx, (void)err;
    return 0;
}

static int32_t digest_of(void *ctx, const struct repx_tree *tree,
                         uint8_t digest[REPX_DIGEST_LEN], struct repx_err *err)
{
    (void)ctx, (void)tree, (void)err;
    memset(digest, 0, REPX_DIGEST_LEN);
    return 0;
}

static int32_t plenty(void *ctx, uint64_t *bytes, uint64_t *inodes,
                      struct repx_err *err)
{
    (void)ctx, (void)err;
    *bytes = *inodes = UINT64_MAX;
    return 0;
}

void sync_checks(struct conform *c)
{
    struct fake fake = {0};
    struct repx_err err = {0};
    const struct repx_sync_host sync = {
        .size = sizeof(sync),
        .host = c->services,
        .ctx = &fake,
        .source_count = no_source,
        .source_entry = no_entry,
        .known = is_known,
        .remember = is_known,
        .place = count_place,
        .lacking = none_lacking,
        .put = count_put,
        .verify = count_verify,
        .room = plenty,
        .tree_digest = digest_of,
    };

    if (c->plugin->descriptor->phase == REPX_PHASE_BOOTSTRAP) {
        untested("the first command: it needs a target");
        return;
    }
    int rc = c->plugin->ops.sync.perform(&sync, &err);
    (void)check(rc == 0 && !fake.placed && !fake.put,
                "an empty source is nothing to do, and no error %s", err.text);
    untested("transfers: run a Lab through it (repx-sync(3))");
}
