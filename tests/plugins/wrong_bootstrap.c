/* SPDX-License-Identifier: MIT */
/* sync-bootstrap with one promise of its connect broken, by a host that spoils in between. */
/* NOLINTBEGIN(readability-identifier-naming,bugprone-suspicious-include) */
#define repx_plugin_v0 the_good_one
#include "../../plugins/sync-bootstrap/bootstrap.c"
#undef repx_plugin_v0
/* NOLINTEND(readability-identifier-naming,bugprone-suspicious-include) */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <kit/err.h>

REPX_EXPORT const struct repx_plugin *repx_plugin_v0(void);

static const struct repx_sync_host *real;
static struct repx_sync_host host;

#ifdef WRONG_AFRESH
static const char *wrong_base(void *ctx)
{
    static char base[4096];
    static int number;

    (void)snprintf(base, sizeof(base), "%s/%d", real->base_path(ctx), number++);
    return base;
}
#    define WRONG (host.base_path = wrong_base)
#endif

#if defined(WRONG_STRICT) || defined(WRONG_STUBBORN)
static int64_t wrong_read(void *ctx, void *to, uint64_t len, int64_t deadline_ms,
                          struct repx_err *err)
{
    int64_t n = real->raw_read(ctx, to, len, deadline_ms, err);

#    ifdef WRONG_STRICT
    if (n > 0 && memchr(to, 'W', (size_t)n))
        return repx_fail(err, REPX_E_CORRUPT, "an answer was expected");
#    else
    if (n < 0 && err && err->code == REPX_E_CANCELED) {
        (void)nanosleep(&(struct timespec){6, 0}, NULL);
        return repx_fail(err, REPX_E_TIMEOUT, "nothing came");
    }
#    endif
    return n;
}
#    define WRONG (host.raw_read = wrong_read)
#endif

#ifdef WRONG_AGAIN
static int32_t wrong_exec(void *ctx, const char *command, struct repx_err *err)
{
    if (real->raw_exec(ctx, "exit 0", err) < 0)
        return -1;
    return real->raw_exec(ctx, command, err);
}
#    define WRONG (host.raw_exec = wrong_exec)
#endif
#ifndef WRONG
#    define WRONG (void)host
#endif

static int32_t wrong_connect(const struct repx_sync_host *sync, struct repx_err *err)
{
    real = sync;
    host = *sync;
    WRONG;
#ifdef WRONG_NEVER
    (void)err;
    return 0;
#else
    int32_t rc = bootstrap_connect(&host, err);
#    ifdef WRONG_MUTE
    if (rc < 0)
        return repx_fail(err, err->code, "it did not work");
#    endif
    return rc;
#endif
}

static const struct repx_sync_ops wrong_ops = {
    .size = sizeof(wrong_ops), .perform = bootstrap_perform, .connect = wrong_connect};
static struct repx_plugin wrong_plugin;

const struct repx_plugin *repx_plugin_v0(void)
{
    wrong_plugin = plugin;
    wrong_plugin.vtable = &wrong_ops;
    return &wrong_plugin;
}
