/* SPDX-License-Identifier: MIT */
/* exec.c: a site's own script in the place of a scheduler plugin. In the client there is
 * nothing to ask: what the script takes, it alone knows. On the target the helper becomes
 * the script (helper_main.c). */
#include <repx/scheduler.h>

#include <kit/err.h>

static int32_t exec_open(void **self, const struct repx_host *host, const char *workdir,
                         struct repx_err *err)
{
    const char *helper = host->config_text(host->ctx, "helper", 0);

    (void)workdir;
    if (helper && helper[0] != '/') {
        return repx_fail(err, REPX_E_USAGE,
                         "helper is \"%s\": give the absolute path on the target",
                         helper);
    }
    *self = NULL;
    return 0;
}

static void exec_close(void *self)
{
    (void)self;
}

static int32_t exec_check(void *self, const struct repx_resources *resources,
                          struct repx_err *err)
{
    (void)self, (void)resources, (void)err;
    return 0;
}

static int32_t by_the_script(struct repx_err *err)
{
    return repx_fail(err, REPX_E_UNSUPPORTED,
                     "this is done by the script on the target");
}

static int32_t exec_limits(void *self, struct repx_limits *limits, int64_t deadline_ms,
                           struct repx_err *err)
{
    (void)self, (void)limits, (void)deadline_ms;
    return by_the_script(err);
}

/* NOLINTNEXTLINE(readability-function-size): as the vtable has it */
static int32_t exec_submit(void *self, const struct repx_unit *units, uint64_t count,
                           uint64_t stride, const struct repx_submit_sink *sink,
                           int64_t deadline_ms, struct repx_err *err)
{
    (void)self, (void)units, (void)count, (void)stride, (void)sink, (void)deadline_ms;
    return by_the_script(err);
}

static int32_t exec_status(void *self, uint32_t scope,
                           const struct repx_status_sink *sink, int64_t deadline_ms,
                           struct repx_err *err)
{
    (void)self, (void)scope, (void)sink, (void)deadline_ms;
    return by_the_script(err);
}

/* NOLINTNEXTLINE(readability-function-size): as the vtable has it */
static int32_t exec_find(void *self, const char *const *keys, uint64_t count,
                         int64_t since, const struct repx_found_sink *sink,
                         int64_t deadline_ms, struct repx_err *err)
{
    (void)self, (void)keys, (void)count, (void)since, (void)sink, (void)deadline_ms;
    return by_the_script(err);
}

static int32_t exec_cancel(void *self, const char *const *ids, uint64_t count,
                           int64_t deadline_ms, struct repx_err *err)
{
    (void)self, (void)ids, (void)count, (void)deadline_ms;
    return by_the_script(err);
}

static const struct repx_scheduler_ops exec_ops = {
    .size = sizeof(exec_ops),
    .open = exec_open,
    .close = exec_close,
    .check = exec_check,
    .limits = exec_limits,
    .submit = exec_submit,
    .status = exec_status,
    .find = exec_find,
    .cancel = exec_cancel,
};

static const struct repx_field exec_fields[] = {
    {"helper", REPX_FIELD_STRING, REPX_FIELD_REQUIRED, 0, 0, NULL,
     "the script: its absolute path on the target; only its user or root may be able to "
     "change it"},
};

static const struct repx_plugin exec_plugin = {
    .size = sizeof(exec_plugin),
    .magic = REPX_PLUGIN_MAGIC,
    .abi_major = REPX_ABI_MAJOR,
    .abi_minor = REPX_ABI_MINOR,
    .kind = REPX_KIND_SCHEDULER,
    .name = "exec",
    .version = REPX_VERSION,
    .vendor = "repx",
    .license = "MIT",
    .summary = "lets a script of the site hand jobs to a scheduler",
    .vtable = &exec_ops,
    .vtable_size = sizeof(exec_ops),
    .fields = exec_fields,
    .field_count = sizeof(exec_fields) / sizeof(exec_fields[0]),
    .field_stride = sizeof(exec_fields[0]),
};

const struct repx_plugin *repx_plugin_v0(void)
{
    return &exec_plugin;
}
