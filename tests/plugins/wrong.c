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
