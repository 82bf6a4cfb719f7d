/* SPDX-License-Identifier: MIT */
#include "target.h"

#include <ctype.h>
#include <string.h>

#include "keys.h"
#include "paths.h"

static const char *const runtimes[] = {"native", "bwrap",        "podman",
                                       "docker", "charliecloud", NULL};
static const char *const stores[] = {"shared", "node-local", NULL};

KEY_TEXTS_ASSERT(struct config_target, mount_paths, mount_path_count);
KEY_TEXTS_ASSERT(struct config_table, execution_types, execution_type_count);

#define AT(member) offsetof(struct config_target, member)
static const struct key_row target_rows[] = {
    {"base_path", KEY_TEXT, AT(base_path)},
    {"address", KEY_TEXT, AT(address)},
    {"state_path", KEY_TEXT, AT(state_path)},
    {"node_local_path", KEY_TEXT, AT(node_local_path)},
    {"transport", KEY_NAME, AT(transport)},
    {"bootstrap", KEY_NAME, AT(bootstrap)},
    {"lab", KEY_NAME, AT(lab)},
    {"image", KEY_NAME, AT(image)},
    {"default_scheduler", KEY_NAME, AT(default_scheduler)},
    {"default_execution_type", KEY_WORD, AT(default_execution_type), runtimes},
    {"artifact_store", KEY_WORD, AT(artifact_store), stores},
    {"mount_host_paths", KEY_BOOL, AT(mount_host_paths)},
    {"mount_paths", KEY_TEXTS, AT(mount_paths)},
    {"may_submit_from_node", KEY_FLAG, AT(may_submit_from_node)},
    {"purge_days", KEY_COUNT, AT(purge_days), NULL, 1},
};
#undef AT

static const struct key_row table_rows[] = {
    {"execution_types", KEY_WORDS, offsetof(struct config_table, execution_types),
     runtimes},
    {"local_concurrency", KEY_COUNT, offsetof(struct config_table, local_concurrency),
     NULL, 1},
};

/* A table with a plugin's name belongs to that plugin. */
static int is_plugin_table(const struct toml *member)
{
    return member->type == TOML_TABLE && keys_is_name(member->key);
}

static int is_plugin_key(const struct toml *member)
{
    (void)member;
    return 1;
}

static const struct key_set target_keys = {
    target_rows, sizeof(target_rows) / sizeof(target_rows[0]), is_plugin_table};
static const struct key_set table_keys = {
    table_rows, sizeof(table_rows) / sizeof(table_rows[0]), is_plugin_key};

static int is_target_key(const char *name)
{
    for (size_t i = 0; i < target_keys.count; i++) {
        if (strcmp(target_rows[i].name, name) == 0)
            return 1;
    }
    return 0;
}

/* ---- plugin tables ---- */

static int read_value(struct keep *keep, const struct toml *t, struct config_value *to,
                      struct repx_err *err)
{
    size_t count = t->type == TOML_ARRAY ? t->count : 1;
    const char **texts = keep_array(keep, count, sizeof(*texts));

    if (t->type == TOML_TABLE) {
        return toml_fail(t, err,
                         "is a table; a plugin's key takes a value or an array");
    }
    for (size_t i = 0; i < count; i++) {
        const struct toml *from = t->type == TOML_ARRAY ? t->items[i] : t;

        if (from->type == TOML_TABLE || from->type == TOML_ARRAY) {
            return toml_fail(from, err, "must be a value, not %s",
                             toml_type_name(from->type));
        }
        texts[i] = keep_text(keep, from->text);
        if (from->type != TOML_STRING && !to->other)
            to->other = toml_type_name(from->type);
    }
    to->key = keep_text(keep, t->key);
    to->texts = texts;
    to->count = count;
    to->is_array = t->type == TOML_ARRAY;
    to->where = keys_where(keep, t);
    return 0;
}

/* Tables of transports and sync plugins have no keys that we know. */
static int is_scheduler(const char *name)
{
    return strncmp(name, "transport-", 10) != 0 && strncmp(name, "sync-", 5) != 0;
}

static int read_table(struct keep *keep, const struct toml *t, struct config_table *to,
                      struct repx_err *err)
{
    struct config_value *values = keep_array(keep, t->count, sizeof(*values));

    if (strncmp(t->key, "sched-", 6) == 0) {
        return toml_fail(t, err, "a scheduler's table has its name alone; call it `%s`",
                         t->key + 6);
    }
    to->name = keep_text(keep, t->key);
    to->where = keys_where(keep, t);
    to->local_concurrency = CONFIG_UNSET;
    if (is_scheduler(t->key) && keys_read(keep, t, &table_keys, to, err) < 0)
        return -1;
    for (size_t i = 0; i < t->count; i++) {
        if (read_value(keep, t->items[i], &values[i], err) < 0)
            return -1;
    }
    to->values = values;
    to->count = t->count;
    return 0;
}

