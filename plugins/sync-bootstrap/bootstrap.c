/* SPDX-License-Identifier: MIT */
/* bootstrap.c: the phase that puts the agent, host tools and a scheduler's helper on a
 * target on which nothing is installed. */
#include "connect.h"

static const struct repx_sync_ops ops = {
    .size = sizeof(ops),
    .perform = bootstrap_perform,
    .connect = bootstrap_connect,
};

static const struct repx_plugin plugin = {
    .size = sizeof(plugin),
    .magic = REPX_PLUGIN_MAGIC,
    .abi_major = REPX_ABI_MAJOR,
    .abi_minor = REPX_ABI_MINOR,
    .kind = REPX_KIND_SYNC,
    .phase = REPX_PHASE_BOOTSTRAP,
    .name = "bootstrap",
    .version = REPX_VERSION,
    .vendor = "repx",
    .license = "MIT",
    .summary = "the agent, host tools and the scheduler's helper",
    .vtable = &ops,
    .vtable_size = sizeof(ops),
    .field_stride = sizeof(struct repx_field),
};

const struct repx_plugin *repx_plugin_v0(void)
{
    return &plugin;
}
