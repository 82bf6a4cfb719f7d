/* SPDX-License-Identifier: MIT */
/* fields.h: the configuration of one plugin: a table of the target, checked against the
 * rows that the plugin declares. */
#ifndef REPX_PLUGIN_FIELDS_H
#define REPX_PLUGIN_FIELDS_H

#include "core/config/config.h"
#include "core/plugin/loader.h"

struct fields;
/* table may be NULL: defaults only. Borrows both. "FILE:LINE: KEY: ...", REPX_E_USAGE. */
struct fields *fields_create(const struct plugin *plugin,
                             const struct config_table *table, struct repx_err *err);
void fields_destroy(struct fields *f);
/* As the members of struct repx_host. */
const char *fields_text(const struct fields *f, const char *key, uint64_t index);
int fields_number(const struct fields *f, const char *key, int64_t *value);

#endif
