/* SPDX-License-Identifier: MIT */
#include "core/agent/runtime.h"

#include <kit/err.h>

int runtime_bwrap(const struct runtime_request *q, struct runtime_command *c,
                  struct repx_err *err)
{
    (void)q, (void)c;
    return repx_fail(err, REPX_E_UNSUPPORTED, "not there yet");
}

int runtime_bwrap_started(struct runtime_command *c, struct outcome *o)
{
    (void)c, (void)o;
    return 0;
}
