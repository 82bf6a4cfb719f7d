/* SPDX-License-Identifier: MIT */
/* target.h: one [targets.NAME] table. */
#ifndef REPX_CONFIG_TARGET_H
#define REPX_CONFIG_TARGET_H

#include "config.h"
#include "keep.h"
#include "toml_tree.h"

/* Read and check the table of the target that its key names. */
int target_read(struct keep *keep, const struct toml *table, struct config_target *to,
                struct repx_err *err);
/* The target `local` for those who configured none. */
int target_built_in(struct keep *keep, struct config_target *to, struct repx_err *err);

#endif
