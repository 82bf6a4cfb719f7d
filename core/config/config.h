/* SPDX-License-Identifier: MIT */
/* config.h: config.toml, repx.d/ and resources.toml, parsed and checked.
 *
 * Everything reachable from struct config or struct resources belongs to it. Texts are
 * NULL and numbers CONFIG_UNSET when unset. Errors are "FILE:LINE: KEY: what; cure",
 * code REPX_E_USAGE. Nothing is ever written. */
#ifndef REPX_CONFIG_H
#define REPX_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include <repx/scheduler.h>

#include <kit/err.h>

#define CONFIG_UNSET REPX_UNSET

/* One key of a plugin's own table, as it stands in the file: checked against the
 * plugin's fields by plugin/fields.h when the plugin is opened. */
struct config_value {
    const char *key;
    const char *const *texts; /* one for scalars ("true", "42", ...), n for arrays */
    size_t count;
    int is_array;
    const char *where; /* "FILE:LINE" */
    const char
        *other; /* what the first that is no string is ("a number"); NULL: all are */
};

/* A plugin's table: [targets.X.NAME] or [targets.X.KIND-NAME]. */
struct config_table {
    const char *name;
    const char *where;
    const struct config_value *values;
    size_t count;
    /* of scheduler tables, also found among values: */
    const char *const *execution_types;
    size_t execution_type_count;
    int64_t local_concurrency;
};

struct config_target {
    const char *name;
    const char *where;     /* "FILE:LINE", or "built in" */
    const char *base_path; /* this machine: absolute, ~ and $NAME expanded; else as it
                            * stands, checked to begin with '/', "~/" or '$' */
    const char *address;   /* NULL: this machine. Always NULL for the target `local`. */
    const char *state_path, *node_local_path;
    const char *transport; /* default "auto" with an address, else "local" */
    const char *bootstrap, *lab, *image; /* default "bootstrap", "lab", "image" */
    const char *default_scheduler;       /* or NULL */
    const char *default_execution_type;  /* or NULL */
    const char *artifact_store;          /* "shared" or "node-local" */
    int mount_host_paths;
    const char *const *mount_paths;
    size_t mount_path_count;
    int64_t may_submit_from_node; /* 1, 0, CONFIG_UNSET */
    int64_t purge_days;           /* the site takes files that old; 0: none said */
    const struct config_table *tables;
    size_t table_count;
    struct config_table none; /* for what has no table: empty, where the target is */
};

struct config {
    const char *file; /* the config.toml that was read, or NULL */
    const char *submission_target, *default_scheduler;
    int64_t log_max_files, log_max_age_days; /* 50, 7 */
    const char *const *plugin_paths;         /* key plugin_path of repx.d, absolute */
    size_t plugin_path_count;
    const struct config_target *targets; /* sorted by name; always holds `local` */
    size_t target_count;
};

/* Look for config.toml in XDG order, merge repx.d/<any>.toml beside it (sorted), add the
 * built-in `local` when there is none. Without any config.toml, the first repx.d that
 * holds files is read. */
struct config *config_open(struct repx_err *err);
void config_close(struct config *config);
const struct config_target *config_target_find(const struct config *config,
                                               const char *name);
/* The table with that name, or NULL. */
const struct config_table *config_table_find(const struct config_target *target,
                                             const char *name);
/* The same, or an empty one. */
const struct config_table *config_table_of(const struct config_target *target,
                                           const char *name);

/* ---- resources ---- */

/* Where single fields stand, when another file than the table's set them; else NULL. */
struct resource_places {
    const char *cpus, *mem, *time, *partition, *sbatch_opts;
};

/* One rule, or the defaults, or a resolved result. Numbers are normalised; the *_text is
 * what was written. */
struct resource_rule {
    const char *job_id_glob, *target;
    const char *partition;
    int64_t cpus;
    int64_t mem; /* bytes */
    const char *mem_text;
    int64_t time; /* seconds; -2: unlimited */
    const char *time_text;
    const char *const *sbatch_opts;
    size_t sbatch_opt_count;
    /* native.NAME = [...]: options for scheduler NAME */
    const struct config_value *native; /* key: scheduler's name */
    size_t native_count;
    const struct resource_rule *worker; /* worker_resources (alias step_resources) */
    const char *where;                  /* "FILE:LINE" */
    struct resource_places elsewhere;
};

struct resources {
    struct resource_rule defaults;
    const struct resource_rule *rules;
    size_t rule_count;
};

/* Global file, ./resources.toml, then `extra` (may be NULL; must exist if given). */
struct resources *resources_open(const char *extra, struct repx_err *err);
void resources_close(struct resources *resources);

/* Does the whole text match? '*' any run of characters, '?' one, nothing else special. */
int resources_glob(const char *glob, const char *text);

/* "2G", "512M", "100" (bytes); K M G T are 1024-based, any case, a B or iB may follow.
 * -1 when it is none.
 * resources_slurm_size: a number without suffix is MiB, as Slurm's --mem has it. */
int64_t resources_size(const char *text);
int64_t resources_slurm_size(const char *text);
/* Slurm's forms: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S; UNLIMITED, INFINITE and zero (-2).
 * -1: none of them. */
int64_t resources_time(const char *text);

#endif
