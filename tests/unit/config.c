/* SPDX-License-Identifier: MIT */
/* config.toml and repx.d: what is read, from where, and what it becomes. */
#include "tap.h"

#include "core/config/config.h"

#include "config_scratch.h"

#define CONFIG "config/repx/config.toml"

static struct config *opened(const char *text)
{
    struct repx_err err = {0};

    scratch_put(CONFIG, text);
    struct config *c = config_open(&err);

    if (!c)
        printf("# %s\n", err.text);
    return c;
}

static void without_a_file_there_is_local(void)
{
    struct config *c = opened(NULL);

    if (!ok(c && c->target_count == 1, "no file: one target"))
        return;
    const struct config_target *t = config_target_find(c, "local");

    is(t->base_path, "/home/me/.local/state/repx", "below the state directory");
    is(t->where, "built in", "built in");
    is(t->default_scheduler, "local", "scheduler local");
    is(t->transport, "local", "transport local");
    is(t->bootstrap, "bootstrap", "bootstrap");
    is(t->lab, "lab", "lab");
    is(t->image, "image", "image");
    is(t->artifact_store, "shared", "artifact store shared");
    ok(!t->address && !t->default_execution_type, "nothing else");
    ok(t->may_submit_from_node == CONFIG_UNSET, "may_submit_from_node unset");
    const struct config_table *table = config_table_find(t, "local");

    ok(table && table->execution_type_count == 2, "two runtimes");
    is(table->execution_types[0], "bwrap", "bwrap first");
    is(table->execution_types[1], "native", "then native");
    ok(table->local_concurrency == CONFIG_UNSET, "concurrency unset");
    ok(!c->file && !c->default_scheduler && !c->submission_target,
       "top level is unset");
    ok(c->log_max_files == 50 && c->log_max_age_days == 7, "logging defaults");
    config_close(c);
}

static void the_state_directory_follows_xdg(void)
{
    (void)setenv("XDG_STATE_HOME", "/var/me", 1);
    struct config *c = opened(NULL);

    is(c ? config_target_find(c, "local")->base_path : NULL, "/var/me/repx",
       "$XDG_STATE_HOME counts");
    config_close(c);
    (void)setenv("XDG_STATE_HOME", "relative", 1);
    c = opened(NULL);
    is(c ? config_target_find(c, "local")->base_path : NULL,
       "/home/me/.local/state/repx", "a relative one does not");
    config_close(c);
    (void)unsetenv("XDG_STATE_HOME");
}

static const char whole[] =
    "theme = 3\n"
    "submission_target = \"hpc\"\n"
    "default_scheduler = \"slurm\"\n"
    "[logging]\n"
    "max_files = 0\n"
    "[targets.local]\n"
    "base_path = \"~/repx/\"\n"
    "address = \"ignored\"\n"
    "[targets.hpc]\n"
    "address = \"me@login.example.org\"\n"
    "base_path = \"~/repx\"\n"
    "node_local_path = \"$TMPDIR/me\"\n"
    "artifact_store = \"node-local\"\n"
    "default_scheduler = \"pbs\"\n"
    "default_execution_type = \"bwrap\"\n"
    "mount_host_paths = true\n"
    "mount_paths = [\"/datasets\", \"/opt\"]\n"
    "may_submit_from_node = false\n"
    "transport = \"openssh\"\n"
    "[targets.hpc.slurm]\n"
    "execution_types = [\"bwrap\", \"native\"]\n"
    "local_concurrency = 4\n"
    "poll = 0.5\n"
    "[targets.hpc.transport-openssh]\n"
    "options = [\"-4\", 2, true]\n"
    "port = 2_222\n"
    "execution_types = \"its own\"\n";

static void a_whole_file_is_read(void)
{
    struct config *c = opened(whole);

    if (!ok(c && c->target_count == 2, "a whole file"))
        return;
    is(c->submission_target, "hpc", "submission_target");
    is(c->default_scheduler, "slurm", "default_scheduler");
    ok(c->log_max_files == 0 && c->log_max_age_days == 7, "logging");
    is(c->targets[0].name, "hpc", "targets are sorted");
    const struct config_target *t = config_target_find(c, "local");

    is(t->base_path, "/home/me/repx", "~ is expanded, the slash is gone");
    ok(!t->address && strcmp(t->transport, "local") == 0, "local is this machine");
    t = config_target_find(c, "hpc");
    is(t->base_path, "~/repx", "a remote path stays as it is");
    is(t->node_local_path, "$TMPDIR/me", "so does node_local_path");
    is(t->address, "me@login.example.org", "address");
    is(t->artifact_store, "node-local", "artifact_store");
    is(t->default_scheduler, "pbs", "any scheduler's name");
    is(t->default_execution_type, "bwrap", "default_execution_type");
    is(t->transport, "openssh", "transport");
    ok(t->mount_host_paths == 1 && t->mount_path_count == 2, "mounts");
    ok(t->may_submit_from_node == 0, "may_submit_from_node");
    ok(!config_target_find(c, "hp"), "an unknown target is NULL");
    config_close(c);
}

