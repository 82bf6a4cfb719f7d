/* SPDX-License-Identifier: MIT */
/* repx-manifest [--if-built] KIND-NAME.so: load a plugin, check it as repx would, and
 * write KIND-NAME.ini beside it. Run by the build, and by who changed a plugin's file
 * afterwards (stripped it, for one): the manifest holds its digest.
 *
 * --if-built: when there is no such file, do nothing (a helper is built before it). */
#define _GNU_SOURCE /* pipe2 */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/plugin/descriptor.h"
#include "core/plugin/elf.h"
#include "core/plugin/tool/manifest_write.h"
#include "core/wire/digest.h"

#define PATIENCE_MS 10000

static int digest_of_file(const char *path, char hex[DIGEST_HEX], struct repx_err *err)
{
    REPX_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct digest d;

    if (fd < 0)
        return repx_fail_errno(err, "%s", path);
    if (digest_fd(fd, &d, NULL, err) < 0)
        return -1;
    digest_hex(&d, hex);
    return 0;
}

static int inspect(const char *path, struct repx_plugin *plugin, struct repx_err *err)
{
    const struct repx_plugin *(*entry)(void) = NULL;
    union plugin_ops ops;

    if (elf_check(path, err) < 0)
        return -1;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *why = dlerror();
        return repx_fail(err, REPX_E_UNSUPPORTED, "%s", why ? why : "cannot be loaded");
    }
    void *symbol = dlsym(handle, REPX_PLUGIN_SYMBOL);
    memcpy(&entry, &symbol, sizeof(entry));
    if (!entry) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "exports no symbol " REPX_PLUGIN_SYMBOL);
    }
    if (descriptor_adopt(entry(), plugin, err) < 0)
        return -1;
    return descriptor_adopt_ops(plugin, &ops, err);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* "ARCH = DIGEST" for every sched-NAME-linux-ARCH of the directory. */
static int add_helpers(struct repx_buf *to, const char *dir, const char *name,
                       struct repx_err *err)
{
    REPX_AUTO_FREE char *prefix = repx_format("sched-%s-linux-", name);
    struct dirent **entries = NULL;
    int n = scandir(dir, &entries, NULL, by_name), rc = 0;

    if (n < 0)
        return repx_fail_errno(err, "%s", dir);
    for (int i = 0; i < n; i++) {
        const char *file = entries[i]->d_name;
        char hex[DIGEST_HEX];
        if (rc == 0 && strncmp(file, prefix, strlen(prefix)) == 0 &&
            !strpbrk(file + strlen(prefix), ".-~")) {
            REPX_AUTO_FREE char *path = repx_format("%s/%s", dir, file);
            rc = digest_of_file(path, hex, err);
            if (rc == 0)
                repx_buf_fmt(to, "%s = %s\n", file + strlen(prefix), hex);
        }
        free(entries[i]);
    }
    free(entries);
    return rc;
}

static int write_manifest(const char *so, struct repx_err *err)
{
    struct repx_plugin plugin = {0};
    REPX_AUTO_BUF struct repx_buf text = {0}, helpers = {0};
    char hex[DIGEST_HEX];
    const char *slash = strrchr(so, '/');

    if (inspect(so, &plugin, err) < 0)
        return -1;
    REPX_AUTO_FREE char *dir =
        slash ? repx_strndup(so, (size_t)(slash - so) + 1) : repx_strdup("./");
    REPX_AUTO_FREE char *want =
        repx_format("%s-%s.so", descriptor_kind_word(plugin.kind), plugin.name);
    if (strcmp(slash ? slash + 1 : so, want) != 0)
        return repx_fail(err, REPX_E_USAGE, "the file must be called %s", want);
    if (plugin.kind == REPX_KIND_SCHEDULER &&
        add_helpers(&helpers, dir, plugin.name, err) < 0)
        return -1;
    if (digest_of_file(so, hex, err) < 0)
        return -1;
    manifest_write(&text, &plugin, hex, repx_buf_text(&helpers));
    REPX_AUTO_FREE char *ini = repx_format("%.*s.ini", (int)(strlen(so) - 3), so);
    return repx_write_file(AT_FDCWD, ini, text.data, text.len, 0644, err);
}

static const char *how_it_ended(pid_t pid, int late)
{
    int status = 0;

    if (pid < 0)
        return "cannot be tried: no child can be started";
    (void)waitpid(pid, &status, 0);
    if (late)
        return "does not come back when it is loaded";
    return WIFSIGNALED(status) ? "crashes when it is loaded"
                               : "ends the process when it is loaded";
}

/* In a child, which the plugin may end, crash or stop as it is loaded. It says one byte when
 * it has come to its end. */
static void be_child(const char *so, int to)
{
    struct repx_err err = {0};

    (void)dup2(STDERR_FILENO, STDOUT_FILENO);
    int bad = write_manifest(so, &err) < 0;
    if (bad)
        fprintf(stderr, "repx-manifest: %s: %s\n", so, err.text);
    (void)!write(to, bad ? "n" : "y", 1);
    _exit(0);
}

static int write_in_child(const char *so)
{
    int ends[2];
    char said = 0;

    if (pipe2(ends, O_CLOEXEC) < 0) {
        perror("repx-manifest: pipe");
        return 1;
    }
    pid_t pid = fork();
    if (pid == 0)
        be_child(so, ends[1]);
    (void)close(ends[1]);
    struct pollfd p = {.fd = ends[0], .events = POLLIN};
    int late = pid > 0 && poll(&p, 1, PATIENCE_MS) == 0;
    if (late)
        (void)kill(pid, SIGKILL);
    if (late || read(ends[0], &said, 1) != 1)
        said = 0;
    (void)close(ends[0]);
    const char *how = how_it_ended(pid, late);
    if (!said)
        fprintf(stderr, "repx-manifest: %s: %s\n", so, how);
    return said != 'y';
}

int main(int argc, char **argv)
{
    int if_built = argc > 2 && strcmp(argv[1], "--if-built") == 0;

    if (argc != 2 + if_built || argv[1 + if_built][0] == '-') {
        fprintf(stderr, "usage: repx-manifest [--if-built] KIND-NAME.so\n");
        return 2;
    }
    const char *so = argv[1 + if_built];
    if (if_built && access(so, F_OK) < 0)
        return 0;
    /* dlopen looks for a name without a slash elsewhere. */
    REPX_AUTO_FREE char *path =
        strchr(so, '/') ? repx_strdup(so) : repx_format("./%s", so);
    return write_in_child(path);
}
