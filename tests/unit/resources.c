/* SPDX-License-Identifier: MIT */
/* resources.toml: merging, sizes, times, globs, errors. */
#include "tap.h"

#include "core/config/config.h"

#include "config_scratch.h"

static const struct {
    const char *glob, *text;
    int matches;
} globs[] = {
    {"*", "", 1},
    {"*", "a/b-c", 1},
    {"", "", 1},
    {"", "a", 0},
    {"a", "a", 1},
    {"a", "A", 0},
    {"a", "ab", 0},
    {"?", "", 0},
    {"?", "/", 1},
    {"a?c", "abc", 1},
    {"*-train-*", "0f-train-1.1", 1},
    {"*-train-*", "0f-train", 0},
    {"a*b*c", "axxbyybzzc", 1},
    {"a*b*c", "axxbyybzz", 0},
    {"*ab", "aab", 1},
    {"[ab]", "a", 0},
    {"[ab]", "[ab]", 1},
    {"\\*", "*", 0},
    {"**", "x", 1},
    {"*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0},
};

static void globs_match_whole_texts(void)
{
    for (size_t i = 0; i < sizeof(globs) / sizeof(globs[0]); i++) {
        ok(resources_glob(globs[i].glob, globs[i].text) == globs[i].matches,
           "glob `%s`, text `%s`", globs[i].glob, globs[i].text);
    }
}

#define KI INT64_C(1024)
static const struct {
    const char *text;
    int64_t plain, slurm;
} sizes[] = {
    {"0", 0, 0},
    {"100", 100, 100 * KI *KI},
    {"1K", KI, KI},
    {"1k", KI, KI},
    {"512M", 512 * KI *KI, 512 * KI *KI},
    {"2G", 2 * KI *KI *KI, 2 * KI *KI *KI},
    {"2g", 2 * KI *KI *KI, 2 * KI *KI *KI},
    {"3T", 3 * KI *KI *KI *KI, 3 * KI *KI *KI *KI},
    {"4GB", 4 * KI *KI *KI, 4 * KI *KI *KI},
    {"4GiB", 4 * KI *KI *KI, 4 * KI *KI *KI},
    {"4gib", 4 * KI *KI *KI, 4 * KI *KI *KI},
    {"", -1, -1},
    {"G", -1, -1},
    {"-1", -1, -1},
    {"+1", -1, -1},
    {" 1", -1, -1},
    {"1 G", -1, -1},
    {"1.5G", -1, -1},
    {"4GiBx", -1, -1},
    {"4GX", -1, -1},
    {"4P", -1, -1},
    {"4B", -1, -1},
    {"9999999999999999999", -1, -1},
    {"9999999T", -1, -1},
};

static void sizes_are_read(void)
{
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        ok(resources_size(sizes[i].text) == sizes[i].plain &&
               resources_slurm_size(sizes[i].text) == sizes[i].slurm,
           "size `%s`", sizes[i].text);
    }
}

static const struct {
    const char *text;
    int64_t seconds;
} times[] = {
    {"30", 1800},
    {"1:30", 90},
    {"02:00:00", 7200},
    {"90:00", 5400},
    {"1-0", 86400},
    {"1-12", 129600},
    {"1-2:30", 95400},
    {"2-03:04:05", 183845},
    {"UNLIMITED", -2},
    {"infinite", -2},
    {"0", -2},
    {"00:00:00", -2},
    {"", -1},
    {"x", -1},
    {"1:", -1},
    {":1", -1},
    {"1:2:3:4", -1},
    {"1-", -1},
    {"-1", -1},
    {"1-2-3", -1},
    {"1:2-3", -1},
    {"2h", -1},
    {"1.5", -1},
    {" 1", -1},
    {"99999999999999", -1},
    {"99999999999-0", -1},
};

static void times_are_read(void)
{
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        ok(resources_time(times[i].text) == times[i].seconds, "time `%s`: %lld",
           times[i].text, (long long)resources_time(times[i].text));
    }
}

static struct resources *opened(const char *global, const char *here, const char *extra,
                                struct repx_err *err)
{
    REPX_AUTO_FREE char *path = scratch_path("extra.toml");

    scratch_put("config/repx/resources.toml", global);
    scratch_put("here/resources.toml", here);
    scratch_put("extra.toml", extra);
    return resources_open(extra ? path : NULL, err);
}

static void files_are_merged_before_they_are_read(void)
{
    struct repx_err err = {0};
    struct resources *r = opened(
        "[defaults]\npartition = \"short\"\nmem = \"1G\"\n"
        "sbatch_opts = [\"--a\", \"--b\"]\n"
        "[[rules]]\nmem = \"2G\"\n[[rules]]\nmem = \"3G\"\n",
        "[defaults]\nmem = \"4096\"\nsbatch_opts = [\"--c\"]\n",
        "[[rules]]\ncpus-per-task = 3\n", &err);

    ok(r, "three files: %s", err.text);
    if (!r)
        return;
    is(r->defaults.partition, "short", "what only the first has stays");
    is(r->defaults.mem_text, "4096", "the second wins");
    ok(r->defaults.mem == INT64_C(4) << 30, "a plain number is MiB");
    ok(r->defaults.sbatch_opt_count == 1, "arrays are replaced, not joined");
    ok(r->rule_count == 1 && r->rules[0].cpus == 3, "so are rules");
    ok(r->rules[0].mem == CONFIG_UNSET && r->rules[0].time == CONFIG_UNSET,
       "unset is not 0");
    resources_close(r);
}

