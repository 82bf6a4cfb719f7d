/* SPDX-License-Identifier: MIT */
/* job_script.c: from a unit to a runtime's request, and from how the script ended to the
 * reason people read. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/gc.h"
#include "core/agent/job.h"
#include "core/agent/job_package.h"
#include "core/agent/runtime.h"
#include "core/agent/runtime_node.h"
#include "core/agent/state_check.h"
#include "core/agent/unit_said.h"

/* A limit counts as reached that much earlier: schedulers count from before our start. */
#define LIMIT_SLACK_MS 10000

static int64_t asked_ms(const struct unit *u)
{
    int64_t s = state_int(json_object_get(u->exe, "res"), "time", -1);

    return s > 0 && s < INT64_MAX / 2000 ? s * 1000 : 0;
}

/* By repx: the run, or (S/sub/KEY/cancel) this unit or index of it. */
static int cancelled(const struct unit *u)
{
    return faccessat(u->run->dir, "cancel", F_OK, 0) == 0 ||
           cancel_marked(u->site, u->key, u->index);
}

/* The index within an array, as the scheduler numbers it, or -1. */
static int64_t unit_index(void)
{
    const char *text = getenv("REPX_INDEX");

    return text && *text && strspn(text, "0123456789") == strlen(text)
               ? strtoll(text, NULL, 10)
               : -1;
}

/* A batch scheduler asked us to end: its daemon wrote on this node why, before it did. */
static void reason_asked(const struct unit *u, struct outcome *o, int late)
{
    struct unit_said said = {0};
    int ours = cancelled(u);

    if (!ours && strcmp(u->sched, "local") != 0)
        said = unit_said(u->site, u->key, unit_index());
    if (said.reason) {
        outcome_set(o, "%s", said.reason);
        o->again = said.may_return;
    } else if (late && !ours) {
        outcome_set(o, "timed out");
    } else {
        outcome_set(o, ours || strcmp(u->sched, "local") == 0 ? "cancelled"
                                                              : CANCELLED_OUTSIDE);
    }
}

/* Did the kernel kill for memory in our cgroup? Only asked after a KILL that nobody
 * here sent. */
static int out_of_memory(void)
{
    REPX_AUTO_BUF struct repx_buf own = {0}, events = {0};

    if (repx_read_file(AT_FDCWD, "/proc/self/cgroup", 65536, &own, NULL) < 0)
        return 0;
    char *v2 = strstr(own.data, "0::/");
    if (!v2)
        return 0;
    v2 += 3;
    v2[strcspn(v2, "\n")] = 0;
    REPX_AUTO_FREE char *path = repx_format("/sys/fs/cgroup%s/memory.events", v2);
    if (repx_read_file(AT_FDCWD, path, 65536, &events, NULL) < 0)
        return 0;
    const char *kills = strstr(events.data, "oom_kill ");
    return kills && strtol(kills + 9, NULL, 10) > 0;
}

static void reason_fill(const struct unit *u, struct outcome *o)
{
    int64_t asked = asked_ms(u);

    if (o->ok || o->reason)
        return;
    if (o->timed_out) {
        outcome_set(o, "timed out");
    } else if (o->asked) {
        reason_asked(u, o, asked && o->ms + LIMIT_SLACK_MS >= asked);
    } else if (o->signal == SIGKILL && out_of_memory()) {
        outcome_set(o, "out of memory");
    } else if (o->signal) {
        outcome_set(o, "signal %d", o->signal);
    } else {
        outcome_set(o, "exit %d", o->exit);
    }
}

/* Scripts of a job are found by the digest of their package, so that a job queued for
 * one Lab never runs the script of another that has the same id. */
static int script_paths(const struct unit *u, char **script, char **package,
                        struct repx_err *err)
{
    const char *path = state_text(u->exe, "path", "");
    REPX_AUTO_FREE char *own = repx_format("jobs/%s/", u->id);

