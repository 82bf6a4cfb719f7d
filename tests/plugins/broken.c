/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
/* One transport, wrong in one way: built once for each BROKEN_... below. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <repx/transport.h>

#ifndef BROKEN_MAGIC
#    define BROKEN_MAGIC REPX_PLUGIN_MAGIC
#endif
#ifndef BROKEN_SIZE
#    define BROKEN_SIZE sizeof(struct repx_plugin)
#endif
#ifndef BROKEN_MAJOR
#    define BROKEN_MAJOR REPX_ABI_MAJOR
#endif
#ifndef BROKEN_KIND
#    define BROKEN_KIND REPX_KIND_TRANSPORT
#endif
#ifndef BROKEN_NAME
#    define BROKEN_NAME "broken"
#endif
#ifndef BROKEN_VTABLE
#    define BROKEN_VTABLE sizeof(struct wide)
#endif

static int32_t t_open(void **self, const struct repx_host *host,
                      const struct repx_endpoint *endpoint, struct repx_err *err)
{
    (void)host;
    (void)endpoint;
    (void)err;
    *self = self;
    return 0;
}
static void t_close(void *self)
{
    (void)self;
}
static int32_t t_start(void *self, const char *command, int64_t deadline_ms,
                       void **stream, struct repx_err *err)
{
    (void)command;
    (void)deadline_ms;
    (void)err;
    *stream = self;
    return 0;
}
static int64_t t_read(void *stream, uint32_t channel, void *to, uint64_t len,
                      struct repx_err *err)
{
    (void)stream;
    (void)channel;
    (void)to;
    (void)len;
    (void)err;
    return 0;
}
static int64_t t_write(void *stream, const void *from, uint64_t len,
                       struct repx_err *err)
{
    (void)stream;
    (void)from;
    (void)err;
    return (int64_t)len;
}
static int32_t t_half_close(void *stream, struct repx_err *err)
{
    (void)stream;
    (void)err;
    return 0;
}
static int64_t t_wait(void *self, struct repx_wait *items, uint64_t count,
                      uint64_t stride, int64_t deadline_ms, struct repx_err *err)
{
    (void)self;
    (void)items;
    (void)count;
    (void)stride;
    (void)deadline_ms;
    (void)err;
    return 0;
}
#ifndef BROKEN_SLOT
static int32_t t_exit_status(void *stream, int64_t deadline_ms, int32_t *status,
                             struct repx_err *err)
{
    (void)stream;
    (void)deadline_ms;
    (void)err;
    *status = 0;
    return 0;
}
#endif
static void t_end(void *stream)
{
    (void)stream;
}
#ifdef BROKEN_ANSWER
int origin_answer(void);
#else
#    define BROKEN_ANSWER 7
#endif
static void t_stats(void *self, struct repx_transport_stats *stats)
{
    (void)self;
    stats->logins = BROKEN_ANSWER;
}
static int32_t t_suits(const struct repx_host *host,
                       const struct repx_endpoint *endpoint, struct repx_err *why)
{
    (void)host;
    (void)endpoint;
    (void)why;
    return 1;
}

/* A vtable of days to come. An older one says a smaller size: what lies behind that
 * (here: suits) must not be looked at. */
struct wide {
    struct repx_transport_ops ops;
    void (*later)(void);
};
static const struct wide vtable = {{
                                       .size = BROKEN_VTABLE,
                                       .open = t_open,
                                       .close = t_close,
                                       .start = t_start,
                                       .read = t_read,
                                       .write = t_write,
                                       .half_close = t_half_close,
                                       .wait = t_wait,
#ifndef BROKEN_SLOT
                                       .exit_status = t_exit_status,
#endif
                                       .end = t_end,
                                       .stats = t_stats,
                                       .suits = t_suits,
                                   },
                                   NULL};

static const struct repx_field fields[] = {
    {"port", REPX_FIELD_INT, 0, 1, 65535, "22", "TCP port"},
    {"patience", REPX_FIELD_DURATION, 0, 0, 0, "30s", "how long to wait; then give up"},
    {"room", REPX_FIELD_SIZE, 0, 0, 0, NULL, "how much"},
    {"quiet", REPX_FIELD_BOOL, 0, 0, 0, "false", "say nothing"},
    {"keys", REPX_FIELD_LIST, 0, 0, 0, NULL, "which keys"},
    {"user", REPX_FIELD_STRING, 0, 0, 0, NULL, "who"},
    {"word", REPX_FIELD_STRING, REPX_FIELD_SECRET, 0, 0, NULL, "password"},
    {"pin", REPX_FIELD_INT, REPX_FIELD_SECRET, 1, 10, NULL, "a small secret"},
};

static const struct repx_plugin plugin = {
    .size = BROKEN_SIZE,
    .magic = BROKEN_MAGIC,
    .abi_major = BROKEN_MAJOR,
    .abi_minor = REPX_ABI_MINOR,
    .kind = BROKEN_KIND,
    .name = BROKEN_NAME,
    .version = "1",
    .vendor = "tests",
    .license = "MIT",
    .summary = "a transport that goes nowhere; for tests",
    .vtable = &vtable,
    .vtable_size = BROKEN_VTABLE,
    .fields = fields,
    .field_count = sizeof(fields) / sizeof(fields[0]),
    .field_stride = sizeof(fields[0]),
};

#ifdef BROKEN_LIE
/* A copy that ends where memory ends, and is shorter than it says. */
static const struct repx_plugin *copy_at_the_end(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *at = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                    -1, 0);

    if (at == MAP_FAILED || mprotect(at + page, page, PROT_NONE) < 0)
        return NULL;
    return memcpy(at + page - 64, &plugin, 64);
}
#endif

#ifdef BROKEN_LOADING
__attribute__((constructor)) static void when_loaded(void)
{
    BROKEN_LOADING;
}
#endif

#ifdef BROKEN_SYMBOL
REPX_EXPORT const struct repx_plugin *repx_plugin_v99(void);
const struct repx_plugin *repx_plugin_v99(void)
#else
const struct repx_plugin *repx_plugin_v0(void)
#endif
{
#ifdef BROKEN_ENTRY
    BROKEN_ENTRY;
#endif
#ifdef BROKEN_LIE
    return copy_at_the_end();
#else
    return &plugin;
#endif
}
