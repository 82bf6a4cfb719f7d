/* SPDX-License-Identifier: MIT */
/* repx-plugin-test PLUGIN.so [--config TARGET.toml] [--fault-cmd CMD] [--fake PRODUCT] [--batch N]
 * [--patience S]: does a plugin keep the promises of the contract? Answers in TAP; 0 when all hold. */
#define _GNU_SOURCE /* mkdtemp, pipe2 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/err.h>
#include <kit/file.h>

#include "around.h"
#include "batch.h"
#include "conform.h"
#include "core/plugin/probe.h"

#define LOAD_MS 5000
#define CONFIG_MAX (1u << 20)

struct arguments {
    const char *plugin, *config;
};

/* ---- the host ---- */

static void on_log(void *ctx, const char *who, uint32_t level, const char *text)
{
    (void)ctx;
    remark(who, level, text);
}

static int on_canceled(void *ctx)
{
    return ((struct conform *)ctx)->canceled;
}

static int on_cancel_fd(void *ctx)
{
    return ((struct conform *)ctx)->cancel[0];
}

void cancel_set(struct conform *c, int canceled)
{
    char byte = 0;

    if (canceled == c->canceled)
        return;
    c->canceled = canceled;
    if (canceled ? write(c->cancel[1], &byte, 1) : read(c->cancel[0], &byte, 1))
        return;
}

/* ---- setting up ---- */

static int parse(int argc, char **argv, struct arguments *a, struct conform *c)
{
    for (int i = 1; i < argc; i++) {
        int more = i + 1 < argc;
        if (strcmp(argv[i], "--config") == 0 && more) {
            a->config = argv[++i];
        } else if (strcmp(argv[i], "--fault-cmd") == 0 && more) {
            c->fault = argv[++i];
        } else if (strcmp(argv[i], "--fake") == 0 && more) {
            c->fake = argv[++i];
        } else if (strcmp(argv[i], "--part") == 0 && more) {
            c->part = argv[++i];
        } else if (strcmp(argv[i], "--batch") == 0 && more) {
            c->batch = strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--patience") == 0 && more) {
            c->patience = (int)strtol(argv[++i], NULL, 10);
        } else if (argv[i][0] != '-' && !a->plugin) {
            a->plugin = argv[i];
        } else {
            return -1;
        }
    }
    return a->plugin && c->batch > 0 && c->batch <= 100000 && c->patience > 0 ? 0 : -1;
}

/* The file becomes the configuration of this process, alone. */
static struct config *read_config(const struct conform *c, const char *file,
                                  struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf text = {0};
    REPX_AUTO_FREE char *dir = repx_format("%s/config/repx", c->dir);
    REPX_AUTO_FREE char *home = repx_format("%s/config", c->dir);
    REPX_AUTO_FREE char *copy = repx_format("%s/config.toml", dir);

    if (repx_make_dirs(dir, 0700, err) < 0 ||
        (file && repx_read_file(AT_FDCWD, file, CONFIG_MAX, &text, err) < 0) ||
        (file && repx_write_file(AT_FDCWD, copy, text.data, text.len, 0600, err) < 0))
        return NULL;
    (void)setenv("XDG_CONFIG_HOME", home, 1);
    (void)setenv("XDG_CONFIG_DIRS", c->dir, 1);
    return config_open(err);
}

/* The one target that the file holds, beside the built-in one. */
static void choose_target(struct conform *c, const struct config *config)
{
    REPX_AUTO_FREE char *full = repx_format(
        "%s-%s", plugin_kind_word(c->plugin->info.kind), c->plugin->info.name);
    int is_scheduler = c->plugin->info.kind == REPX_KIND_SCHEDULER;

    for (size_t i = 0; i < config->target_count; i++) {
        const struct config_target *t = &config->targets[i];
        if (!c->target || strcmp(c->target->name, "local") == 0)
            c->target = t;
    }
    if (c->target) {
        c->table =
            config_table_find(c->target, is_scheduler ? c->plugin->info.name : full);
    }
}

