/* SPDX-License-Identifier: MIT */
/* internal_execute.c: one executable, the way RepX's own agent is called. There is no run
 * record and there are no attempts: out and repx are the directories that are named. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/agent.h"
#include "core/agent/job.h"
#include "core/agent/runtime.h"
#include "core/agent/state.h"
#include "core/agent/state_check.h"

#define DATA_MAX (64u << 20)

struct options {
    const char *job_id, *runtime, *base_path, *host_tools_dir, *executable_path;
    const char *image_tag, *node_local_path, *local_artifacts_path, *user_out_dir,
        *repx_out_dir, *inputs_json_path, *parameters_json_path, *job_package_path;
    int mount_host_paths, verbose;
    json_t *mount_paths;
};

/* ---- the command line ---- */

static const struct {
    const char *name;
    size_t at;
} texts[] = {
    {"job-id", offsetof(struct options, job_id)},
    {"runtime", offsetof(struct options, runtime)},
    {"base-path", offsetof(struct options, base_path)},
    {"host-tools-dir", offsetof(struct options, host_tools_dir)},
    {"executable-path", offsetof(struct options, executable_path)},
    {"image-tag", offsetof(struct options, image_tag)},
    {"node-local-path", offsetof(struct options, node_local_path)},
    {"local-artifacts-path", offsetof(struct options, local_artifacts_path)},
    {"user-out-dir", offsetof(struct options, user_out_dir)},
    {"repx-out-dir", offsetof(struct options, repx_out_dir)},
    {"inputs-json-path", offsetof(struct options, inputs_json_path)},
    {"parameters-json-path", offsetof(struct options, parameters_json_path)},
    {"job-package-path", offsetof(struct options, job_package_path)},
};

/* Takes "--name value" or "--name=value"; the number of arguments used, 0: not one. */
static int text_take(struct options *o, char **argv)
{
    const char *arg = argv[0] + 2;
    size_t n = strcspn(arg, "=");

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strlen(texts[i].name) != n || strncmp(arg, texts[i].name, n) != 0)
            continue;
        const char **to = (const char **)(void *)((char *)o + texts[i].at);
        *to = arg[n] ? arg + n + 1 : argv[1];
        return *to ? 1 + !arg[n] : 0;
    }
    return 0;
}

/* --debug, --verbose, -v, -vv, ... */
static int says_more(const char *arg)
{
    if (strcmp(arg, "--debug") == 0 || strcmp(arg, "--verbose") == 0)
        return 1;
    return arg[0] == '-' && arg[1] && !arg[1 + strspn(arg + 1, "v")];
}

static int flag_take(struct options *o, char **argv)
{
    int used = 1;

    if (strcmp(argv[0], "--mount-host-paths") == 0) {
        o->mount_host_paths = 1;
    } else if (says_more(argv[0])) {
        o->verbose++;
    } else if (strcmp(argv[0], "--mount-paths") == 0) {
        while (argv[used] && argv[used][0] != '-')
            json_array_append_new(o->mount_paths, json_string(argv[used++]));
    } else if (strncmp(argv[0], "--mount-paths=", 14) == 0) {
        json_array_append_new(o->mount_paths, json_string(argv[0] + 14));
    } else {
        used = 0;
    }
    return used;
}

static int required(const struct options *o, struct repx_err *err)
{
    for (size_t i = 0; i < 5; i++) {
        const char *const *v =
            (const char *const *)(const void *)((const char *)o + texts[i].at);
        if (!*v)
            return repx_fail(err, REPX_E_USAGE, "--%s is required", texts[i].name);
    }
    if (strcmp(o->runtime, "native") != 0 && !o->image_tag) {
        return repx_fail(err, REPX_E_USAGE, "--image-tag is required for %s",
                         o->runtime);
    }
    if (!state_name_ok(o->job_id) || !state_name_ok(o->host_tools_dir))
        return repx_fail(err, REPX_E_USAGE, "job id or host tools are no plain names");
    if (o->image_tag && !repx_path_is_inside(o->image_tag))
        return repx_fail(err, REPX_E_USAGE, "%s: not an image tag", o->image_tag);
    return 0;
}

static int options_read(struct options *o, char **argv, struct repx_err *err)
{
    for (char **at = argv + 1; *at;) {
        int used = strncmp(*at, "--", 2) == 0 ? text_take(o, at) : 0;
        if (!used)
            used = flag_take(o, at);
        if (!used) {
            return repx_fail(err, REPX_E_USAGE, "%s: unknown, or without its value",
                             *at);
        }
        at += used;
    }
    return required(o, err);
}

