/* SPDX-License-Identifier: MIT */
/* host.h: the services that a plugin is lent (struct repx_host), in the client. */
#ifndef REPX_PLUGIN_HOST_H
#define REPX_PLUGIN_HOST_H

#include "core/config/config.h"
#include "core/plugin/loader.h"

/* What the user sees and how the user stops us; one for the process, set up by the CLI. */
struct ui {
    void *ctx;
    void (*log)(void *ctx, const char *who, uint32_t level, const char *text);
    void (*progress)(void *ctx, const char *who, const char *unit, uint64_t done,
                     uint64_t total);
    int (*canceled)(void *ctx);
    int (*cancel_fd)(void *ctx);
    int (*secret)(void *ctx, const char *prompt, char *answer, size_t len,
                  struct repx_err *err);
};

struct host;
/* Checks the plugin's table of the target (may be NULL) against its fields: unknown key,
 * wrong type, out of range, missing: "FILE:LINE: ...", REPX_E_USAGE. Borrows all. */
struct host *host_create(const struct plugin *plugin, const struct config_table *table,
                         const struct ui *ui, struct repx_err *err);
void host_destroy(struct host *host);
const struct repx_host *host_services(struct host *host);

#endif