static void a_rule_is_read_whole(void)
{
    struct repx_err err = {0};
    struct resources *r = opened(
        NULL,
        "[[rules]]\njob_id_glob = \"*-x-*\"\ntarget = \"hpc\"\npartition = \"p\"\n"
        "cpus-per-task = 6\nmem = \"2G\"\ntime = \"1:00:00\"\n"
        "sbatch_opts = [\"--gres=gpu:1\"]\n"
        "native.pbs = [\"-l\", \"x=1\"]\n"
        "[rules.step_resources]\nmem = \"8G\"\n"
        "[[rules]]\n",
        NULL, &err);
    REPX_AUTO_FREE char *where = repx_strdup("resources.toml:1");

    if (!ok(r && r->rule_count == 2, "read: %s", err.text))
        return;
    const struct resource_rule *rule = &r->rules[0];

    is(rule->job_id_glob, "*-x-*", "glob");
    is(rule->target, "hpc", "target");
    is(rule->partition, "p", "partition");
    ok(rule->cpus == 6 && rule->mem == INT64_C(2) << 30 && rule->time == 3600,
       "numbers");
    is(rule->time_text, "1:00:00", "the text is kept");
    is(rule->sbatch_opts[0], "--gres=gpu:1", "sbatch_opts");
    ok(rule->native_count == 1 && rule->native[0].count == 2, "native");
    is(rule->native[0].key, "pbs", "by scheduler");
    ok(rule->worker && rule->worker->mem == INT64_C(8) << 30, "step_resources");
    is(rule->where, where, "where it stands");
    ok(!r->rules[1].worker && r->rules[1].cpus == CONFIG_UNSET,
       "an empty rule is none");
    resources_close(r);
}

static void without_files_nothing_is_set(void)
{
    struct repx_err err = {0};
    struct resources *r = opened(NULL, NULL, NULL, &err);

    ok(r && r->rule_count == 0 && r->defaults.cpus == CONFIG_UNSET, "no files");
    resources_close(r);
    ok(!resources_open("/nonexistent/r.toml", &err) && err.code == REPX_E_USAGE,
       "a file that was named must exist: %s", err.text);
}

static const struct {
    const char *text, *message;
} wrong[] = {
    {"[default]", ":1: default: unknown key; did you mean `defaults`?"},
    {"[rules]", ":1: rules: must be an array, not a table"},
    {"rules = [1]", ":1: rules[0]: must be a table, not an integer"},
    {"[defaults]\ncpus = 3",
     ":2: defaults.cpus: unknown key; did you mean `cpus-per-task`?"},
    {"[defaults]\ncpus-per-task = 0", ":2: defaults.cpus-per-task: 0 is out of range"},
    {"[defaults]\ncpus-per-task = 4294967296",
     ":2: defaults.cpus-per-task: 4294967296 is out of range"},
    {"[defaults]\nmem = 4096",
     ":2: defaults.mem: must be a text, not an integer; put it"},
    {"[defaults]\nmem = \"lots\"",
     ":2: defaults.mem: `lots` is no size; write a whole number with K, M, G or T"},
    {"[defaults]\ntime = 02:00:00",
     ":2: defaults.time: must be a text, not a date or time; put it in quotes"},
    {"[defaults]\ntime = \"2h\"",
     ":2: defaults.time: `2h` is no time; write MINUTES, MINUTES:SECONDS"},
    {"[[rules]]\n[[rules]]\nmemory = \"1G\"",
     ":3: rules[1].memory: unknown key; did you mean `mem`?"},
    {"[[rules]]\nsbatch_opts = [\"--a\\n#SBATCH --b\"]",
     ":2: rules[0].sbatch_opts[0]: holds a line break"},
    {"[[rules]]\n[rules.worker_resources]\nmem = \"x\"",
     ":3: rules[0].worker_resources.mem: `x` is no size"},
    {"[[rules]]\n[rules.worker_resources]\n[rules.step_resources]",
     ":3: rules[0].step_resources: is another name of `worker_resources`"},
    {"[[rules]]\nnative.PBS = []", ":2: rules[0].native.PBS: is no scheduler's name"},
    {"[[rules]]\nnative.pbs = \"-l\"",
     ":2: rules[0].native.pbs: must be an array, not a text"},
};

static void wrong_files_are_told(void)
{
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct repx_err err = {0};
        struct resources *r =
            opened("[defaults]\nmem = \"1G\"\n", wrong[i].text, NULL, &err);
        REPX_AUTO_FREE char *want = repx_format("resources.toml%s", wrong[i].message);

        if (!ok(!r && err.code == REPX_E_USAGE &&
                    strncmp(err.text, want, strlen(want)) == 0,
                "%s", wrong[i].message))
            printf("#   %s\n", r ? "accepted" : err.text);
        resources_close(r);
    }
}

int main(void)
{
    scratch_begin();
    globs_match_whole_texts();
    sizes_are_read();
    times_are_read();
    files_are_merged_before_they_are_read();
    a_rule_is_read_whole();
    without_files_nothing_is_set();
    wrong_files_are_told();
    scratch_end();
    return tap_end();
}
