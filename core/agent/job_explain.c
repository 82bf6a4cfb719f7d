/* SPDX-License-Identifier: MIT */
#include "core/agent/follow.h"

int job_explain(struct site *site, const char *job, int out, struct repx_err *err)
{
    (void)site, (void)out;
    return repx_fail(err, REPX_E_UNSUPPORTED, "%s: not there yet", job);
}
