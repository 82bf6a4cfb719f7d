/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "keep.h"
#include "keys.h"
#include "paths.h"
#include "target.h"
#include "toml_tree.h"

struct store {
    struct config config; /* first: what is handed out */
    struct keep keep;
    struct toml *root;
};

KEY_TEXTS_ASSERT(struct config, plugin_paths, plugin_path_count);

#define AT(member) offsetof(struct config, member)
static const struct key_row top_rows[] = {
    {"theme", KEY_IGNORED},
    {"submission_target", KEY_TEXT, AT(submission_target)},
    {"default_scheduler", KEY_NAME, AT(default_scheduler)},
    {"plugin_path", KEY_TEXTS, AT(plugin_paths)},
    {"logging", KEY_TABLE},
    {"targets", KEY_TABLE},
};
static const struct key_row logging_rows[] = {
    {"max_files", KEY_COUNT, AT(log_max_files)},
    {"max_age_days", KEY_COUNT, AT(log_max_age_days)},
};
#undef AT
static const struct key_set top_keys = {top_rows,
                                        sizeof(top_rows) / sizeof(top_rows[0]), NULL};
static const struct key_set logging_keys = {
    logging_rows, sizeof(logging_rows) / sizeof(logging_rows[0]), NULL};

/* ---- files ---- */

static int merge_file(struct store *s, const char *file, struct repx_err *err)
{
    struct toml *t = toml_read(file, err);

    if (!t)
        return -1;
    if (s->root) {
        toml_merge(s->root, t);
    } else {
        s->root = t;
    }
    return 0;
}

static const char *join(struct keep *keep, const char *dir, const char *name)
{
    REPX_AUTO_BUF struct repx_buf path = {0};

    repx_buf_fmt(&path, "%s/%s", dir, name);
    return keep_text(keep, repx_buf_text(&path));
}

static int is_toml_name(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);

    return entry->d_name[0] != '.' && n > 5 &&
           strcmp(entry->d_name + n - 5, ".toml") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Merge DIR/repx.d/<any>.toml. Returns how many there were. */
static int merge_directory(struct store *s, const char *dir, struct repx_err *err)
{
    const char *path = join(&s->keep, dir, "repx.d");
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, is_toml_name, by_bytes), rc = n;

    if (n < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (n < 0)
        return repx_fail_errno(err, "%s", path);
    for (int i = 0; i < n; i++) {
        if (rc >= 0 && merge_file(s, join(&s->keep, path, entries[i]->d_name), err) < 0)
            rc = -1;
        free(entries[i]);
    }
    free(entries);
    return rc;
}

/* The first directory with a config.toml counts, and repx.d beside it; without any
 * config.toml, the first that has files in repx.d. */
static int find_files(struct store *s, struct repx_err *err)
{
    const char *const *dirs = paths_config_dirs(&s->keep, err);

    if (!dirs)
        return -1;
    for (size_t i = 0; dirs[i]; i++) {
        struct repx_err why = {0};
        const char *file = join(&s->keep, dirs[i], "config.toml");

        if (merge_file(s, file, &why) == 0) {
            s->config.file = file;
            return merge_directory(s, dirs[i], err) < 0 ? -1 : 0;
        }
        if (why.code != REPX_E_NOENT) {
            *err = why;
            return -1;
        }
    }
    for (size_t i = 0; dirs[i]; i++) {
        int n = merge_directory(s, dirs[i], err);

        if (n != 0)
            return n < 0 ? -1 : 0;
    }
    return 0;
}

/* ---- meaning ---- */

static int read_plugin_paths(struct store *s, struct repx_err *err)
{
    struct config *c = &s->config;
    const char **paths = keep_array(&s->keep, c->plugin_path_count, sizeof(*paths));

    for (size_t i = 0; i < c->plugin_path_count; i++) {
        struct repx_err why = {0};

        paths[i] = paths_expand(&s->keep, c->plugin_paths[i], &why);
        if (!paths[i])
            return toml_fail(toml_get(s->root, "plugin_path"), err, "%s", why.text);
    }
    c->plugin_paths = paths;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct config_target *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static int read_targets(struct store *s, const struct toml *table, struct repx_err *err)
{
    struct config *c = &s->config;
    size_t n = table ? table->count : 0;
    struct config_target *targets = keep_array(&s->keep, n + 1, sizeof(*targets));

    for (size_t i = 0; i < n; i++) {
        if (target_read(&s->keep, table->items[i], &targets[i], err) < 0)
            return -1;
    }
    if (!table || !toml_get(table, "local")) {
        if (target_built_in(&s->keep, &targets[n++], err) < 0)
            return -1;
    }
    qsort(targets, n, sizeof(*targets), by_name);
    c->targets = targets;
    c->target_count = n;
    return 0;
}

static int read_all(struct store *s, struct repx_err *err)
{
    const struct toml *logging, *targets;

    s->config.log_max_files = 50;
    s->config.log_max_age_days = 7;
    if (!s->root)
        return read_targets(s, NULL, err);
    if (keys_read(&s->keep, s->root, &top_keys, &s->config, err) < 0)
        return -1;
    logging = toml_get(s->root, "logging");
    targets = toml_get(s->root, "targets");
    if (logging && keys_read(&s->keep, logging, &logging_keys, &s->config, err) < 0)
        return -1;
    if (read_plugin_paths(s, err) < 0)
        return -1;
    return read_targets(s, targets, err);
}

struct config *config_open(struct repx_err *err)
{
    struct store *s = REPX_NEW(struct store);

    if (find_files(s, err) == 0 && read_all(s, err) == 0)
        return &s->config;
    config_close(&s->config);
    return NULL;
}

void config_close(struct config *config)
{
    struct store *s = (struct store *)config;

    if (!s)
        return;
    toml_free(s->root);
    keep_free(&s->keep);
    free(s);
}

const struct config_target *config_target_find(const struct config *config,
                                               const char *name)
{
    for (size_t i = 0; i < config->target_count; i++) {
        if (strcmp(config->targets[i].name, name) == 0)
            return &config->targets[i];
    }
    return NULL;
}

const struct config_table *config_table_find(const struct config_target *target,
                                             const char *name)
{
    for (size_t i = 0; i < target->table_count; i++) {
        if (strcmp(target->tables[i].name, name) == 0)
            return &target->tables[i];
    }
    return NULL;
}

const struct config_table *config_table_of(const struct config_target *target,
                                           const char *name)
{
    const struct config_table *table = config_table_find(target, name);

    return table ? table : &target->none;
}
