/* SPDX-License-Identifier: MIT */
/* sync-lab with one promise about deltas broken, as wrong_sync.c does it. */
/* NOLINTBEGIN(readability-identifier-naming,bugprone-suspicious-include) */
#define repx_plugin_v0 the_good_one
#include "../../plugins/sync-lab/lab.c"
#undef repx_plugin_v0
/* NOLINTEND(readability-identifier-naming,bugprone-suspicious-include) */

REPX_EXPORT const struct repx_plugin *repx_plugin_v0(void);

static const struct repx_sync_host *real;
static struct repx_sync_host host;

#ifdef WRONG_TRUSTS
/* After a delta nothing is lacking any more. */
static int tried;

static int32_t wrong_lacking(void *ctx,
                             void (*want)(void *want_ctx, const uint8_t *digest,
                                          uint32_t executable, uint64_t length),
                             void *want_ctx, struct repx_err *err)
{
    return tried++ ? 0 : real->lacking(ctx, want, want_ctx, err);
}
#    define WRONG (tried = 0, host.lacking = wrong_lacking)
#endif

#ifdef WRONG_UNENDED
static int32_t wrong_patch(void *ctx, uint64_t i, const void *bytes, uint64_t n,
                           uint32_t last, struct repx_err *err)
{
    return last ? 0 : real->patch(ctx, i, bytes, n, 0, err);
}
#    define WRONG (host.patch = host.patch ? wrong_patch : NULL)
#endif

static int32_t wrong_perform(const struct repx_sync_host *sync, struct repx_err *err)
{
    real = sync;
    host = *sync;
    (void)(WRONG);
    return lab_perform(&host, err);
}

static const struct repx_sync_ops wrong_ops = {.size = sizeof(wrong_ops),
                                               .perform = wrong_perform};
static struct repx_plugin wrong_plugin;

const struct repx_plugin *repx_plugin_v0(void)
{
    wrong_plugin = *the_good_one();
    wrong_plugin.vtable = &wrong_ops;
    return &wrong_plugin;
}
