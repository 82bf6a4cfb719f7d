/* SPDX-License-Identifier: MIT */
/* manifest.h: KIND-NAME.ini, what is known of a plugin without running it.
 *
 *     [plugin]
 *     kind = transport              or sched, sync
 *     name = ssh
 *     phase = lab                   sync only
 *     abi = 0.1
 *     version = ... vendor = ... license = ... summary = ...
 *     sha256 = <of KIND-NAME.so>    may be left out: then nothing is compared
 *     [helpers]                     schedulers: sha256 of each helper beside it
 *     x86_64 = ...
 *     [config KEY]                  for people: the plugin itself is the truth
 *     type = duration ...
 *
 * Unknown sections and names are skipped: a newer manifest is still readable. */
#ifndef REPX_PLUGIN_MANIFEST_H
#define REPX_PLUGIN_MANIFEST_H

#include "core/plugin/loader.h"

#define MANIFEST_HELPERS 16

/* A helper of a scheduler and its digest. */
struct manifest_helper {
    char *arch, *sha256;
};
struct manifest {
    struct plugin_info info;
    struct manifest_helper helpers[MANIFEST_HELPERS];
    size_t helper_count;
};

/* path: of the .ini; its name must agree with kind and name. "FILE:LINE: ...",
 * REPX_E_CORRUPT. *m is zeroed first and is to be freed in any case. */
int manifest_read(const char *path, struct manifest *m, struct repx_err *err);
int manifest_parse(const char *path, const char *text, size_t n, struct manifest *m,
                   struct repx_err *err);
void manifest_free(struct manifest *m);
void manifest_info_free(struct plugin_info *info);

#endif
