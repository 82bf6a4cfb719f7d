/* SPDX-License-Identifier: MIT */
/* helper_host.h: the services that a helper lends its scheduler's plugin. */
#ifndef REPX_KIT_HELPER_HOST_H
#define REPX_KIT_HELPER_HOST_H

#include <jansson.h>

#include <repx/plugin.h>

#include "buf.h"
#include "helper_run.h"

struct repx_helper_host {
    struct repx_host services; /* for the plugin */
    const struct repx_plugin *plugin;
    const json_t *config; /* the target's keys; borrowed */
    json_t *commands;     /* what was run, when somebody wants to know; else NULL */
    struct repx_run_output output;
    struct repx_buf text; /* a configuration value as text */
};

/* Services of a plugin that has no configuration yet. They point to *h: it stays there. */
void repx_helper_lend(struct repx_helper_host *h, const struct repx_plugin *plugin);
void repx_helper_host_free(struct repx_helper_host *h);

#endif
