/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* pipe2 */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/clock.h>
#include <kit/file.h>

#include "core/plugin/fields.h"
#include "core/plugin/loader.h"

/* What the child found, one write. */
struct found {
    uint64_t magic;
    int ok;
    struct repx_err err;
};

uint32_t plugin_file_split(const char *file, char **name)
{
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
    size_t n = strlen(base);

    for (uint32_t kind = REPX_KIND_TRANSPORT; kind <= REPX_KIND_SYNC; kind++) {
        const char *word = plugin_kind_word(kind);
        size_t k = strlen(word);
        if (n > k + 4 && strncmp(base, word, k) == 0 && base[k] == '-' &&
            strcmp(base + n - 3, ".so") == 0) {
            *name = repx_strndup(base + k + 1, n - k - 4);
            return kind;
        }
    }
    return 0;
}

static int is_child;

int plugin_probe_is_child(void)
{
    return is_child;
}

/* A file alone: what is wrong with it comes first, then that it is alone. */
static int look_at_file(const char *file, int is_named, struct repx_err *err)
{
    if (plugin_examine(file, err) < 0)
        return repx_wrap(err, "%s", file);
    if (!is_named) {
        return repx_fail(err, REPX_E_USAGE,
                         "%s: a plugin's file is called KIND-NAME.so, KIND being "
                         "transport, sched or sync",
                         file);
    }
    return repx_fail(err, REPX_E_UNSUPPORTED,
                     "%s has no manifest %.*s.ini beside it; write it with "
                     "repx-manifest",
                     file, (int)strlen(file) - 3, file);
}

static int look_at_plugin(const char *file, uint32_t kind, const char *name,
                          struct repx_err *err)
{
    const char *slash = strrchr(file, '/');
    REPX_AUTO_FREE char *dir =
        slash ? repx_strndup(file, slash == file ? 1 : (size_t)(slash - file))
              : repx_strdup(".");
    const char *dirs = dir;
    struct plugin_paths *paths = plugin_paths_create(&dirs, 1, NULL, 0);
    struct plugin *p = plugin_load(paths, kind, name, err);

    plugin_paths_destroy(paths);
    return p ? 0 : -1;
}

static int look_at(const char *file, struct repx_err *err)
{
    REPX_AUTO_FREE char *name = NULL;
    uint32_t kind = plugin_file_split(file, &name);
    REPX_AUTO_FREE char *ini =
        kind ? repx_format("%.*s.ini", (int)strlen(file) - 3, file) : NULL;

    if (ini && access(ini, F_OK) == 0)
        return look_at_plugin(file, kind, name, err);
    return look_at_file(file, kind != 0, err);
}

/* In the child. */
static void look(const char *file, int to)
{
    static struct found f = {.magic = REPX_PLUGIN_MAGIC};
    const struct rlimit none = {0, 0};

    is_child = 1;
    (void)setrlimit(RLIMIT_CORE, &none);
    f.ok = look_at(file, &f.err) == 0;
    _exit(repx_write_all(to, &f, sizeof(f)) < 0);
}

static int read_found(int from, struct found *f, int timeout_ms)
{
    int64_t until = repx_now_ms() + timeout_ms;
    size_t have = 0;

    while (have < sizeof(*f)) {
        struct pollfd p = {.fd = from, .events = POLLIN};
        int64_t left = until - repx_now_ms();
        if (left <= 0)
            return -1;
        if (poll(&p, 1, (int)left) <= 0)
            continue;
        ssize_t n = read(from, (char *)f + have, sizeof(*f) - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        have += (size_t)n;
    }
    return f->magic == REPX_PLUGIN_MAGIC;
}

static int how_it_ended(pid_t pid, struct repx_err *err)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status)) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "crashes when it is loaded: signal %d (%s)", WTERMSIG(status),
                         strsignal(WTERMSIG(status)));
    }
    return repx_fail(err, REPX_E_UNSUPPORTED,
                     "ends the process when it is loaded (exit status %d)",
                     WEXITSTATUS(status));
}

static int hear(pid_t pid, int from, int timeout_ms, struct repx_err *err)
{
    struct found f;
    int heard = read_found(from, &f, timeout_ms);

    if (heard == 0)
        return how_it_ended(pid, err);
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (heard < 0) {
        return repx_fail(err, REPX_E_TIMEOUT,
                         "does not come back within %d s when it is loaded",
                         timeout_ms / 1000);
    }
    if (!f.ok) {
        f.err.text[sizeof(f.err.text) - 1] = 0;
        *err = f.err;
        return -1;
    }
    return 0;
}

int plugin_probe(const char *file, int timeout_ms, struct repx_err *err)
{
    int ends[2];

    if (access(file, R_OK) < 0)
        return repx_fail_errno(err, "%s", file);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return repx_fail_errno(err, "pipe");
    (void)fflush(NULL); /* a plugin that calls exit would say it again */
    pid_t pid = fork();
    if (pid == 0)
        look(file, ends[1]);
    (void)close(ends[1]);
    int rc =
        pid < 0 ? repx_fail_errno(err, "fork") : hear(pid, ends[0], timeout_ms, err);
    (void)close(ends[0]);
    return rc < 0 && !strstr(err->text, ".so") ? repx_wrap(err, "%s", file) : rc;
}
