/* SPDX-License-Identifier: MIT */
/* runtime_charliecloud.c: the script under Charliecloud's ch-run, on the image's unpacked
 * root. ch-run by itself leaves what it binds writable and keeps the machine's network and
 * processes; so it is started with internal-confine (runtime_confine.c) around it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/runtime.h"
#include "core/agent/runtime_tar.h"

#define SYSTEM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* What the container sees of this machine. */
struct seen {
    struct strings paths, modes; /* modes: "--read", "--write", "--keep" */
};

static void see(struct seen *s, const char *path, const char *mode)
{
    strings_add(&s->paths, "%s", path);
    strings_add(&s->modes, "%s", mode);
}

/* RepX's choice; /tmp, /dev, /proc and /sys are this machine's anyway. */
static int see_host(struct seen *s, const char *base)
{
    static const char *const dirs[] = {"/home",  "/var", "/opt", "/run",
                                       "/media", "/mnt", "/nix"};
    int covered = runtime_inside(base, "/tmp");

    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        if (access(dirs[i], F_OK) < 0)
            continue;
        see(s, dirs[i], strcmp(dirs[i], "/nix") == 0 ? "--read" : "--keep");
        covered |= runtime_inside(base, dirs[i]);
    }
    return covered;
}

static int see_named(struct seen *s, const struct runtime_request *q,
                     struct repx_err *err)
{
    size_t i;
    json_t *path;

    json_array_foreach(q->paths, i, path)
    {
        const char *p = json_string_value(path);
        if (access(p, F_OK) < 0)
            return repx_fail_errno(err, "mount_paths: %s", p);
        if (!runtime_inside(p, "/dev")) /* which is there */
            see(s, p, "--keep");
    }
    return 0;
}

static int see_all(struct seen *s, const struct runtime_request *q,
                   struct repx_err *err)
{
    const char *base = q->site->base, *state = q->site->state;
    int host = q->mounts == MOUNT_HOST;

    if (!host || !see_host(s, base))
        see(s, base, "--read");
    if (!host && !runtime_inside(state, base))
        see(s, state, "--read");
    for (size_t i = 0; i < OUTSIDE; i++) {
        REPX_AUTO_FREE char *path = runtime_outside(q, i);
        if (path)
            see(s, path, "--read");
    }
    if (q->mounts == MOUNT_SPECIFIC && see_named(s, q, err) < 0)
        return -1;
    see(s, q->out, "--write");
    see(s, q->repx, "--write");
    return 0;
}

/* Does it come with another path that is seen? */
static int is_covered(const struct seen *s, size_t i)
{
    const char *path = s->paths.items[i];

    for (size_t k = 0; k < s->paths.count; k++) {
        if (k != i && runtime_inside(path, s->paths.items[k]) &&
            (k < i || strcmp(path, s->paths.items[k]) != 0))
            return 1;
    }
    return 0;
}

/* ch-run cannot make mount points in a root that it mounts read-only. */
static int mount_points(const struct seen *s, const char *rootfs, struct repx_err *err)
{
    REPX_AUTO_CLOSE int root = open(rootfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = root < 0 ? repx_fail_errno(err, "%s", rootfs)
                      : root_place(root, "/sys", 1, err);

    for (size_t i = 0; rc == 0 && i < s->paths.count; i++) {
        const char *path = s->paths.items[i];
        struct stat st;
        if (strchr(path, ':')) {
            rc = repx_fail(err, REPX_E_UNSUPPORTED,
                           "%s: ch-run cannot bind a path with a colon in it", path);
        } else if (stat(path, &st) < 0) {
            rc = repx_fail_errno(err, "%s", path);
        } else if (!runtime_inside(path, "/tmp") && !is_covered(s, i)) {
            rc = root_place(root, path, S_ISDIR(st.st_mode), err);
        }
    }
    return rc;
}

static void environment_add(struct strings *argv, const struct runtime_request *q)
{
    int host = q->mounts == MOUNT_HOST;
    REPX_AUTO_FREE char *path =
        repx_format("%s%s" SYSTEM_PATH, q->tools ? q->tools : "", q->tools ? ":" : "");
    char **env = runtime_environment(q, path, host ? NULL : "/");

    strings_add(argv, "--unset-env=*");
    strings_add(argv, "--env-no-expand");
    for (char **e = env; *e; e++)
        strings_add(argv, "--set-env=%s", *e);
    strings_free(env);
}

static int self_add(struct strings *argv, struct repx_err *err)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (n <= 0)
        return repx_fail_errno(err, "/proc/self/exe");
    self[n] = 0;
    strings_add(argv, "%s", self);
    strings_add(argv, "internal-confine");
    return 0;
}

