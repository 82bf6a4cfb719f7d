/* SPDX-License-Identifier: MIT */
/* first_command.h: reach the agent: the bootstrap plugin's connect over a raw stream. */
#ifndef REPX_TARGET_FIRST_COMMAND_H
#define REPX_TARGET_FIRST_COMMAND_H

#include "core/target/target.h"

struct first_command {
    const struct repx_transport_ops *ops;
    void *transport;
    const struct repx_host *host;
    const char *libexec; /* where agent-linux-ARCH lie */
    const char *base_path, *state_path;
    int (*gate)(void *ctx, int timeout_ms); /* as target_request's; may be NULL */
    void *gate_ctx;
};

/* Runs the plugin's connect. On success *stream is the agent's channel, and *agent the
 * path of the agent for `arch` below the base is told by first_command_agent. */
int first_command_run(const struct first_command *f, const struct plugin *bootstrap,
                      const struct repx_host *services, void **stream,
                      struct repx_err *err);
/* bin/<sha256>/repx-agent of the agent for that architecture; caller frees. */
char *first_command_agent(const char *libexec, const char *arch, struct repx_err *err);

#endif
