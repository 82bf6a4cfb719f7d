/* SPDX-License-Identifier: MIT */
/* What is wrong in config.toml is told with file, line, key and cure. */
#include "tap.h"

#include "core/config/config.h"

#include "config_scratch.h"

#define LOCAL "[targets.local]\nbase_path = \"/b\"\n"
#define FAR "[targets.far]\naddress = \"h\"\nbase_path = \"/b\"\n"

static const struct {
    const char *text, *message; /* the part after the file's name */
} cases[] = {
    {"a = ", ":1: is not TOML: "},
    {"theme = \"x\"\n\n[~x]\na = 1\n", ":3: is not TOML: an unexpected character"},
    {"submision_target = \"x\"",
     ":1: submision_target: unknown key; did you mean `submission_target`?"},
    {"target = 1", ":1: target: unknown key; did you mean `targets`?"},
    {"\n\nzzz = 1", ":3: zzz: unknown key; known here: theme, "},
    {"submission_target = 3",
     ":1: submission_target: must be a text, not an integer; put it in quotes"},
    {"submission_target = \"\"", ":1: submission_target: is empty; "},
    {"submission_target = \"a\\nb\"", ":1: submission_target: holds a line break"},
    {"submission_target = \"a\\u0000b\"", ":1: holds a zero byte"},
    {"default_scheduler = \"Slurm\"",
     ":1: default_scheduler: `Slurm` is no plugin's name; "},
    {"logging = 1", ":1: logging: must be a table, not an integer"},
    {"[logging]\nmax_file = 1",
     ":2: logging.max_file: unknown key; did you mean `max_files`?"},
    {"[logging]\nmax_files = -1", ":2: logging.max_files: -1 is out of range; "},
    {"[logging]\nmax_files = 1.5",
     ":2: logging.max_files: must be an integer, not a fraction"},
    {"targets = []", ":1: targets: must be a table, not an array"},
    {"[targets]\nlocal = 1", ":2: targets.local: must be a table, not an integer"},
    {"plugin_path = \"/a\"", ":1: plugin_path: must be an array, not a text"},
    {"plugin_path = [\"a\"]", ":1: plugin_path: `a` is relative; begin it with `/`"},
    {"plugin_path = [1]", ":1: plugin_path[0]: must be a text, not an integer"},
    {"[targets.local]", ":1: targets.local: has no `base_path`; "},
    {"[targets.local]\nbase_path = \"\"", ":2: targets.local.base_path: is empty; "},
    {"[targets.local]\nbase_path = \"a/b\"",
     ":2: targets.local.base_path: `a/b` is relative; begin it with `/`, `~/`"},
    {"[targets.local]\nbase_path = \"~you/b\"",
     ":2: targets.local.base_path: `~you/b` names another user's home; "},
    {"[targets.local]\nbase_path = \"/b/$UNSET_HERE\"",
     ":2: targets.local.base_path: $UNSET_HERE is not set; "},
    {"[targets.far]\nbase_path = \"/b\"",
     ":1: targets.far: has no `address`, which only `local` may lack; add"},
    {"[targets.far]\naddress = \"h\"\nbase_path = \"b\"",
     ":3: targets.far.base_path: `b` is relative; begin it with `/`, `~/` or `$`, as in "
     "`~/b`"},
    {"[targets.far]\naddress = \"h\"\nbase_path = \"~you\"",
     ":3: targets.far.base_path: `~you` names another user's home"},
    {"[targets.far]\naddress = \"h\"\nbase_path = \"/$(x)\"",
     ":3: targets.far.base_path: `/$(x)`: `$` must be followed by a name"},
    {"[targets.far]\naddress = \"-oProxyCommand=x\"\nbase_path = \"/b\"",
     ":2: targets.far.address: `-oProxyCommand=x` is no address; "},
    {LOCAL "adress = \"h\"",
     ":3: targets.local.adress: unknown key; did you mean `address`?"},
    {LOCAL "mount_path = []",
     ":3: targets.local.mount_path: unknown key; did you mean `mount_paths`?"},
    {LOCAL "mount_paths = [\"/a\", \"b\"]",
     ":3: targets.local.mount_paths: `b` is not absolute; "},
    {LOCAL "mount_host_paths = \"yes\"",
     ":3: targets.local.mount_host_paths: must be true/false, not a text"},
    {LOCAL "default_execution_type = \"singularity\"",
     ":3: targets.local.default_execution_type: `singularity` is not one of `native`, "
     "`bwrap`, `podman`, `docker`"},
    {LOCAL "artifact_store = \"nodelocal\"",
     ":3: targets.local.artifact_store: `nodelocal` is not one of `shared`, "},
    {LOCAL "artifact_store = \"node-local\"",
     ":3: targets.local.artifact_store: `node-local` needs `node_local_path`; "},
    {LOCAL "transport = \"../x\"",
     ":3: targets.local.transport: `../x` is no plugin's name; "},
    {LOCAL "may_submit_from_node = \"no\"",
     ":3: targets.local.may_submit_from_node: must be true/false, not a text"},
    {LOCAL "local = 3", ":3: targets.local.local: unknown key"},
    {LOCAL "[targets.local.My_Sched]", ":3: targets.local.My_Sched: unknown key"},
    {LOCAL "[targets.local.sched-slurm]",
     ":3: targets.local.sched-slurm: a scheduler's table has its name alone; call it "
     "`slurm`"},
    {LOCAL "[targets.local.local]\nexecution_types = [\"native\", \"bubble\"]",
     ":4: targets.local.local.execution_types[1]: `bubble` is not one of `native`, "},
    {LOCAL "[targets.local.local]\nexecution_types = \"native\"",
     ":4: targets.local.local.execution_types: must be an array, not a text"},
    {LOCAL "[targets.local.local]\nlocal_concurrency = 0",
     ":4: targets.local.local.local_concurrency: 0 is out of range; it must be 1 to "},
    {LOCAL "[targets.local.local.deep]\nx = 1",
     ":3: targets.local.local.deep: is a table; "},
    {LOCAL "[targets.local.local]\nx = [[1]]",
     ":4: targets.local.local.x[0]: must be a value, not an array"},
    {"a"
     "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
     ":1: nested more than 32 levels"},
    {"x = {k = \"\"\"a\"\"\"\", a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a."
     "a.a.a.a.a.a.a.a = 1}",
     ":1: nested more than 32 levels"},
};

