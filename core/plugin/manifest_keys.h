/* SPDX-License-Identifier: MIT */
/* manifest_keys.h: the configuration keys that a manifest tells, for people and programs
 * that do not load the plugin. */
#ifndef REPX_PLUGIN_MANIFEST_KEYS_H
#define REPX_PLUGIN_MANIFEST_KEYS_H

#include <stddef.h>

#include <kit/err.h>

/* One [config NAME]. Texts as they stand there, NULL when they do not. */
struct manifest_key {
    char *name, *type, *min, *max, *initial, *help;
    int required, secret;
};
struct manifest_keys {
    struct manifest_key *items;
    size_t count;
};

/* path: of KIND-NAME.ini. To be freed in any case. */
int manifest_keys_read(const char *path, struct manifest_keys *keys,
                       struct repx_err *err);
void manifest_keys_free(struct manifest_keys *keys);

#endif