    *package = NULL;
    if (strncmp(path, own, strlen(own)) != 0) {
        *script = repx_format("%s/artifacts/%s", u->site->base, path);
        return 0;
    }
    *package = job_package(u->site, u->id, state_text(u->plan, "pkg", ""), err);
    if (!*package)
        return -1;
    *script = repx_format("%s/%s", *package, path + strlen(own));
    return 0;
}

/* With the artifact store `node-local`, package and tools are read from this node's own
 * disk, and only from there. */
static int node_paths(const struct unit *u, const char *node, char **script,
                      char **package, char **tools, struct repx_err *err)
{
    const char *name = state_text(u->plan, "host_tools", NULL);
    const char *digest = state_text(u->plan, "pkg", "");

    if (!node || strcmp(state_text(u->plan, "store", ""), "node-local") != 0)
        return 0;
    if (*package) {
        const struct node_source from = {*package, "pkg", digest, digest};
        char *copy = node_copy(u->site, node, &from, err);
        if (!copy)
            return -1;
        char *moved = repx_format("%s%s", copy, *script + strlen(*package));
        free(*package);
        free(*script);
        *package = copy;
        *script = moved;
    }
    if (*tools) {
        REPX_AUTO_FREE char *path =
            repx_format("%s/artifacts/host-tools/%s", u->site->base, name);
        const struct node_source from = {path, "host-tools", name, NULL};
        REPX_AUTO_FREE char *copy = node_copy(u->site, node, &from, err);
        if (!copy)
            return -1;
        free(*tools);
        *tools = repx_format("%s/bin", copy);
    }
    return 0;
}

static int mount_policy(const json_t *mounts)
{
    const char *policy = state_text(mounts, "policy", "isolated");

    if (strcmp(policy, "host") == 0)
        return MOUNT_HOST;
    return strcmp(policy, "specific") == 0 ? MOUNT_SPECIFIC : MOUNT_ISOLATED;
}

static char *tools_path(const struct unit *u)
{
    const char *name = state_text(u->plan, "host_tools", NULL);

    return name ? repx_format("%s/artifacts/host-tools/%s/bin", u->site->base, name)
                : NULL;
}

void script_run(const struct unit *u, const struct attempt *a, const char *inputs,
                const char *parameters, struct outcome *o)
{
    const json_t *mounts = json_object_get(u->plan, "mounts");
    const char *local = state_text(u->plan, "node_local", NULL);
    struct repx_err err = {0};
    REPX_AUTO_FREE char *node = local ? node_path(local, &err) : NULL;
    REPX_AUTO_FREE char *tools = tools_path(u);
    REPX_AUTO_FREE char *script = NULL;
    REPX_AUTO_FREE char *package = NULL;
    int here = strcmp(u->sched, "local") == 0;

    *o = (struct outcome){.exit = -1};
    if (local && !node) {
        outcome_set(o, "not started: %s", err.text);
        return;
    }
    if (node)
        gc_node(u->site, node);
    if (script_paths(u, &script, &package, &err) < 0 ||
        node_paths(u, node, &script, &package, &tools, &err) < 0) {
        outcome_set(o, "not started: %s", err.text);
        return;
    }
    struct runtime_request q = {
        .site = u->site,
        .runtime = state_text(u->plan, "runtime", ""),
        .image = state_text(u->plan, "image", NULL),
        .node_local = node,
        .tools = tools,
        .mounts = mount_policy(mounts),
        .paths = json_object_get(mounts, "paths"),
        .batch = !here,
        .script = script,
        .package = package,
        .out = a->out,
        .repx = a->repx,
        .inputs = inputs,
        .parameters = parameters,
        .out_fd = a->out_fd,
        .err_fd = a->err_fd,
        .limit_ms = here ? asked_ms(u) : 0, /* a batch scheduler sends TERM itself */
    };
    runtime_run(&q, o, NULL);
    reason_fill(u, o);
}
