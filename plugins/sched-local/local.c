/* SPDX-License-Identifier: MIT */
/* local.c: the scheduler of a machine that has none. In the client it only describes
 * itself and checks; on the target its helper is the queue (helper_*.c). */
#include <stdlib.h>

#include <repx/scheduler.h>

#include <kit/alloc.h>
#include <kit/err.h>

#ifdef REPX_HELPER
#    include "helper_model.h"
#    include "helper_post.h"
#endif

struct local {
#ifdef REPX_HELPER
    struct post post;
#endif
    const struct repx_host *host;
};

static void local_close(void *self)
{
    struct local *l = self;

    if (!l)
        return;
#ifdef REPX_HELPER
    post_close(&l->post);
#endif
    free(l);
}

static int32_t local_open(void **self, const struct repx_host *host,
                          const char *workdir, struct repx_err *err)
{
    struct local *l = REPX_NEW(struct local);
    int32_t rc = 0;

    l->host = host;
#ifdef REPX_HELPER
    rc = post_open(&l->post, workdir, host, err);
#else
    (void)workdir, (void)err;
#endif
    if (rc < 0) {
        local_close(l);
    } else {
        *self = l;
    }
    return rc;
}

/* Partition, account, time and options of another scheduler are passed over, as RepX does
 * for its local scheduler: one resources.toml serves all targets. */
static int32_t local_check(void *self, const struct repx_resources *r,
                           struct repx_err *err)
{
    (void)self;
    if (r->nodes > 1 || r->tasks > 1) {
        return repx_fail(err, REPX_E_USAGE,
                         "the local scheduler has one node and one task a job");
    }
    if (r->gpus > 0)
        return repx_fail(err, REPX_E_USAGE, "the local scheduler does not assign GPUs");
    if (r->cpus == 0 || r->cpus < REPX_UNSET || r->memory < REPX_UNSET)
        return repx_fail(err, REPX_E_USAGE, "CPUs and memory must be positive");
    return 0;
}

static int32_t local_limits(void *self, struct repx_limits *limits, int64_t deadline_ms,
                            struct repx_err *err)
{
    (void)self, (void)deadline_ms, (void)err;
    *limits = (struct repx_limits){
        .size = sizeof(*limits),
        .array_max = 1000000,
        .submit_max = -1,
        .script_max = -1,
        .name_max = -1,
        .poll_ms = 500,
        .node_submits = 1,
        .remembers_s = 600,
    };
    return 0;
}

#ifdef REPX_HELPER

/* NOLINTNEXTLINE(readability-function-size): as the vtable has it */
static int32_t local_submit(void *self, const struct repx_unit *units, uint64_t count,
                            uint64_t stride, const struct repx_submit_sink *sink,
                            int64_t deadline_ms, struct repx_err *err)
{
    struct local *l = self;

    (void)deadline_ms;
    return post_submit(&l->post, units, count, stride, sink, err);
}

static int32_t local_status(void *self, uint32_t scope,
                            const struct repx_status_sink *sink, int64_t deadline_ms,
                            struct repx_err *err)
{
    struct local *l = self;

    (void)scope, (void)deadline_ms;
    return post_status(&l->post, sink, err);
}

/* NOLINTNEXTLINE(readability-function-size): as the vtable has it */
static int32_t local_find(void *self, const char *const *keys, uint64_t count,
                          int64_t since, const struct repx_found_sink *sink,
                          int64_t deadline_ms, struct repx_err *err)
{
    struct local *l = self;

    (void)since, (void)deadline_ms;
    return post_find(&l->post, keys, count, sink, err);
}

static int32_t local_cancel(void *self, const char *const *ids, uint64_t count,
                            int64_t deadline_ms, struct repx_err *err)
{
    struct local *l = self;

    (void)deadline_ms;
    return post_cancel(&l->post, ids, count, err);
}

/* NOLINTNEXTLINE(readability-function-size): as the vtable has it */
static int32_t local_amend(void *self, const char *id, const struct repx_dep *deps,
                           uint64_t count, uint64_t stride, int64_t deadline_ms,
                           struct repx_err *err)
{
    struct local *l = self;

    (void)deadline_ms;
    return post_amend(&l->post, id, deps, count, stride, err);
}

#else

static int32_t not_here(struct repx_err *err)
{
    return repx_fail(err, REPX_E_UNSUPPORTED,
                     "this is done by the helper on the target");
}

/* NOLINTNEXTLINE(readability-function-size): as the vtable has it */
static int32_t local_submit(void *self, const struct repx_unit *units, uint64_t count,
                            uint64_t stride, const struct repx_submit_sink *sink,
                            int64_t deadline_ms, struct repx_err *err)
{
    (void)self, (void)units, (void)count, (void)stride, (void)sink, (void)deadline_ms;
    return not_here(err);
}

static int32_t local_status(void *self, uint32_t scope,
                            const struct repx_status_sink *sink, int64_t deadline_ms,
                            struct repx_err *err)
{
    (void)self, (void)scope, (void)sink, (void)deadline_ms;
    return not_here(err);
}

/* NOLINTNEXTLINE(readability-function-size): as the vtable has it */
static int32_t local_find(void *self, const char *const *keys, uint64_t count,
                          int64_t since, const struct repx_found_sink *sink,
                          int64_t deadline_ms, struct repx_err *err)
{
    (void)self, (void)keys, (void)count, (void)since, (void)sink, (void)deadline_ms;
    return not_here(err);
}

static int32_t local_cancel(void *self, const char *const *ids, uint64_t count,
                            int64_t deadline_ms, struct repx_err *err)
{
    (void)self, (void)ids, (void)count, (void)deadline_ms;
    return not_here(err);
}

/* NOLINTNEXTLINE(readability-function-size): as the vtable has it */
static int32_t local_amend(void *self, const char *id, const struct repx_dep *deps,
                           uint64_t count, uint64_t stride, int64_t deadline_ms,
                           struct repx_err *err)
{
    (void)self, (void)id, (void)deps, (void)count, (void)stride, (void)deadline_ms;
    return not_here(err);
}

#endif

static const struct repx_scheduler_ops local_ops = {
    .size = sizeof(local_ops),
    .open = local_open,
    .close = local_close,
    .check = local_check,
    .limits = local_limits,
    .submit = local_submit,
    .status = local_status,
    .find = local_find,
    .cancel = local_cancel,
    .amend = local_amend,
};

static const struct repx_plugin local_plugin = {
    .size = sizeof(local_plugin),
    .magic = REPX_PLUGIN_MAGIC,
    .abi_major = REPX_ABI_MAJOR,
    .abi_minor = REPX_ABI_MINOR,
    .kind = REPX_KIND_SCHEDULER,
    .name = "local",
    .version = REPX_VERSION,
    .vendor = "repx",
    .license = "MIT",
    .summary = "runs jobs on the target itself, as many as it has room for",
    .vtable = &local_ops,
    .vtable_size = sizeof(local_ops),
    .field_stride = sizeof(struct repx_field),
};

const struct repx_plugin *repx_plugin_v0(void)
{
    return &local_plugin;
}
