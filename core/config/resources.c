/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "config.h"
#include "keep.h"
#include "keys.h"
#include "paths.h"
#include "toml_tree.h"

#define SIZE_FORMS "write a whole number with K, M, G or T, as in `4G` (none: MiB)"
#define TIME_FORMS                                                        \
    "write MINUTES, MINUTES:SECONDS, HOURS:MINUTES:SECONDS, DAYS-HOURS, " \
    "DAYS-HOURS:MINUTES, DAYS-HOURS:MINUTES:SECONDS or UNLIMITED"

struct store {
    struct resources resources; /* first: what is handed out */
    struct keep keep;
    struct toml *root;
};

KEY_TEXTS_ASSERT(struct resource_rule, sbatch_opts, sbatch_opt_count);

static const struct key_row top_rows[] = {
    {"defaults", KEY_TABLE},
    {"rules", KEY_TABLES},
};

#define AT(member) offsetof(struct resource_rule, member)
static const struct key_row rule_rows[] = {
    {"job_id_glob", KEY_TEXT, AT(job_id_glob)},
    {"target", KEY_TEXT, AT(target)},
    {"partition", KEY_TEXT, AT(partition)},
    {"cpus-per-task", KEY_COUNT, AT(cpus), NULL, 1},
    {"mem", KEY_TEXT, AT(mem_text)},
    {"time", KEY_TEXT, AT(time_text)},
    {"sbatch_opts", KEY_TEXTS, AT(sbatch_opts)},
    {"native", KEY_TABLE},
    {"worker_resources", KEY_TABLE},
    {"step_resources", KEY_TABLE},
};
#undef AT
static const struct key_set top_keys = {top_rows,
                                        sizeof(top_rows) / sizeof(top_rows[0]), NULL};
static const struct key_set rule_keys = {
    rule_rows, sizeof(rule_rows) / sizeof(rule_rows[0]), NULL};

/* ---- one rule ---- */

static int read_native(struct keep *keep, const struct toml *table,
                       struct resource_rule *to, struct repx_err *err)
{
    struct config_value *values = keep_array(keep, table->count, sizeof(*values));

    for (size_t i = 0; i < table->count; i++) {
        const struct toml *t = table->items[i];

        if (!keys_is_name(t->key))
            return toml_fail(t, err, "is no scheduler's name");
        if (keys_texts(keep, t, &values[i].texts, &values[i].count, err) < 0)
            return -1;
        values[i].key = keep_text(keep, t->key);
        values[i].is_array = 1;
        values[i].where = keys_where(keep, t);
    }
    to->native = values;
    to->native_count = table->count;
    return 0;
}

static int read_numbers(const struct toml *table, struct resource_rule *to,
                        struct repx_err *err)
{
    if (to->mem_text) {
        to->mem = resources_slurm_size(to->mem_text);
        if (to->mem < 0) {
            return toml_fail(toml_get(table, "mem"), err, "`%s` is no size; %s",
                             to->mem_text, SIZE_FORMS);
        }
    }
    if (to->time_text) {
        to->time = resources_time(to->time_text);
        if (to->time == -1) {
            return toml_fail(toml_get(table, "time"), err, "`%s` is no time; %s",
                             to->time_text, TIME_FORMS);
        }
    }
    return 0;
}

/* RepX reads the nested table under one name and documents the other. */
static int worker_table(const struct toml *table, const struct toml **worker,
                        struct repx_err *err)
{
    const struct toml *alias = toml_get(table, "step_resources");

    *worker = toml_get(table, "worker_resources");
    if (*worker && alias) {
        return toml_fail(alias, err,
                         "is another name of `worker_resources`, which is "
                         "there too; keep one");
    }
    if (alias)
        *worker = alias;
    return 0;
}

static const char *place(struct keep *keep, const struct toml *table, const char *key)
{
    const struct toml *t = toml_get(table, key);

    return t && strcmp(t->file, table->file) != 0 ? keys_where(keep, t) : NULL;
}

