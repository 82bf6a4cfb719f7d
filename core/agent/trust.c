/* SPDX-License-Identifier: MIT */
#include "core/agent/trust.h"

#include <kit/trust.h>

int path_is_ours(const char *path, struct repx_err *why)
{
    return repx_path_is_ours(path, why);
}
