/* SPDX-License-Identifier: MIT */
/* paths.h: the directories of struct plugin_paths, for this folder only. */
#ifndef REPX_PLUGIN_PATHS_H
#define REPX_PLUGIN_PATHS_H

#include "core/plugin/loader.h"

struct plugin_paths {
    char **dirs; /* those that need not exist included */
    size_t count;
    char *libexec;
};

/* -1 when the program runs with more rights than its user has: nothing is loaded then. */
int paths_refuse_privileged(struct repx_err *err);

/* Is there a manifest DIR/KIND-NAME.ini? Its path (the caller frees), or NULL. */
char *paths_manifest(const struct plugin_paths *paths, uint32_t kind, const char *name);

#endif
