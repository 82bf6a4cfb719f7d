/* SPDX-License-Identifier: MIT */
/* paths.h: where configuration lies, and what paths in it mean. */
#ifndef REPX_CONFIG_PATHS_H
#define REPX_CONFIG_PATHS_H

#include <kit/err.h>

#include "keep.h"

/* Directories that may hold our configuration, the most important first; the list ends
 * with NULL. */
const char *const *paths_config_dirs(struct keep *keep, struct repx_err *err);
/* $XDG_STATE_HOME/repx */
const char *paths_state_dir(struct keep *keep, struct repx_err *err);

/* A path on this machine: ~ at its start and $NAME anywhere are replaced, the result
 * must be absolute and loses slashes at its end. The error says what to write. */
const char *paths_expand(struct keep *keep, const char *path, struct repx_err *err);
/* A path on another machine is expanded there; what can be said here is checked: it
 * begins with '/', "~/" or '$' (or is "~"), and names in it are [A-Z_][A-Z0-9_]*. */
int paths_check_remote(const char *path, struct repx_err *err);

#endif
