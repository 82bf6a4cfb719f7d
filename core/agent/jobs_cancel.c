/* SPDX-License-Identifier: MIT */
#include "core/agent/follow.h"

int jobs_cancel(struct site *site, const char *run, char *ids, int out,
                struct repx_buf *fields, struct repx_err *err)
{
    (void)site, (void)out, (void)ids, (void)fields;
    return repx_fail(err, REPX_E_UNSUPPORTED, "%s: not there yet", run ? run : "");
}
