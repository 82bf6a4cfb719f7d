/* SPDX-License-Identifier: MIT */
/* plugin check: would repx load this file? Asked in a child process. */
#include "cmd_plugin.h"
#include "core/plugin/probe.h"

#define PATIENCE_MS 5000

static int plugin_check_main(struct cli *cli, const void *args, char **words, int count,
                             struct repx_err *err)
{
    (void)cli, (void)args, (void)count;
    if (plugin_probe(words[0], PATIENCE_MS, err) < 0)
        return -1;
    ui_say("%s: repx loads it", words[0]);
    return 0;
}

const struct cmd cmd_plugin_check = {
    .name = "check",
    .usage = "FILE",
    .summary = "tell whether a plugin's file loads, without danger to this process",
    .min_words = 1,
    .max_words = 1,
    .main = plugin_check_main,
};
