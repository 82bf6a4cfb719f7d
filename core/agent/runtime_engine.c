/* SPDX-License-Identifier: MIT */
/* runtime_engine.c: the script in a container of podman or docker, with no more than it
 * needs: the image and the base path read-only, the attempt's own two directories
 * writable, the user's own ids, no capabilities, and no network unless the policy is
 * `host`. */
#include "runtime_engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state.h"

extern char **environ;

#define SYSTEM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The engine's client finds its storage, its helpers and its daemon as it does for the
 * account in a shell; none of it gets into the container. */
static char **engine_environment(const struct runtime_request *q)
{
    const char *path = getenv("PATH");
    struct strings s = {0};

    strings_add(&s, "PATH=%s%s%s%s" SYSTEM_PATH, q->tools ? q->tools : "",
                q->tools ? ":" : "", path ? path : "", path ? ":" : "");
    strings_add(&s, "LC_ALL=C");
    for (char **e = environ; *e; e++) {
        if (strncmp(*e, "PATH=", 5) == 0 || strncmp(*e, "LC_ALL=", 7) == 0)
            continue;
        /* a batch job may name a directory that only logins have */
        if (strncmp(*e, "XDG_RUNTIME_DIR=", 16) != 0 ||
            access(*e + 16, W_OK | X_OK) == 0)
            strings_add(&s, "%s", *e);
    }
    return s.items;
}

static void add(struct strings *argv, const char *a, const char *b)
{
    strings_add(argv, "%s", a);
    if (b)
        strings_add(argv, "%s", b);
}

/* One field of the list that --mount takes: quoted as in CSV when it has to be. */
static void field_add(struct repx_buf *to, const char *name, const char *value)
{
    int quote = strpbrk(value, ",\"\n") != NULL;

    repx_buf_fmt(to, ",%s%s=", quote ? "\"" : "", name);
    for (; *value; value++) {
        if (*value == '"')
            repx_buf_char(to, '"');
        repx_buf_char(to, *value);
    }
    if (quote)
        repx_buf_char(to, '"');
}

/* The short form splits at colons, the long one at commas, with quotes. */
static void mount_add(struct strings *argv, const char *path, int writable)
{
    REPX_AUTO_BUF struct repx_buf b = {0};

    if (!strchr(path, ':')) {
        repx_buf_fmt(&b, "%s:%s%s", path, path, writable ? "" : ":ro");
        add(argv, "-v", repx_buf_text(&b));
        return;
    }
    repx_buf_str(&b, "type=bind");
    field_add(&b, "source", path);
    field_add(&b, "destination", path);
    if (!writable)
        repx_buf_str(&b, ",ro=true");
    add(argv, "--mount", repx_buf_text(&b));
}

static int specific_add(struct strings *argv, const struct runtime_request *q,
                        struct repx_err *err)
{
    size_t i;
    json_t *path;

    json_array_foreach(q->paths, i, path)
    {
        const char *p = json_string_value(path);
        if (access(p, F_OK) < 0)
            return repx_fail_errno(err, "mount_paths: %s", p);
        if (strncmp(p, "/dev/", 5) == 0) {
            add(argv, "--device", p);
        } else {
            mount_add(argv, p, 1);
        }
    }
    return 0;
}

/* RepX's choice; /tmp is this machine's then. */
static int host_add(struct strings *argv, const char *base)
{
    static const char *const dirs[] = {"/home", "/tmp",   "/var", "/opt",
                                       "/run",  "/media", "/mnt", "/nix"};
    int covered = 0;

    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        if (access(dirs[i], F_OK) < 0)
            continue;
        mount_add(argv, dirs[i], strcmp(dirs[i], "/nix") != 0);
        covered |= runtime_inside(base, dirs[i]);
    }
    return covered;
}

static int mounts_add(struct strings *argv, const struct runtime_request *q,
                      struct repx_err *err)
{
    const char *base = q->site->base, *state = q->site->state;
    int host = q->mounts == MOUNT_HOST;
    int covered = host && host_add(argv, base);

    if (!covered)
        mount_add(argv, base, 0);
    if (!host && !runtime_inside(state, base))
        mount_add(argv, state, 0);
    for (size_t i = 0; i < OUTSIDE; i++) {
        REPX_AUTO_FREE char *path = runtime_outside(q, i);
        if (path)
            mount_add(argv, path, 0);
    }
    if (q->mounts == MOUNT_SPECIFIC && specific_add(argv, q, err) < 0)
        return -1;
    mount_add(argv, q->out, 1);
    mount_add(argv, q->repx, 1);
    return 0;
}

static void confine(struct strings *argv, const struct runtime_request *q,
                    const struct engine *engine)
{
    int host = q->mounts == MOUNT_HOST;

    add(argv, "--pull", "never");
    add(argv, "--network", host ? "host" : "none");
    if (!host)
        add(argv, "--hostname", "repx-container");
    add(argv, "--read-only", NULL);
    if (host && !engine->is_docker)
        add(argv, "--read-only-tmpfs=false", NULL);
    if (!host)
        add(argv, "--tmpfs", "/tmp");
    add(argv, "--cap-drop", "all");
    add(argv, "--security-opt", "no-new-privileges");
    add(argv, "--log-driver", "none");
    add(argv, "--stop-signal", "TERM");
    if (geteuid() != 0 && !engine->is_docker)
        add(argv, "--userns", "keep-id");
    strings_add(argv, "--user");
    strings_add(argv, "%ld:%ld", (long)geteuid(), (long)getegid());
}

