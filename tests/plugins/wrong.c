/* SPDX-License-Identifier: MIT */
/* transport-local with one promise broken: built once for each WRONG_..., to show that the
 * conformance kit's checks can fail. The functions of the plugin are taken under other
 * names. */
/* NOLINTBEGIN(readability-identifier-naming,bugprone-suspicious-include) */
#define repx_plugin_v0 the_good_one
#include "../../plugins/transport-local/local.c"
#undef repx_plugin_v0
/* NOLINTEND(readability-identifier-naming,bugprone-suspicious-include) */
REPX_EXPORT const struct repx_plugin *repx_plugin_v0(void);

static struct repx_transport_ops wrong_ops;
static struct repx_plugin wrong_plugin;

#ifdef WRONG_STATUS
static int32_t wrong_exit_status(void *stream, int64_t deadline_ms, int32_t *status,
                                 struct repx_err *err)
{
    int32_t rc = local_exit_status(stream, deadline_ms, status, err);

    if (rc == 0)
        *status = *status ? 1 : 0;
    return rc;
}
#    define WRONG (wrong_ops.exit_status = wrong_exit_status)
#endif

#ifdef WRONG_BYTES
static int64_t wrong_read(void *stream, uint32_t channel, void *to, uint64_t len,
                          struct repx_err *err)
{
    int64_t n = local_read(stream, channel, to, len, err);

    for (int64_t i = 0; i < n; i++) {
        if (((char *)to)[i] == '\r')
            ((char *)to)[i] = '\n';
    }
    return n;
}
#    define WRONG (wrong_ops.read = wrong_read)
#endif

#ifdef WRONG_ERRORS
static int64_t wrong_read(void *stream, uint32_t channel, void *to, uint64_t len,
                          struct repx_err *err)
{
    return channel == REPX_STREAM_ERR ? 0 : local_read(stream, channel, to, len, err);
}
#    define WRONG (wrong_ops.read = wrong_read)
#endif

#ifdef WRONG_DEADLINE
static int64_t wrong_wait(void *self, struct repx_wait *items, uint64_t count,
                          uint64_t stride, int64_t deadline_ms, struct repx_err *err)
{
    return local_wait(self, items, count, stride, deadline_ms + 5000, err);
}
#    define WRONG (wrong_ops.wait = wrong_wait)
#endif

#ifdef WRONG_STRIDE
static int64_t wrong_wait(void *self, struct repx_wait *items, uint64_t count,
                          uint64_t stride, int64_t deadline_ms, struct repx_err *err)
{
    (void)stride;
    return local_wait(self, items, count > 1 ? 1 : count, sizeof(*items), deadline_ms,
                      err);
}
#    define WRONG (wrong_ops.wait = wrong_wait)
#endif

#ifdef WRONG_LEAK
static int32_t wrong_start(void *self, const char *command, int64_t deadline_ms,
                           void **stream, struct repx_err *err)
{
    (void)fcntl(2, F_DUPFD_CLOEXEC, 100);
    return local_start(self, command, deadline_ms, stream, err);
}
#    define WRONG (wrong_ops.start = wrong_start)
#endif

#ifdef WRONG_INHERIT
static int32_t wrong_start(void *self, const char *command, int64_t deadline_ms,
                           void **stream, struct repx_err *err)
{
    int32_t rc = local_start(self, command, deadline_ms, stream, err);

    if (rc == 0)
        (void)fcntl(((struct stream *)*stream)->input, F_SETFD, 0);
    return rc;
}
#    define WRONG (wrong_ops.start = wrong_start)
#endif

#ifdef WRONG_MEMORY
static void *volatile kept; /* or the compiler leaves out what nobody reads */
static int32_t wrong_start(void *self, const char *command, int64_t deadline_ms,
                           void **stream, struct repx_err *err)
{
    kept = repx_alloc(40);
    return local_start(self, command, deadline_ms, stream, err);
}
#    define WRONG (wrong_ops.start = wrong_start)
#endif

#ifdef WRONG_DEAF
static int32_t no_cancel(void *ctx)
{
    (void)ctx;
    return -1;
}
static int32_t wrong_open(void **self, const struct repx_host *host,
                          const struct repx_endpoint *endpoint, struct repx_err *err)
{
    static struct repx_host own;

    own = *host;
    own.cancel_fd = no_cancel;
    return local_open(self, &own, endpoint, err);
}
#    define WRONG (wrong_ops.open = wrong_open)
#endif

#ifdef WRONG_PATIENT
static int32_t wrong_exit_status(void *stream, int64_t deadline_ms, int32_t *status,
                                 struct repx_err *err)
{
    return local_exit_status(stream, deadline_ms + 6000, status, err);
}
#    define WRONG (wrong_ops.exit_status = wrong_exit_status)
#endif