static struct plugin *load(const char *file, struct plugin_paths **paths,
                           struct repx_err *err)
{
    REPX_AUTO_FREE char *name = NULL;
    char real[PATH_MAX];
    uint32_t kind = plugin_file_split(file, &name);

    if (plugin_probe(file, LOAD_MS, err) < 0)
        return NULL;
    if (!realpath(file, real)) {
        (void)repx_fail_errno(err, "%s", file);
        return NULL;
    }
    *strrchr(real, '/') = 0;
    const char *dir = real;
    *paths = plugin_paths_create(&dir, 1, NULL, 0);
    return plugin_load(*paths, kind, name, err);
}

/* ---- what is run ---- */

int part_wanted(const struct conform *c, const char *part)
{
    return !c->part || strcmp(c->part, part) == 0;
}

static void run_groups(struct conform *c)
{
    struct repx_err err = {0};

    group("every plugin", any_checks, c, 60);
    c->host = host_create(c->plugin, c->table, &c->ui, &err);
    if (!c->host) {
        untested("the rest: its keys do not take this configuration: %s", err.text);
        return;
    }
    c->services = host_services(c->host);
    switch (c->plugin->info.kind) {
    case REPX_KIND_TRANSPORT:
        group("transport", transport_checks, c, 300);
        group("faults of the link", transport_faults, c, 300);
        break;
    case REPX_KIND_SCHEDULER:
        group("resources", resource_checks, c, 60);
        if (!c->part || strcmp(c->part, "faults") != 0)
            group("scheduler", scheduler_checks, c, 600);
        if (c->fake && part_wanted(c, "faults"))
            group("faults of the batch system", scheduler_faults, c, 300);
        break;
    default:
        group("sync", sync_checks, c, 120);
        if (c->plugin->descriptor->phase == REPX_PHASE_BOOTSTRAP)
            group("first command", bootstrap_checks, c, 120);
        break;
    }
    host_destroy(c->host);
}

static int test_all(struct conform *c, const struct arguments *a)
{
    struct repx_err err = {0};
    struct plugin_paths *paths = NULL;

    c->plugin = load(a->plugin, &paths, &err);
    if (!check(c->plugin != NULL, "it loads: %s", err.text[0] ? err.text : a->plugin))
        return report_end();
    struct config *config = read_config(c, a->config, &err);
    REPX_AUTO_FREE char *peer = repx_format("%s/repx-test-peer", plugin_libexec(paths));
    c->peer = peer;
    REPX_AUTO_FREE char *fake =
        repx_format("%s/repx-fake-batch", plugin_libexec(paths));
    if (c->fake && !check(batch_set_up(c, fake, &err) == 0, "a fake %s is there %s",
                          c->fake, err.text))
        return report_end();
    if (check(config != NULL, "the configuration is read: %s",
              err.text[0] ? err.text
              : a->config ? a->config
                          : "none")) {
        if (config && a->config)
            choose_target(c, config);
        run_groups(c);
    }
    config_close(config);
    plugin_paths_destroy(paths);
    return report_end();
}

int main(int argc, char **argv)
{
    char dir[] = "/tmp/repx-plugin-test.XXXXXX";
    struct arguments a = {0};
    struct conform c = {.batch = 1000, .patience = 60};

    if (parse(argc, argv, &a, &c) < 0) {
        (void)fprintf(stderr,
                      "usage: repx-plugin-test PLUGIN.so [--config TARGET.toml] "
                      "[--fault-cmd CMD] [--fake slurm|pbs|lsf|gridengine] "
                      "[--part units|many|faults] [--batch N] [--patience S]\n");
        return 2;
    }
    if (!mkdtemp(dir) || pipe2(c.cancel, O_CLOEXEC) < 0) {
        perror(dir);
        return 1;
    }
    c.dir = dir;
    c.ui = (struct ui){
        .ctx = &c, .log = on_log, .canceled = on_canceled, .cancel_fd = on_cancel_fd};
    (void)inheritable_fds(1); /* whoever started us may have been careless */
    report_begin();
    int status = test_all(&c, &a);
    (void)repx_remove_tree(AT_FDCWD, dir, NULL);
    return status;
}
