/* SPDX-License-Identifier: MIT */
/* sync-plain with one promise broken: built once for each WRONG_..., to show that the
 * conformance kit's checks can fail. It is the plugin itself, and between it and the host
 * another host, which spoils. */
/* NOLINTBEGIN(readability-identifier-naming,bugprone-suspicious-include) */
#define _GNU_SOURCE
#define repx_plugin_v0 the_good_one
#include "sync-plain/plain.c"
#undef repx_plugin_v0
/* NOLINTEND(readability-identifier-naming,bugprone-suspicious-include) */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

REPX_EXPORT const struct repx_plugin *repx_plugin_v0(void);

static const struct repx_sync_host *real;
static struct repx_sync_host host;
/* or the compiler leaves out what nobody reads */
static void *volatile kept __attribute__((unused));

#ifdef WRONG_LOSES
static uint64_t wrong_count(void *ctx)
{
    return real->source_count(ctx) / 2;
}
#    define WRONG (host.source_count = wrong_count)
#endif

#if defined(WRONG_TRIPS) || defined(WRONG_PAST)
static int32_t wrong_entry(void *ctx, uint64_t i, struct repx_entry *e,
                           struct repx_err *err)
{
#    ifdef WRONG_TRIPS
    uint8_t bits = 0;
    (void)real->have(ctx, e->digest, 1, &bits, err);
#    else
    if (i == 0)
        (void)real->source_entry(ctx, real->source_count(ctx), e, NULL);
#    endif
    return real->source_entry(ctx, i, e, err);
}
#    define WRONG (host.source_entry = wrong_entry)
#endif

#if defined(WRONG_EARLY) || defined(WRONG_FORGETS)
static int32_t wrong_known(void *ctx, const uint8_t *digest, struct repx_err *err)
{
    int32_t known = real->known(ctx, digest, err);

#    ifdef WRONG_EARLY
    return known == 0 ? real->remember(ctx, digest, err) : known;
#    else
    return known == 1 ? 0 : known;
#    endif
}
#    define WRONG (host.known = wrong_known)
#endif

#if defined(WRONG_MODE) || defined(WRONG_PLACE) || defined(WRONG_LINK)
static int32_t wrong_place(void *ctx, const struct repx_tree *tree, const char *name,
                           struct repx_err *err)
{
    struct repx_entry *all = calloc((size_t)tree->count + 1, sizeof(*all));
    char *own = copy(name, strlen(name));
    const struct repx_tree spoiled = {sizeof(spoiled), all, tree->count, sizeof(*all)};

    for (uint64_t i = 0; i < tree->count; i++) {
        memcpy(&all[i], (const char *)tree->entries + i * tree->stride, sizeof(*all));
#    ifdef WRONG_MODE
        all[i].executable = !all[i].executable;
#    endif
#    ifdef WRONG_LINK
        all[i].link = "/etc/passwd";
#    endif
    }
#    ifdef WRONG_PLACE
    own[0] = 'x';
#    endif
    int32_t rc = real->place(ctx, &spoiled, own, err);
    free(all);
    free(own);
    return rc;
}
#    define WRONG (host.place = wrong_place)
#endif

#if defined(WRONG_TWICE) || defined(WRONG_DEAF)
static int32_t wrong_put(void *ctx, uint64_t i, struct repx_err *err)
{
    int32_t rc = real->put(ctx, i, err);

#    ifdef WRONG_TWICE
    return rc == 0 ? real->put(ctx, i, err) : rc;
#    else
    return rc * 0;
#    endif
}
#    define WRONG (host.put = wrong_put)
#endif

#if defined(WRONG_HASTY) || defined(WRONG_ALL)
static int32_t wrong_verify(void *ctx, struct repx_err *err)
{
#    ifdef WRONG_HASTY
    (void)ctx, (void)err;
    return 0;
#    else
    for (uint64_t i = 0; i < real->source_count(ctx); i++) {
        struct repx_entry e = {.size = sizeof(e)};
        if (real->source_entry(ctx, i, &e, err) == 0 && e.kind == REPX_ENTRY_FILE)
            (void)real->put(ctx, i, err);
    }
    return real->verify(ctx, err);
#    endif
}
#    define WRONG (host.verify = wrong_verify)
#endif

#ifdef WRONG_LEAK
#    define WRONG (kept = calloc(1, 100))
#endif
#ifdef WRONG_OPEN
#    define WRONG (kept = fcntl(2, F_DUPFD_CLOEXEC, 100) < 0 ? &host : NULL)
#endif
#ifdef WRONG_CHDIR
#    define WRONG (kept = chdir("/") < 0 ? &host : NULL)
#endif
#ifdef WRONG_SIGNAL
#    define WRONG (kept = signal(SIGUSR1, SIG_IGN) == SIG_ERR ? &host : NULL)
#endif
#ifdef WRONG_ENVIRONMENT
#    define WRONG (kept = setenv("REPX_WRONG", "1", 1) < 0 ? &host : NULL)
#endif
#ifdef WRONG_PRINTS
#    define WRONG (kept = puts("here I am") < 0 ? &host : NULL)
#endif
#ifndef WRONG
#    define WRONG (void)kept
#endif

static int32_t wrong_perform(const struct repx_sync_host *sync, struct repx_err *err)
{
    real = sync;
    host = *sync;
    WRONG;
#ifdef WRONG_EXACT
    if (real->size != sizeof(host))
        return fail(err, REPX_E_UNSUPPORTED, "a host of another size");
#endif
#ifdef WRONG_EMPTY
    if (!real->source_count(real->ctx))
        return fail(err, REPX_E_USAGE, "there is nothing to send");
#endif
    int32_t rc = plain_perform(&host, err);
#ifdef WRONG_CODE
    if (rc < 0)
        return fail(err, REPX_E_FAILED, "it did not work");
#endif
    return rc;
}

static const struct repx_sync_ops wrong_ops = {.size = sizeof(wrong_ops),
                                               .perform = wrong_perform};
static struct repx_plugin wrong_plugin;

const struct repx_plugin *repx_plugin_v0(void)
{
    wrong_plugin = plain_plugin;
    wrong_plugin.vtable = &wrong_ops;
    return &wrong_plugin;
}