/* ---- directories and files ---- */

struct places {
    char *out, *repx, *inputs, *parameters, *tools, *script, *package;
    int out_fd, err_fd;
};

static void places_finish(struct places *p)
{
    free(p->out);
    free(p->repx);
    free(p->inputs);
    free(p->parameters);
    free(p->tools);
    free(p->script);
    free(p->package);
    repx_close_fd(&p->out_fd);
    repx_close_fd(&p->err_fd);
}

/* Data that came through a descriptor becomes a regular file: scripts test for one. */
static int data_file(const char *from, const char *to, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    REPX_AUTO_CLOSE int fd = open(from, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return repx_fail_errno(err, "%s", from);
    while (b.len <= DATA_MAX) {
        ssize_t n = read(fd, repx_buf_room(&b, 65536), 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return repx_fail_errno(err, "%s", from);
        if (n == 0) {
            return repx_write_file(AT_FDCWD, to, repx_buf_text(&b), b.len, 0644, err);
        }
        b.len += (size_t)n;
    }
    return repx_fail(err, REPX_E_CORRUPT, "%s: more than %u bytes", from, DATA_MAX);
}

static int data_place(const char *given, const char *repx, const char *name, char **to,
                      struct repx_err *err)
{
    char *own = repx_format("%s/%s", repx, name);

    if (given && (strncmp(given, "/dev/fd/", 8) == 0 ||
                  strncmp(given, "/proc/self/fd/", 14) == 0)) {
        *to = own;
        return data_file(given, own, err);
    }
    *to = given ? repx_strdup(given) : repx_strdup(own);
    free(own);
    return 0;
}

/* The same file below the Lab's copy on this node, if it is there. */
static char *local_copy(const struct options *o, const char *path)
{
    REPX_AUTO_FREE char *shared = repx_format("%s/artifacts/", o->base_path);
    size_t n = strlen(shared);

    if (!o->local_artifacts_path || strncmp(path, shared, n) != 0)
        return repx_strdup(path);
    char *local = repx_format("%s/%s", o->local_artifacts_path, path + n);
    if (access(local, F_OK) == 0)
        return local;
    (void)fprintf(stderr, "repx-agent: %s is not there, using %s\n", local, path);
    free(local);
    return repx_strdup(path);
}

static char *parent(const char *path, int levels)
{
    char *dir = repx_strdup(path);

    for (; levels > 0; levels--) {
        char *slash = strrchr(dir, '/');
        if (!slash || slash == dir)
            break;
        *slash = 0;
    }
    return dir;
}

static int log_open(const char *repx, const char *name, struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("%s/%s", repx, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

    return fd < 0 ? repx_fail_errno(err, "%s", path) : fd;
}

static int places_make(const struct options *o, struct places *p, struct repx_err *err)
{
    REPX_AUTO_FREE char *tools =
        repx_format("%s/artifacts/host-tools/%s/bin", o->base_path, o->host_tools_dir);

    p->out_fd = p->err_fd = -1;
    p->out = o->user_out_dir
                 ? repx_strdup(o->user_out_dir)
                 : repx_format("%s/outputs/%s/out", o->base_path, o->job_id);
    p->repx = o->repx_out_dir
                  ? repx_strdup(o->repx_out_dir)
                  : repx_format("%s/outputs/%s/repx", o->base_path, o->job_id);
    p->tools = local_copy(o, tools);
    p->script = local_copy(o, o->executable_path);
    p->package =
        o->job_package_path ? repx_strdup(o->job_package_path) : parent(p->script, 2);
    REPX_AUTO_FREE char *outputs = repx_format("%s/outputs", o->base_path);
    if (repx_make_dirs(outputs, 0777, err) < 0 ||
        repx_make_dirs(p->out, 0777, err) < 0 || repx_make_dirs(p->repx, 0777, err) < 0)
        return -1;
    p->out_fd = log_open(p->repx, "stdout.log", err);
    p->err_fd = p->out_fd < 0 ? -1 : log_open(p->repx, "stderr.log", err);
    if (p->err_fd < 0)
        return -1;
    if (data_place(o->inputs_json_path, p->repx, "inputs.json", &p->inputs, err) < 0)
        return -1;
    return data_place(o->parameters_json_path, p->repx, "parameters.json",
                      &p->parameters, err);
}

/* ---- what is left behind ---- */

static void marker(const struct places *p, const char *name, int there)
{
    REPX_AUTO_FREE char *path = repx_format("%s/%s", p->repx, name);

    if (!there) {
        (void)unlink(path);
        return;
    }
    REPX_AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        (void)fprintf(stderr, "repx-agent: %s: %s\n", path, strerror(errno));
}

/* <cache>/repx/logs/repx-internal_<when>_<pid>.log and the link to the newest. */
static void log_write(const struct options *o, const struct repx_buf *command)
{
    REPX_AUTO_FREE char *cache = repx_cache_path("logs");
    const char *dir = cache ? cache : "/tmp/.cache/repx/logs";
    char when[32];
    time_t now = time(NULL);
    struct tm tm;

    (void)strftime(when, sizeof when, "%Y%m%d-%H%M%S", gmtime_r(&now, &tm));
    REPX_AUTO_FREE char *name =
        repx_format("repx-internal_%s_%ld.log", when, (long)getpid());
    REPX_AUTO_FREE char *path = repx_format("%s/%s", dir, name);
    REPX_AUTO_FREE char *link = repx_format("%s/repx-internal.log", dir);
    REPX_AUTO_FREE char *text =
        repx_format("job %s runtime %s\nFull %s command:%s\n", o->job_id, o->runtime,
                    o->runtime, repx_buf_text(command));
    if (repx_make_dirs(dir, 0700, NULL) < 0 ||
        repx_write_file(AT_FDCWD, path, text, strlen(text), 0600, NULL) < 0)
        return; /* a log that cannot be written is no reason to fail */
    (void)unlink(link);
    if (symlink(name, link) < 0)
        return;
}

static void failure_tell(const struct places *p, const struct outcome *o)
{
    REPX_AUTO_FREE char *path = repx_format("%s/stderr.log", p->repx);
    REPX_AUTO_BUF struct repx_buf errors = {0};

    (void)repx_read_file(AT_FDCWD, path, DATA_MAX, &errors, NULL);
    (void)fprintf(stderr, "Error: Execution failed: %s: ", p->script);
    if (o->reason) {
        (void)fprintf(stderr, "%s", o->reason);
    } else if (o->signal) {
        (void)fprintf(stderr, "killed by signal %d", o->signal);
    } else {
        (void)fprintf(stderr, "exit code %d", o->exit);
    }
    (void)fprintf(stderr, "\n--- stderr ---\n%s", repx_buf_text(&errors));
}

static int execute(struct site *site, const struct options *o, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf said = {0};
    struct outcome how = {.exit = -1};
    struct places p = {0};
    int specific =
        json_array_size(o->mount_paths) > 0 ? MOUNT_SPECIFIC : MOUNT_ISOLATED;
    int rc = places_make(o, &p, err);

    if (rc == 0) {
        marker(&p, "SUCCESS", 0);
        marker(&p, "FAIL", 0);
        struct runtime_request q = {.site = site, .runtime = o->runtime, .batch = 1};
        q.image = o->image_tag;
        q.node_local = o->node_local_path;
        q.local_artifacts = o->local_artifacts_path;
        q.tools = p.tools;
        q.mounts = o->mount_host_paths ? MOUNT_HOST : specific;
        q.paths = o->mount_paths;
        q.script = p.script;
        q.package = p.package;
        q.out = p.out;
        q.repx = p.repx;
        q.inputs = p.inputs;
        q.parameters = p.parameters;
        q.out_fd = p.out_fd;
        q.err_fd = p.err_fd;
        runtime_run(&q, &how, &said);
        marker(&p, how.ok ? "SUCCESS" : "FAIL", 1);
        rc = completion_append(site, o->job_id, how.ok, err);
        if (o->verbose)
            log_write(o, &said);
        if (!how.ok)
            failure_tell(&p, &how);
    }
    places_finish(&p);
    rc = rc < 0 ? -1 : !how.ok;
    outcome_finish(&how);
    return rc;
}

int internal_execute_main(int argc, char **argv)
{
    struct site site = {.base_fd = -1, .state_fd = -1};
    struct options o = {.mount_paths = json_array()};
    struct repx_err err = {0};
    int usage = 0;

    (void)argc;
    process_prepare();
    int rc = options_read(&o, argv, &err);
    if (rc < 0)
        usage = 1;
    REPX_AUTO_FREE char *state = usage ? NULL : state_path_read(o.base_path);
    if (!usage)
        rc = site_open(&site, o.base_path, state, &err);
    if (rc == 0)
        rc = execute(&site, &o, &err);
    if (err.code)
        (void)fprintf(stderr, "repx-agent: internal-execute: %s\n", err.text);
    json_decref(o.mount_paths);
    site_close(&site);
    return usage ? 2 : rc != 0;
}
