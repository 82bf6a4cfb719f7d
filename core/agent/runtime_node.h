/* SPDX-License-Identifier: MIT */
/* runtime_node.h: copies that a node keeps on its own disk, in <node_local_path>/repx:
 *
 *     cache/images/<tag>/rootfs    images (runtime_rootfs.c)
 *     pkg/<tree digest>            job packages
 *     host-tools/<name>            the Lab's tools
 *
 * Each is made once, by whoever needs it first, in a directory of its own that is renamed
 * whole; <copy>.use is locked while something runs from it, so that nobody collects it. */
#ifndef REPX_AGENT_RUNTIME_NODE_H
#define REPX_AGENT_RUNTIME_NODE_H

#include "core/agent/agent.h"

struct node_source {
    const char *path;        /* directory */
    const char *kind, *name; /* of the copy: <node>/repx/<kind>/<name> */
    const char *digest;      /* 64 hex digits that the tree must have, or NULL */
};

/* The copy, made if need be. Caller frees; NULL with *err. */
char *node_copy(struct site *site, const char *node, const struct node_source *from,
                struct repx_err *err);
/* May others change what lies in a directory of the node's disk? Below /tmp, say, somebody
 * else may have made it. 0, or -1 with *err. */
int node_dir_ours(const char *dir, struct repx_err *err);
/* Hold <copy>.use until the process ends; not being able to costs only that a collection
 * may take it. */
void node_use(const char *copy);
/* For who is to remove it: a descriptor to be closed when that is done, or -1: it is in
 * use, or errno tells. `use` is "<copy>.use" in the directory dir; create: O_CREAT or 0. */
int node_lock(int dir, const char *use, int create);
/* node_local_path as it is here: a leading ~ and variables of [A-Z_][A-Z0-9_]* are this
 * node's; NULL with *err when one is not set. Caller frees. */
char *node_path(const char *text, struct repx_err *err);

#endif
