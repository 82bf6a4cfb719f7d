/* SPDX-License-Identifier: MIT */
/* sched-exec as the client has it, with one promise broken. */
/* NOLINTBEGIN(readability-identifier-naming,bugprone-suspicious-include) */
#define repx_plugin_v0 the_good_one
#include "../../plugins/sched-exec/exec.c"
#undef repx_plugin_v0
#include <string.h>
/* NOLINTEND(readability-identifier-naming,bugprone-suspicious-include) */

REPX_EXPORT const struct repx_plugin *repx_plugin_v0(void);

static int32_t wrong_check(void *self, const struct repx_resources *r,
                           struct repx_err *err)
{
    (void)self;
#ifdef WRONG_BOAST
    if (r->gpus > 0)
        return repx_fail(err, REPX_E_USAGE, "there are no GPUs");
#else
    if (r->gpus != 0) /* unset is not 0 */
        return repx_fail(err, REPX_E_USAGE, "there are no GPUs");
#endif
    return 0;
}

static struct repx_scheduler_ops wrong_ops;
static struct repx_plugin wrong_plugin;

const struct repx_plugin *repx_plugin_v0(void)
{
    memcpy(&wrong_ops, the_good_one()->vtable, sizeof(wrong_ops));
    wrong_plugin = *the_good_one();
    wrong_plugin.vtable = &wrong_ops;
    wrong_ops.check = wrong_check;
    wrong_plugin.field_count = 0; /* its key is required */
#ifdef WRONG_BOAST
    wrong_ops.honours = REPX_HONOURS_ALL;
#endif
#ifdef WRONG_BITS
    wrong_ops.honours = UINT64_C(1) << 40;
#endif
    return &wrong_plugin;
}