/* docker's daemon knows nothing of the groups that the account is in. */
static void groups_add(struct strings *argv)
{
    gid_t groups[64];
    int n = getgroups(64, groups);

    for (int i = 0; i < n; i++) {
        if (groups[i] == getegid())
            continue;
        strings_add(argv, "--group-add");
        strings_add(argv, "%ld", (long)groups[i]);
    }
}

/* PATH stays the image's. */
static void environment_add(struct strings *argv, const struct runtime_request *q,
                            const struct engine *engine)
{
    char **env = runtime_environment(q, "", q->mounts == MOUNT_HOST ? NULL : "/");

    if (!engine->is_docker)
        add(argv, "--unsetenv", "container");
    for (char **e = env; *e; e++) {
        if (strncmp(*e, "PATH=", 5) != 0)
            add(argv, "--env", *e);
    }
    strings_free(env);
}

static int command_make(const struct runtime_request *q, const struct engine *engine,
                        const char *image, struct runtime_command *c,
                        struct repx_err *err)
{
    struct strings argv = {0};

    c->container =
        repx_format("repx-%ld-%lld", (long)getpid(), (long long)state_now_ms());
    add(&argv, engine->program, "run");
    add(&argv, "--rm", NULL);
    add(&argv, "--name", c->container);
    confine(&argv, q, engine);
    if (engine->is_docker)
        groups_add(&argv);
    environment_add(&argv, q, engine);
    int rc = mounts_add(&argv, q, err);
    add(&argv, "--workdir", q->out);
    add(&argv, "--entrypoint", q->script);
    add(&argv, image, q->out);
    add(&argv, q->inputs, q->parameters);
    c->argv = argv.items;
    return rc;
}

/* The engine was not there to do it any more. */
static void container_remove(const struct runtime_command *c, int is_docker)
{
    REPX_AUTO_BUF struct repx_buf said = {0};
    struct repx_err why = {0};
    struct strings argv = {0};

    add(&argv, c->argv[0], "rm");
    add(&argv, "--force", is_docker ? NULL : "--ignore");
    if (!is_docker)
        add(&argv, "--time", "0");
    add(&argv, c->container, NULL);
    (void)process_tool_env(argv.items, c->env, NULL, &said, &why);
    strings_free(argv.items);
}

/* What runc says when the script's interpreter is not in the image is all there is to
 * tell: its status is 1. */
static const char *exec_failed(const struct runtime_command *c, const char *said)
{
    char **word = c->argv;

    while (*word && strcmp(*word, "--entrypoint") != 0)
        word++;
    REPX_AUTO_FREE char *front = repx_format("exec %s: ", *word ? word[1] : "");
    const char *at = strstr(said, front);
    return at && !strchr(at, ';') ? at : NULL;
}

/* The engine's own last word, or NULL: "Error: TEXT", "docker: Error response from
 * daemon: TEXT". */
static const char *engine_error(const char *said, int is_docker)
{
    const char *mark = is_docker ? "docker: " : "Error: ";
    const char *last = NULL;

    for (const char *at = strstr(said, mark); at; at = strstr(at + 1, mark))
        last = at + strlen(mark);
    return last;
}

static void engine_ended(const struct runtime_request *q,
                         const struct runtime_command *c, const char *said,
                         struct outcome *o)
{
    int is_docker = strcmp(q->runtime, "docker") == 0;

    if (o->asked || o->timed_out || o->signal)
        container_remove(c, is_docker);
    if (o->exit > 128 && o->exit < 128 + 65) { /* how engines tell a signal */
        o->signal = o->exit - 128;
        o->exit = -1;
    }
    if (o->asked || o->timed_out)
        return;
    const char *why = NULL;
    if (o->exit >= 125 && o->exit <= 127) { /* an engine's, and perhaps a script's */
        why = engine_error(said, is_docker);
    } else if (o->exit == 1) {
        why = exec_failed(c, said);
    }
    if (!why)
        return;
    outcome_set(o, "not started: %s: %s", q->runtime, why);
    o->exit = -1;
}

int runtime_engine(const struct runtime_request *q, struct runtime_command *c,
                   struct repx_err *err)
{
    if (!q->image)
        return repx_fail(err, REPX_E_USAGE, "the job has no image");
    REPX_AUTO_FREE char *program = runtime_program(q, q->runtime, q->runtime, err);
    if (!program)
        return -1;
    c->env = engine_environment(q);
    c->cwd = repx_strdup(q->out);
    c->ended = engine_ended;
    const struct engine engine = {program, c->env, strcmp(q->runtime, "docker") == 0};
    REPX_AUTO_FREE char *image = engine_image(q, &engine, err);
    return image ? command_make(q, &engine, image, c, err) : -1;
}
