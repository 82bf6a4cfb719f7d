/* SPDX-License-Identifier: MIT */
/* target.h: a transport, its agent session and a scheduler, opened as one. */
#ifndef REPX_TARGET_TARGET_H
#define REPX_TARGET_TARGET_H

#include "core/config/config.h"
#include "core/plugin/host.h"
#include "core/plugin/loader.h"
#include "core/target/session.h"
#include "core/target/sets.h"

struct target;
struct fault_plan;

struct target_request {
    const struct config_target *config;
    const struct plugin_paths *paths;
    const struct ui *ui;
    uint32_t mode;                  /* REPX_OPEN_* */
    const struct fault_plan *fault; /* fault.h; NULL: none */
    /* NULL, or asked before the first byte is given to the target's shell: 1 go on, 0 not
     * yet (asked again), -1 stop. It waits up to timeout_ms. */
    int (*gate)(void *ctx, int timeout_ms);
    void *gate_ctx;
};

/* Opens the transport (one login) and reaches the agent with the bootstrap plugin. */
struct target *target_open(const struct target_request *request, struct repx_err *err);
void target_close(struct target *t); /* NULL is fine */
/* Authenticate once and keep it (login 1), or forget it (0), through the transport. */
int target_login(const struct target_request *request, int login, struct repx_err *err);

struct session *target_session(struct target *t);
struct sets *target_sets(struct target *t);
const struct config_target *target_config(const struct target *t);
/* From the hello. */
const char *target_base(const struct target *t);
const char *target_arch(const struct target *t);
/* Path of the agent relative to the base, bin/<sha256>/repx-agent. */
const char *target_agent(const struct target *t);
uint64_t target_logins(const struct target *t);
const struct plugin_paths *target_paths(const struct target *t);
const struct ui *target_ui(const struct target *t);
/* Host services for its clock and its cancel flag. */
const struct repx_host *target_clock(const struct target *t);

/* From now on transfers read every byte that is on the target (sync_host.h). */
void target_read_all(struct target *t, int all);
int target_reads_all(const struct target *t);

/* The services of a sync plugin over this target (sync_host.c). */
struct sync_source {
    void *ctx;
    uint64_t (*count)(void *ctx);
    int32_t (*entry)(void *ctx, uint64_t i, struct repx_entry *entry,
                     struct repx_err *err);
    int64_t (*read)(void *ctx, uint64_t i, uint64_t offset, void *to, uint64_t len,
                    struct repx_err *err);
};
/* Load sync plugin `name`, check its phase, run perform with that source. *sent (may be
 * NULL) gets files and bytes that were put. */
struct sync_sent {
    uint64_t files, bytes;
    uint64_t placed; /* trees that were declared: 0 when all was known */
};
int target_sync(struct target *t, const char *name, uint32_t phase,
                const struct sync_source *source, struct sync_sent *sent,
                struct repx_err *err);

#endif