#ifdef WRONG_ONCE
static int64_t wrong_read(void *stream, uint32_t channel, void *to, uint64_t len,
                          struct repx_err *err)
{
    const struct stream *s = stream;

    if (s->channels[channel == REPX_STREAM_ERR] < 0)
        return repx_fail(err, REPX_E_FAILED, "it has ended already");
    return local_read(stream, channel, to, len, err);
}
#    define WRONG (wrong_ops.read = wrong_read)
#endif

#ifdef WRONG_BLOCKS
static int64_t wrong_write(void *stream, const void *from, uint64_t len,
                           struct repx_err *err)
{
    int64_t n;

    for (int i = 0; (n = local_write(stream, from, len, err)) == REPX_AGAIN && i < 15;
         i++)
        nap(100);
    return n;
}
#    define WRONG (wrong_ops.write = wrong_write)
#endif

#ifdef WRONG_PIPE
static int64_t wrong_write(void *stream, const void *from, uint64_t len,
                           struct repx_err *err)
{
    ssize_t n = write(((struct stream *)stream)->input, from, (size_t)len);

    if (n < 0 && errno == EAGAIN)
        return REPX_AGAIN;
    return n < 0 ? repx_fail(err, REPX_E_LINK, "write") : n;
}
#    define WRONG (wrong_ops.write = wrong_write)
#endif

#ifdef WRONG_NAPS
static int64_t wrong_wait(void *self, struct repx_wait *items, uint64_t count,
                          uint64_t stride, int64_t deadline_ms, struct repx_err *err)
{
    if (items->want == REPX_READY_READ)
        nap(200);
    return local_wait(self, items, count, stride, deadline_ms, err);
}
#    define WRONG (wrong_ops.wait = wrong_wait)
#endif

#ifdef WRONG_ONE
static int32_t wrong_open(void **self, const struct repx_host *host,
                          const struct repx_endpoint *endpoint, struct repx_err *err)
{
    static int links;

    if (links++ == 2) /* the kit's second at a time; it opens again once before */
        return repx_fail(err, REPX_E_BUSY, "one connection is enough");
    return local_open(self, host, endpoint, err);
}
#    define WRONG (wrong_ops.open = wrong_open)
#endif

#ifdef WRONG_SUITS
static int32_t wrong_suits(const struct repx_host *host,
                           const struct repx_endpoint *endpoint, struct repx_err *why)
{
    (void)host, (void)endpoint;
    (void)repx_fail(why, REPX_E_USAGE, "not today");
    return 0;
}
#    define WRONG (wrong_ops.suits = wrong_suits)
#endif

#ifdef WRONG_STATS
static void wrong_stats(void *self, struct repx_transport_stats *stats)
{
    (void)self;
    memset(stats, 0, sizeof(*stats));
}
#    define WRONG (wrong_ops.stats = wrong_stats)
#endif

#ifdef WRONG_CLOSE
static void wrong_close(void *self)
{
    (void)self;
}
#    define WRONG (wrong_ops.close = wrong_close)
#endif

#ifdef WRONG_END
static void wrong_end(void *stream)
{
    (void)stream;
}
#    define WRONG (wrong_ops.end = wrong_end)
#endif

#ifdef WRONG_HALF
static int32_t wrong_half_close(void *stream, struct repx_err *err)
{
    (void)stream, (void)err;
    return 0;
}
#    define WRONG (wrong_ops.half_close = wrong_half_close)
#endif

#ifdef WRONG_CRASH
static void wrong_stats(void *self, struct repx_transport_stats *stats)
{
    (void)self, (void)stats;
    abort();
}
#    define WRONG (wrong_ops.stats = wrong_stats)
#endif

#ifdef WRONG_EXIT
static void wrong_stats(void *self, struct repx_transport_stats *stats)
{
    (void)self, (void)stats;
    exit(4);
}
#    define WRONG (wrong_ops.stats = wrong_stats)
#endif

#ifdef WRONG_FIELD
static const struct repx_field wrong_fields[] = {
    {"port", REPX_FIELD_INT, 0, 1, 10, "22", "out of its own range"},
};
#    define WRONG (wrong_plugin.fields = wrong_fields, wrong_plugin.field_count = 1)
#endif

const struct repx_plugin *repx_plugin_v0(void)
{
    wrong_ops = ops;
    wrong_plugin = plugin;
    wrong_plugin.vtable = &wrong_ops;
    WRONG;
    return &wrong_plugin;
}
