/* SPDX-License-Identifier: MIT */
/* cmd_plugin.h: the commands below `plugin`, one file each. */
#ifndef REPX_CLI_CMD_PLUGIN_H
#define REPX_CLI_CMD_PLUGIN_H

#include "core/cli/cli.h"

extern const struct cmd cmd_plugin_show, cmd_plugin_check, cmd_plugin_new;

/* The members of an object that `list` and `show` have in common, without braces. */
void plugin_put_members(struct repx_buf *b, const struct plugin_info *p);
/* "key":"value", or null. */
void plugin_put_member(struct repx_buf *b, const char *key, const char *value);

#endif