static void wrong_files_are_told(void)
{
    REPX_AUTO_FREE char *file = scratch_path("config/repx/config.toml");

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct repx_err err = {0};
        size_t len = strlen(file);

        scratch_put("config/repx/config.toml", cases[i].text);
        struct config *c = config_open(&err);
        int good =
            !c && err.code == REPX_E_USAGE && strncmp(err.text, file, len) == 0 &&
            strncmp(err.text + len, cases[i].message, strlen(cases[i].message)) == 0;

        if (!ok(good, "%s", cases[i].message))
            printf("#   %s\n", c ? "accepted" : err.text);
        config_close(c);
    }
}

static void errors_of_repx_d_name_their_file(void)
{
    REPX_AUTO_FREE char *want = scratch_path(
        "config/repx/repx.d/x.toml:2: targets.far.lap: unknown key; did you "
        "mean `lab`?");
    struct repx_err err = {0};

    scratch_put("config/repx/config.toml", FAR);
    scratch_put("config/repx/repx.d/x.toml", "[targets.far]\nlap = \"x\"\n");
    ok(!config_open(&err), "refused");
    is(err.text, want, "with the file in repx.d");
    scratch_put("config/repx/repx.d/x.toml", NULL);
}

static void files_that_are_no_files_are_errors(void)
{
    struct repx_err err = {0};

    scratch_put("config/repx/config.toml", NULL);
    scratch_make("config/repx/config.toml");
    ok(!config_open(&err) && err.text[0], "a directory: %s", err.text);
    scratch_put("config/repx/config.toml", NULL);
}

int main(void)
{
    scratch_begin();
    wrong_files_are_told();
    errors_of_repx_d_name_their_file();
    files_that_are_no_files_are_errors();
    scratch_end();
    return tap_end();
}
