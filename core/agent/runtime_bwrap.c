/* SPDX-License-Identifier: MIT */
/* runtime_bwrap.c: the script in namespaces of its own, under bubblewrap.
 *
 * The three policies of mounts are RepX's; the order of options is the order of mounts:
 * root, /dev /proc /tmp, base path read-only, the attempt's own two directories. */
#define _GNU_SOURCE /* pipe2 */
#include "runtime_bwrap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state_check.h"

#define SYSTEM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static void add(struct strings *argv, const char *a, const char *b, const char *c)
{
    strings_add(argv, "%s", a);
    if (b)
        strings_add(argv, "%s", b);
    if (c)
        strings_add(argv, "%s", c);
}

/* ---- isolated and specific ---- */

static void namespaces_add(struct strings *argv, const struct runtime_request *q)
{
    static const char *const some[] = {"--unshare-ipc",        "--unshare-pid",
                                       "--unshare-uts",        "--unshare-net",
                                       "--unshare-cgroup-try", NULL};

    if (q->mounts == MOUNT_ISOLATED) {
        add(argv, "--unshare-all", NULL, NULL);
    } else {
        for (const char *const *s = some; *s; s++)
            add(argv, *s, NULL, NULL);
    }
    add(argv, "--hostname", "repx-container", NULL);
}

/* All that is mounted after the root; ends with NULL, free the array only. */
static const char **mount_points(const struct runtime_request *q)
{
    size_t n = json_array_size(q->paths), at = 0;
    const char **points = repx_array(n + 6, sizeof *points);

    points[at++] = q->site->base;
    points[at++] = q->site->state;
    points[at++] = q->out;
    if (q->package)
        points[at++] = q->package;
    if (q->tools)
        points[at++] = q->tools;
    for (size_t i = 0; q->mounts == MOUNT_SPECIFIC && i < n; i++)
        points[at++] = json_string_value(json_array_get(q->paths, i));
    return points;
}

static int image_root_add(struct strings *argv, const struct runtime_request *q,
                          const char *bwrap, const char *rootfs, struct repx_err *err)
{
    if (runtime_overlay(q, bwrap, rootfs)) {
        add(argv, "--overlay-src", rootfs, NULL);
        add(argv, "--tmp-overlay", "/", NULL);
        return 0;
    }
    const char **points = mount_points(q);
    int rc = bwrap_root_binds(argv, rootfs, points, err);
    free(points);
    return rc;
}

static int paths_add(struct strings *argv, const struct runtime_request *q,
                     struct repx_err *err)
{
    size_t i;
    json_t *path;

    if (q->mounts != MOUNT_SPECIFIC)
        return 0;
    json_array_foreach(q->paths, i, path)
    {
        const char *p = json_string_value(path);
        if (access(p, F_OK) < 0)
            return repx_fail_errno(err, "mount_paths: %s", p);
        add(argv, strncmp(p, "/dev/", 5) == 0 ? "--dev-bind" : "--bind", p, p);
    }
    return 0;
}

static int own_root(struct strings *argv, const struct runtime_request *q,
                    const char *bwrap, const char *rootfs, struct repx_err *err)
{
    namespaces_add(argv, q);
    if (image_root_add(argv, q, bwrap, rootfs, err) < 0)
        return -1;
    add(argv, "--dev", "/dev", NULL);
    add(argv, "--proc", "/proc", NULL);
    add(argv, "--tmpfs", "/tmp", NULL);
    add(argv, "--ro-bind", q->site->base, q->site->base);
    if (!runtime_inside(q->site->state, q->site->base))
        add(argv, "--ro-bind", q->site->state, q->site->state);
    for (size_t i = 0; i < OUTSIDE; i++) {
        REPX_AUTO_FREE char *path = runtime_outside(q, i);
        if (path)
            add(argv, "--ro-bind", path, path);
    }
    return paths_add(argv, q, err);
}

/* ---- host ---- */

static int host_root(struct strings *argv, const struct runtime_request *q,
                     const char *rootfs, struct repx_err *err)
{
    add(argv, "--unshare-pid", "--unshare-ipc", "--unshare-uts");
    if (bwrap_host_binds(argv, err) < 0)
        return -1;
    add(argv, "--dev-bind", "/dev", "/dev");
    add(argv, "--proc", "/proc", NULL);
    return bwrap_nix_binds(argv, q, rootfs, err);
}

/* ---- the whole ---- */

static void script_add(struct strings *argv, const struct runtime_request *q)
{
    add(argv, "--bind", q->out, q->out);
    add(argv, "--bind", q->repx, q->repx);
    add(argv, "--chdir", q->out, NULL);
    add(argv, "--", NULL, NULL);
    add(argv, q->script, q->out, NULL);
    add(argv, q->inputs, q->parameters, NULL);
}

static char **bwrap_environment(const struct runtime_request *q)
{
    int host = q->mounts == MOUNT_HOST;
    const char *own = getenv("PATH");
    REPX_AUTO_FREE char *path = repx_format(
        "%s%s" SYSTEM_PATH "%s%s", q->tools ? q->tools : "", q->tools ? ":" : "",
        host && own ? ":" : "", host && own ? own : "");

    return runtime_environment(q, path, host ? NULL : "/");
}

static int command_make(const struct runtime_request *q, const char *bwrap,
                        const char *rootfs, struct runtime_command *c,
                        struct repx_err *err)
{
    struct strings argv = {0};

    add(&argv, bwrap, "--die-with-parent", NULL);
    add(&argv, "--json-status-fd", NULL, NULL);
    strings_add(&argv, "%d", c->status[1]);
    int rc = q->mounts == MOUNT_HOST ? host_root(&argv, q, rootfs, err)
                                     : own_root(&argv, q, bwrap, rootfs, err);
    script_add(&argv, q);
    c->argv = argv.items;
    c->env = bwrap_environment(q);
    c->cwd = repx_strdup(q->out);
    c->spare_root = 1;
    return rc;
}

int runtime_bwrap(const struct runtime_request *q, struct runtime_command *c,
                  struct repx_err *err)
{
    if (!q->image)
        return repx_fail(err, REPX_E_USAGE, "the job has no image");
    REPX_AUTO_FREE char *bwrap = runtime_program(q, "bwrap", "bubblewrap", err);
    REPX_AUTO_FREE char *rootfs = bwrap ? runtime_rootfs(q, err) : NULL;
    if (!rootfs)
        return -1;
    if (pipe2(c->status, O_CLOEXEC) < 0)
        return repx_fail_errno(err, "pipe");
    return command_make(q, bwrap, rootfs, c, err);
}

/* bwrap reports the exit status of the script only if it got as far as starting it; its
 * own exit status cannot tell its failures from the script's. */
int runtime_bwrap_started(struct runtime_command *c, struct outcome *o)
{
    char text[4096];
    size_t n = 0;

    repx_close_fd(&c->status[1]);
    c->status[1] = -1;
    while (n < sizeof text - 1) {
        ssize_t got = read(c->status[0], text + n, sizeof text - 1 - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    text[n] = 0;
    const char *code = strstr(text, "\"exit-code\"");
    if (!code)
        return 0;
    code += strcspn(code, ":");
    long exit = *code ? strtol(code + 1, NULL, 10) : -1;
    if (exit > 128 && exit < 128 + 65) { /* how bwrap tells a signal */
        o->signal = (int)exit - 128;
        o->exit = -1;
    } else {
        o->exit = (int)exit;
        o->signal = 0;
    }
    o->ok = exit == 0;
    return 1;
}
