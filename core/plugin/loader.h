/* SPDX-License-Identifier: MIT */
/* loader.h: the one door for plugins: find, check, load.
 *
 * Beside KIND-NAME.so lies KIND-NAME.ini (manifest.h), which is all that finding reads.
 * Search order: --plugin-path, plugin_path of the configuration, REPX_PLUGIN_PATH,
 * $XDG_DATA_HOME/repx/plugins (~/.local/share), <prefix>/lib/repx/plugins relative to
 * the binary. Refused is what somebody else may change (docs: architecture 3.9). */
#ifndef REPX_PLUGIN_LOADER_H
#define REPX_PLUGIN_LOADER_H

#include <stddef.h>

#include <repx/plugin.h>
#include <repx/scheduler.h>
#include <repx/sync.h>
#include <repx/transport.h>

#include <kit/err.h>

#include "core/plugin/descriptor.h"

struct plugin_paths; /* the search order */
/* cli and config: arrays of directories, may be empty. */
struct plugin_paths *plugin_paths_create(const char *const *cli, size_t cli_count,
                                         const char *const *config,
                                         size_t config_count);
void plugin_paths_destroy(struct plugin_paths *paths);
/* <prefix>/libexec/repx, found relative to the running binary (or the build tree's, or
 * $REPX_LIBEXEC). The agents are libexec/repx/agent-linux-ARCH. */
const char *plugin_libexec(const struct plugin_paths *paths);

/* One manifest. */
struct plugin_info {
    uint32_t kind, phase;
    char *name, *file, *version, *vendor, *license, *summary; /* file: the .so */
    uint32_t abi_major, abi_minor;
    char *sha256;     /* of the .so, or NULL */
    char *helper_dir; /* schedulers: helpers are <dir>/sched-NAME-linux-ARCH */
};
struct plugin_list {
    struct plugin_info *items; /* by kind, then name; the first on the path wins */
    size_t count;
};
/* Reads manifests only. A broken one is reported through `warn` and left out. */
int plugin_list(const struct plugin_paths *paths, struct plugin_list *list,
                void (*warn)(void *ctx, const char *text), void *ctx,
                struct repx_err *err);
void plugin_list_free(struct plugin_list *list);

/* "transport", "sched", "sync". */
const char *plugin_kind_word(uint32_t kind);

/* A loaded plugin. Never unloaded. ops: the core's own copy, zeroed past what theirs had. */
struct plugin {
    struct plugin_info info;
    const struct repx_plugin *descriptor; /* the core's own copy as well */
    union plugin_ops ops;                 /* .transport, .scheduler or .sync */
};
/* Unknown name: REPX_E_NOENT with the list of installed ones. A refusal names the field
 * that differs and both values. */
struct plugin *plugin_load(const struct plugin_paths *paths, uint32_t kind,
                           const char *name, struct repx_err *err);

/* What can be told of a plugin's file by itself, without its manifest and whatever it is
 * called: loads it into this process, so only a child asks (probe.h). 0 when all is well. */
int plugin_examine(const char *file, struct repx_err *err);

/* The helper of a scheduler for an architecture: its path (the caller frees), after its
 * digest was compared with the manifest's. REPX_E_NOENT with those that are there. */
char *plugin_helper(const struct plugin_info *info, const char *arch,
                    struct repx_err *err);

#endif
