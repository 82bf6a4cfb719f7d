/* SPDX-License-Identifier: MIT */
/* runtime_podman.c: the script in a container of podman, with no more than it needs:
 * the image and the base path read-only, the attempt's own two directories writable, the
 * user's own ids, no capabilities, and no network unless the policy is `host`. */
#include "runtime_podman.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state.h"

#define SYSTEM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static char *podman_find(const struct runtime_request *q, struct repx_err *err)
{
    const char *const dirs[] = {q->tools, "/usr/local/bin", "/usr/bin", "/bin"};

    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        char *path = dirs[i] ? repx_format("%s/podman", dirs[i]) : NULL;
        if (path && access(path, X_OK) == 0)
            return path;
        free(path);
    }
    (void)repx_fail(err, REPX_E_NOENT,
                    "no podman among the Lab's host tools nor in /usr/local/bin, "
                    "/usr/bin, /bin; install podman on this machine, or choose another "
                    "runtime in execution_types");
    return NULL;
}

/* What podman itself needs to find its storage and its helpers. */
static char **podman_environment(const struct runtime_request *q)
{
    static const char *const kept[] = {"HOME",
                                       "USER",
                                       "LOGNAME",
                                       "XDG_RUNTIME_DIR",
                                       "XDG_DATA_HOME",
                                       "XDG_CONFIG_HOME",
                                       "CONTAINERS_CONF",
                                       "CONTAINERS_STORAGE_CONF",
                                       "DBUS_SESSION_BUS_ADDRESS"};
    struct strings s = {0};

    strings_add(&s, "PATH=%s%s" SYSTEM_PATH, q->tools ? q->tools : "",
                q->tools ? ":" : "");
    strings_add(&s, "LC_ALL=C");
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        const char *value = getenv(kept[i]);
        /* a batch job may name a directory that only logins have */
        if (value && (strcmp(kept[i], "XDG_RUNTIME_DIR") != 0 ||
                      access(value, W_OK | X_OK) == 0))
            strings_add(&s, "%s=%s", kept[i], value);
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

static void mount_add(struct strings *argv, const char *path, int writable)
{
    REPX_AUTO_BUF struct repx_buf b = {0};

    repx_buf_str(&b, "type=bind");
    field_add(&b, "source", path);
    field_add(&b, "destination", path);
    if (!writable)
        repx_buf_str(&b, ",ro=true");
    add(argv, "--mount", repx_buf_text(&b));
}

static int inside(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return strncmp(path, dir, n) == 0 && (path[n] == '/' || !path[n]);
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
        covered |= inside(base, dirs[i]);
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
    if (!host && !inside(state, base))
        mount_add(argv, state, 0);
    if (!host && q->package && !inside(q->package, base) && !inside(q->package, state))
        mount_add(argv, q->package, 0);
    if (q->mounts == MOUNT_SPECIFIC && specific_add(argv, q, err) < 0)
        return -1;
    mount_add(argv, q->out, 1);
    mount_add(argv, q->repx, 1);
    return 0;
}

static void confine(struct strings *argv, const struct runtime_request *q)
{
    int host = q->mounts == MOUNT_HOST;

    add(argv, "--pull", "never");
    add(argv, "--network", host ? "host" : "none");
    if (!host)
        add(argv, "--hostname", "repx-container");
    add(argv, "--read-only", host ? "--read-only-tmpfs=false" : NULL);
    if (!host)
        add(argv, "--tmpfs", "/tmp");
    add(argv, "--cap-drop", "all");
    add(argv, "--security-opt", "no-new-privileges");
    add(argv, "--log-driver", "none");
    add(argv, "--stop-signal", "TERM");
    if (geteuid() != 0)
        add(argv, "--userns", "keep-id");
    strings_add(argv, "--user");
    strings_add(argv, "%ld:%ld", (long)geteuid(), (long)getegid());
}

/* PATH stays the image's. */
static void environment_add(struct strings *argv, const struct runtime_request *q)
{
    char **env = runtime_environment(q, "", q->mounts == MOUNT_HOST ? NULL : "/");

    add(argv, "--unsetenv", "container");
    for (char **e = env; *e; e++) {
        if (strncmp(*e, "PATH=", 5) != 0)
            add(argv, "--env", *e);
    }
    strings_free(env);
}

static int command_make(const struct runtime_request *q, const struct podman *podman,
                        const char *id, struct runtime_command *c, struct repx_err *err)
{
    struct strings argv = {0};

    c->container =
        repx_format("repx-%ld-%lld", (long)getpid(), (long long)state_now_ms());
    add(&argv, podman->program, "run");
    add(&argv, "--rm", NULL);
    add(&argv, "--name", c->container);
    confine(&argv, q);
    environment_add(&argv, q);
    int rc = mounts_add(&argv, q, err);
    add(&argv, "--workdir", q->out);
    add(&argv, "--entrypoint", q->script);
    add(&argv, id, q->out);
    add(&argv, q->inputs, q->parameters);
    c->argv = argv.items;
    return rc;
}

int runtime_podman(const struct runtime_request *q, struct runtime_command *c,
                   struct repx_err *err)
{
    if (!q->image)
        return repx_fail(err, REPX_E_USAGE, "the job has no image");
    REPX_AUTO_FREE char *program = podman_find(q, err);
    if (!program)
        return -1;
    c->env = podman_environment(q);
    c->cwd = repx_strdup(q->out);
    const struct podman podman = {program, c->env};
    REPX_AUTO_FREE char *id = podman_image(q, &podman, err);
    return id ? command_make(q, &podman, id, c, err) : -1;
}

/* podman was not there to do it any more. */
static void container_remove(const struct runtime_command *c)
{
    REPX_AUTO_BUF struct repx_buf said = {0};
    struct repx_err why = {0};
    struct strings argv = {0};

    add(&argv, c->argv[0], "rm");
    add(&argv, "--force", "--ignore");
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

void runtime_podman_ended(const struct runtime_command *c, const char *said,
                          struct outcome *o)
{
    const char *error = strstr(said, "Error: ");

    if (o->asked || o->timed_out || o->signal)
        container_remove(c);
    if (o->exit > 128 && o->exit < 128 + 65) { /* how podman tells a signal */
        o->signal = o->exit - 128;
        o->exit = -1;
    }
    if (o->asked || o->timed_out)
        return;
    for (const char *next = error; next; next = strstr(next + 1, "Error: "))
        error = next;
    const char *why = NULL;
    if (o->exit >= 125 && o->exit <= 127) { /* podman's, and perhaps a script's, too */
        why = error ? error + strlen("Error: ") : NULL;
    } else if (o->exit == 1) {
        why = exec_failed(c, said);
    }
    if (!why)
        return;
    outcome_set(o, "not started: podman: %s", why);
    o->exit = -1;
}