static int command_make(const struct runtime_request *q, const char *program,
                        const char *rootfs, const struct seen *s,
                        struct runtime_command *c, struct repx_err *err)
{
    int host = q->mounts == MOUNT_HOST;
    struct strings argv = {0}, env = {0};

    int rc = self_add(&argv, err);
    strings_add(&argv, host ? "--network" : "--tmp");
    for (size_t i = 0; i < s->paths.count; i++) {
        strings_add(&argv, "%s", s->modes.items[i]);
        strings_add(&argv, "%s", s->paths.items[i]);
    }
    strings_add(&argv, "--keep");
    strings_add(&argv, "%s", rootfs);
    strings_add(&argv, "--keep");
    strings_add(&argv, "%s", program);
    strings_add(&argv, "--");
    strings_add(&argv, "%s", program);
    strings_add(&argv, "--no-passwd");
    strings_add(&argv, "--cd=%s", q->out);
    environment_add(&argv, q);
    for (size_t i = 0; i < s->paths.count; i++) {
        if (!is_covered(s, i) && !runtime_inside(s->paths.items[i], "/tmp"))
            strings_add(&argv, "--bind=%s:%s", s->paths.items[i], s->paths.items[i]);
    }
    strings_add(&argv, "%s", rootfs);
    strings_add(&argv, "--");
    strings_add(&argv, "%s", q->script);
    strings_add(&argv, "%s", q->out);
    strings_add(&argv, "%s", q->inputs);
    strings_add(&argv, "%s", q->parameters);
    c->argv = argv.items;
    strings_add(&env, "USER=%s", getenv("USER") ? getenv("USER") : "user");
    strings_add(&env, "HOME=/");
    strings_add(&env, "PATH=" SYSTEM_PATH);
    c->env = env.items;
    return rc;
}

/* "ch-run[PID]: error: TEXT (FILE:LINE)" or our own "repx-agent: confine: TEXT". */
static void charliecloud_ended(const struct runtime_request *q,
                               const struct runtime_command *c, const char *said,
                               struct outcome *o)
{
    const char *mark = o->exit == 125 ? "repx-agent: confine: " : "ch-run[";
    const char *last = NULL;

    (void)q, (void)c;
    if (o->exit > 128 && o->exit < 128 + 65) {
        o->signal = o->exit - 128;
        o->exit = -1;
    }
    if (o->asked || o->timed_out || (o->exit != 1 && o->exit != 125))
        return;
    for (const char *at = strstr(said, mark); at; at = strstr(at + 1, mark))
        last = at;
    const char *why = last && o->exit == 1 ? strstr(last, "]: error: ") : last;
    if (!why)
        return;
    outcome_set(o, "not started: charliecloud: %s",
                o->exit == 1 ? why + strlen("]: error: ") : why + strlen(mark));
    o->exit = -1;
}

int runtime_charliecloud(const struct runtime_request *q, struct runtime_command *c,
                         struct repx_err *err)
{
    struct seen s = {0};

    if (!q->image)
        return repx_fail(err, REPX_E_USAGE, "the job has no image");
    REPX_AUTO_FREE char *program =
        runtime_program(q, "ch-run", "charliecloud (charliecloud-runtime)", err);
    REPX_AUTO_FREE char *rootfs = program ? runtime_rootfs(q, err) : NULL;
    if (!rootfs)
        return -1;
    int rc = see_all(&s, q, err);
    if (rc == 0)
        rc = mount_points(&s, rootfs, err);
    if (rc == 0)
        rc = command_make(q, program, rootfs, &s, c, err);
    strings_free(s.paths.items);
    strings_free(s.modes.items);
    c->cwd = repx_strdup(q->out);
    c->spare_root = 1;
    c->ended = charliecloud_ended;
    return rc;
}
