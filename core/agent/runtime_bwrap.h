/* SPDX-License-Identifier: MIT */
/* runtime_bwrap.h: the parts of a bwrap command line. */
#ifndef REPX_AGENT_RUNTIME_BWRAP_H
#define REPX_AGENT_RUNTIME_BWRAP_H

#include "core/agent/runtime.h"

/* Where this request's copies are: B/cache, or the node's own. Caller frees. */
char *cache_dir(const struct runtime_request *q);

/* The image's root as read-only binds of its entries (runtime_bwrap_root.c). A directory
 * that has to hold one of `points` (absolute paths that are mounted later, ends with
 * NULL) and does not is made anew, and its own entries are bound one level deeper:
 * mount points cannot be made inside a read-only bind. */
int bwrap_root_binds(struct strings *argv, const char *rootfs,
                     const char *const *points, struct repx_err *err);
/* This machine's top-level directories instead; RepX's choice of what is writable. */
int bwrap_host_binds(struct strings *argv, struct repx_err *err);
/* /nix of host and image under the policy `host`. */
int bwrap_nix_binds(struct strings *argv, const struct runtime_request *q,
                    const char *rootfs, struct repx_err *err);

#endif