/* Files are laid over one another field by field. */
static void read_places(struct keep *keep, const struct toml *table,
                        struct resource_places *to)
{
    to->cpus = place(keep, table, "cpus");
    to->mem = place(keep, table, "mem");
    to->time = place(keep, table, "time");
    to->partition = place(keep, table, "partition");
    to->sbatch_opts = place(keep, table, "sbatch_opts");
}

static void clear_rule(struct resource_rule *rule)
{
    memset(rule, 0, sizeof(*rule));
    rule->cpus = rule->mem = rule->time = CONFIG_UNSET;
}

/* All levels of a rule; as a tree is no deeper than TOML_DEPTH, neither is this loop. */
static int read_rule(struct keep *keep, const struct toml *table,
                     struct resource_rule *to, struct repx_err *err)
{
    while (table) {
        const struct toml *native, *worker = NULL;

        clear_rule(to);
        if (keys_read(keep, table, &rule_keys, to, err) < 0 ||
            read_numbers(table, to, err) < 0 || worker_table(table, &worker, err) < 0)
            return -1;
        native = toml_get(table, "native");
        if (native && read_native(keep, native, to, err) < 0)
            return -1;
        to->where = keys_where(keep, table);
        read_places(keep, table, &to->elsewhere);
        if (worker) {
            struct resource_rule *below = keep_array(keep, 1, sizeof(*below));

            to->worker = below;
            to = below;
        }
        table = worker;
    }
    return 0;
}

static int read_all(struct store *s, struct repx_err *err)
{
    struct resources *r = &s->resources;

    clear_rule(&r->defaults);
    if (!s->root)
        return 0;
    if (keys_read(&s->keep, s->root, &top_keys, r, err) < 0)
        return -1;
    const struct toml *defaults = toml_get(s->root, "defaults");
    const struct toml *rules = toml_get(s->root, "rules");

    if (defaults && read_rule(&s->keep, defaults, &r->defaults, err) < 0)
        return -1;
    if (!rules)
        return 0;
    struct resource_rule *list = keep_array(&s->keep, rules->count, sizeof(*list));

    for (size_t i = 0; i < rules->count; i++) {
        if (read_rule(&s->keep, rules->items[i], &list[i], err) < 0)
            return -1;
    }
    r->rules = list;
    r->rule_count = rules->count;
    return 0;
}

/* ---- files ---- */

/* 1: merged, 0: there is none, -1. */
static int merge_file(struct store *s, const char *file, struct repx_err *err)
{
    struct repx_err why = {0};
    const char *name = keep_text(&s->keep, file);
    struct toml *t = toml_read(name, &why);

    if (!t && why.code == REPX_E_NOENT)
        return 0;
    if (!t) {
        *err = why;
        return -1;
    }
    if (s->root) {
        toml_merge(s->root, t);
    } else {
        s->root = t;
    }
    return 1;
}

static int merge_global(struct store *s, struct repx_err *err)
{
    const char *const *dirs = paths_config_dirs(&s->keep, err);

    if (!dirs)
        return -1;
    for (size_t i = 0; dirs[i]; i++) {
        REPX_AUTO_BUF struct repx_buf path = {0};

        repx_buf_fmt(&path, "%s/resources.toml", dirs[i]);
        int found = merge_file(s, repx_buf_text(&path), err);

        if (found != 0)
            return found;
    }
    return 0;
}

static int merge_all(struct store *s, const char *extra, struct repx_err *err)
{
    if (merge_global(s, err) < 0 || merge_file(s, "resources.toml", err) < 0)
        return -1;
    int found = extra ? merge_file(s, extra, err) : 1;

    if (found == 0) {
        return repx_fail(err, REPX_E_USAGE, "%s: there is no such file of resources",
                         extra);
    }
    return found < 0 ? -1 : 0;
}

struct resources *resources_open(const char *extra, struct repx_err *err)
{
    struct store *s = REPX_NEW(struct store);

    if (merge_all(s, extra, err) == 0 && read_all(s, err) == 0)
        return &s->resources;
    resources_close(&s->resources);
    return NULL;
}

void resources_close(struct resources *resources)
{
    struct store *s = (struct store *)resources;

    if (!s)
        return;
    toml_free(s->root);
    keep_free(&s->keep);
    free(s);
}