/* A key's value, or an empty one. */
static struct config_value value_of(const struct config_table *table, const char *key)
{
    struct config_value none = {.where = "nowhere"};

    for (size_t i = 0; table && i < table->count; i++) {
        if (strcmp(table->values[i].key, key) == 0)
            return table->values[i];
    }
    return none;
}

static const char *text_of(struct config_value value, size_t i)
{
    return i < value.count ? value.texts[i] : NULL;
}

static void plugin_tables_keep_their_values(void)
{
    struct config *c = opened(whole);
    REPX_AUTO_FREE char *where = scratch_path(CONFIG ":26");
    const struct config_target *t = c ? config_target_find(c, "hpc") : NULL;
    const struct config_table *slurm = t ? config_table_find(t, "slurm") : NULL;
    const struct config_table *ssh =
        t ? config_table_find(t, "transport-openssh") : NULL;

    ok(slurm && ssh && t->table_count == 2, "two tables");
    if (!slurm || !ssh)
        return;
    ok(slurm->execution_type_count == 2 && slurm->local_concurrency == 4, "ours typed");
    ok(slurm->count == 3, "and all among the values");
    is(text_of(value_of(slurm, "poll"), 0), "0.5", "a fraction");
    ok(ssh->execution_type_count == 0, "of a transport all keys are its own");
    struct config_value options = value_of(ssh, "options");

    ok(options.is_array && options.count == 3, "an array");
    is(text_of(options, 1), "2", "of numbers");
    is(text_of(options, 2), "true", "of truths");
    is(text_of(value_of(ssh, "port"), 0), "2222", "a number as plain digits");
    is(value_of(ssh, "port").where, where, "with its place");
    config_close(c);
}

static void repx_d_is_merged_by_target(void)
{
    scratch_put("config/repx/repx.d/b.toml", "[targets.hpc]\nlab = \"second\"\n");
    scratch_put("config/repx/repx.d/a.toml",
                "plugin_path = [\"~/plugins\"]\n"
                "[targets.hpc]\nlab = \"first\"\ntransport = \"carrier\"\n"
                "[targets.hpc.slurm]\npoll = 3\n"
                "[targets.more]\naddress = \"h\"\nbase_path = \"/b\"\n");
    scratch_put("config/repx/repx.d/.hidden.toml", "broken");
    scratch_put("config/repx/repx.d/note.txt", "broken");
    struct config *c = opened(whole);

    if (ok(c && c->target_count == 3, "a target more")) {
        const struct config_target *t = config_target_find(c, "hpc");

        is(t->transport, "carrier", "repx.d wins over config.toml");
        is(t->lab, "second", "and the later file over the earlier");
        is(t->default_scheduler, "pbs", "what they do not name stays");
        ok(config_table_find(t, "slurm")->count == 3, "tables merge too");
        ok(c->plugin_path_count == 1, "plugin_path");
        is(c->plugin_paths[0], "/home/me/plugins", "is absolute");
        is(config_target_find(c, "more")->transport, "auto", "transport is auto");
    }
    config_close(c);
    c = opened(NULL);
    ok(!c, "repx.d alone counts when there is no config.toml");
    config_close(c);
    scratch_put("config/repx/repx.d", NULL);
    scratch_make("config/repx/repx.d");
}

static void the_first_file_counts(void)
{
    scratch_put("site/repx/config.toml", "submission_target = \"site\"\n");
    struct config *c = opened("submission_target = \"mine\"\n");

    is(c ? c->submission_target : NULL, "mine", "the user's file comes first");
    config_close(c);
    c = opened(NULL);
    is(c ? c->submission_target : NULL, "site", "then the site's");
    ok(c && config_target_find(c, "local"), "local is built in beside it");
    config_close(c);
    scratch_put("site/repx/config.toml", NULL);
}

static void variables_are_looked_up_here(void)
{
    (void)setenv("WORK", "/work/me", 1);
    struct config *c = opened("[targets.local]\nbase_path = \"$WORK/a$b\"\n");

    ok(!c, "lower case is no variable");
    c = opened("[targets.local]\nbase_path = \"$WORK/a\"\n");
    is(c ? c->targets[0].base_path : NULL, "/work/me/a", "$WORK in a local path");
    config_close(c);
}

static void without_home_the_password_database_counts(void)
{
    (void)unsetenv("HOME");
    struct config *c = opened("[targets.local]\nbase_path = \"~\"\n");

    ok(c && c->targets[0].base_path[0] == '/', "~ without HOME");
    config_close(c);
    (void)setenv("HOME", "/home/me", 1);
}

int main(void)
{
    scratch_begin();
    without_a_file_there_is_local();
    the_state_directory_follows_xdg();
    a_whole_file_is_read();
    plugin_tables_keep_their_values();
    repx_d_is_merged_by_target();
    the_first_file_counts();
    variables_are_looked_up_here();
    without_home_the_password_database_counts();
    scratch_end();
    return tap_end();
}