static int read_tables(struct keep *keep, const struct toml *target,
                       struct config_target *to, struct repx_err *err)
{
    struct config_table *tables = keep_array(keep, target->count, sizeof(*tables));
    size_t n = 0;

    for (size_t i = 0; i < target->count; i++) {
        const struct toml *t = target->items[i];

        if (is_target_key(t->key))
            continue;
        if (read_table(keep, t, &tables[n++], err) < 0)
            return -1;
    }
    to->tables = tables;
    to->table_count = n;
    return 0;
}

/* ---- checks ---- */

/* A path on the target: expanded here when the target is this machine. */
static int check_path(struct keep *keep, const struct toml *table, const char *key,
                      int is_here, const char **path, struct repx_err *err)
{
    struct repx_err why = {0};

    if (!*path)
        return 0;
    if (is_here) {
        *path = paths_expand(keep, *path, &why);
    } else {
        (void)paths_check_remote(*path, &why);
    }
    return why.code ? toml_fail(toml_get(table, key), err, "%s", why.text) : 0;
}

static int check_paths(struct keep *keep, const struct toml *table,
                       struct config_target *to, struct repx_err *err)
{
    int is_here = !to->address;

    if (!to->base_path) {
        return toml_fail(table, err,
                         "has no `base_path`; say which directory repx may use there");
    }
    if (check_path(keep, table, "base_path", is_here, &to->base_path, err) < 0 ||
        check_path(keep, table, "state_path", is_here, &to->state_path, err) < 0 ||
        check_path(keep, table, "node_local_path", is_here, &to->node_local_path, err) <
            0)
        return -1;
    if (strcmp(to->artifact_store, "node-local") == 0 && !to->node_local_path) {
        return toml_fail(toml_get(table, "artifact_store"), err,
                         "`node-local` needs `node_local_path`; add it to the target");
    }
    for (size_t i = 0; i < to->mount_path_count; i++) {
        if (to->mount_paths[i][0] != '/') {
            return toml_fail(toml_get(table, "mount_paths"), err,
                             "`%s` is not absolute; begin it with `/`",
                             to->mount_paths[i]);
        }
    }
    return 0;
}

static int check_address(const struct toml *table, struct config_target *to,
                         struct repx_err *err)
{
    const struct toml *address = toml_get(table, "address");

    if (strcmp(to->name, "local") == 0) {
        to->address = NULL; /* always this machine */
        return 0;
    }
    if (!to->address) {
        return toml_fail(
            table, err,
            "has no `address`, which only `local` may lack; add `address = "
            "\"user@host\"`");
    }
    /* It becomes an argument of ssh. */
    if (to->address[0] == '-' || strpbrk(to->address, " \t")) {
        return toml_fail(address, err,
                         "`%s` is no address; write `host`, `user@host` or an alias of "
                         "the ssh configuration",
                         to->address);
    }
    return 0;
}

static int check_name(const struct toml *table, struct repx_err *err)
{
    if (!*table->key)
        return toml_fail(table, err, "a target needs a name");
    for (const char *c = table->key; *c; c++) {
        if (iscntrl((unsigned char)*c))
            return toml_fail(table, err, "a target's name holds a control character");
    }
    return 0;
}

static void set_defaults(struct config_target *to)
{
    to->may_submit_from_node = CONFIG_UNSET;
    to->bootstrap = "bootstrap";
    to->lab = "lab";
    to->image = "image";
    to->artifact_store = "shared";
}

int target_read(struct keep *keep, const struct toml *table, struct config_target *to,
                struct repx_err *err)
{
    set_defaults(to);
    if (check_name(table, err) < 0 || keys_read(keep, table, &target_keys, to, err) < 0)
        return -1;
    to->name = keep_text(keep, table->key);
    to->where = to->none.where = keys_where(keep, table);
    if (check_address(table, to, err) < 0 || check_paths(keep, table, to, err) < 0)
        return -1;
    if (!to->transport)
        to->transport = to->address ? "auto" : "local";
    return read_tables(keep, table, to, err);
}

static const char *const built_in_types[] = {"bwrap", "native"};
static const struct config_value built_in_value = {
    .key = "execution_types",
    .texts = built_in_types,
    .count = 2,
    .is_array = 1,
    .where = "built in",
};
static const struct config_table built_in_table = {
    .name = "local",
    .where = "built in",
    .values = &built_in_value,
    .count = 1,
    .execution_types = built_in_types,
    .execution_type_count = 2,
    .local_concurrency = CONFIG_UNSET,
};

int target_built_in(struct keep *keep, struct config_target *to, struct repx_err *err)
{
    set_defaults(to);
    to->name = "local";
    to->where = to->none.where = "built in";
    to->base_path = paths_state_dir(keep, err);
    to->transport = "local";
    to->default_scheduler = "local";
    to->tables = &built_in_table;
    to->table_count = 1;
    return to->base_path ? 0 : -1;
}
