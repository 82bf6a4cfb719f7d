/* SPDX-License-Identifier: MIT */
/* Every public type of the contract in one object, for abidiff. abi.sh checks that none is
 * missing. */
#include <repx/plugin.h>
#include <repx/scheduler.h>
#include <repx/sync.h>
#include <repx/transport.h>

#define TYPE(name)                       \
    void abi_##name(struct name *);      \
    void abi_##name(struct name *unused) \
    {                                    \
        (void)unused;                    \
    }

TYPE(repx_err)
TYPE(repx_field)
TYPE(repx_run)
TYPE(repx_host)
TYPE(repx_plugin)
TYPE(repx_resources)
TYPE(repx_dep)
TYPE(repx_unit)
TYPE(repx_submit_sink)
TYPE(repx_status)
TYPE(repx_status_sink)
TYPE(repx_found_sink)
TYPE(repx_limits)
TYPE(repx_scheduler_ops)
TYPE(repx_entry)
TYPE(repx_tree)
TYPE(repx_sync_host)
TYPE(repx_sync_ops)
TYPE(repx_endpoint)
TYPE(repx_wait)
TYPE(repx_transport_stats)
TYPE(repx_transport_ops)

const struct repx_plugin *repx_plugin_v0(void)
{
    return NULL;
}
