/* SPDX-License-Identifier: MIT */
/* The plan: order, runtimes, work keys, lines; the same whenever the same is asked. */
#include "tap.h"

#include <stdlib.h>
#include <time.h>

#include <kit/alloc.h>
#include <kit/buf.h>

#include "core/plan/plan.h"

#include "plan_lab.h"

static const char *const bwrap_native[] = {"bwrap", "native"};
static const char *const podman_bwrap[] = {"podman", "bwrap"};
static const struct config_table tables[] = {
    {.name = "local", .execution_types = bwrap_native, .execution_type_count = 2},
    {.name = "pbs", .execution_types = podman_bwrap, .execution_type_count = 2},
    {.name = "bare"},
};
static const struct config_target target = {
    .name = "hpc",
    .base_path = "/b",
    .artifact_store = "shared",
    .default_execution_type = "bwrap",
    .tables = tables,
    .table_count = COUNT(tables),
};

/* Digests that tell jobs apart; `changed` gets another one. */
struct digests {
    const struct lab *lab;
    const char *changed;
    int images;
};

static int package_digest(void *ctx, size_t job, struct digest *out,
                          struct repx_err *err)
{
    struct digests *d = ctx;
    const char *id = d->lab->jobs[job].id;

    (void)err;
    memset(out, d->changed && strcmp(d->changed, id) == 0 ? 0xff : id[0], sizeof(*out));
    return 0;
}

static int image_digest(void *ctx, const char *image_path, struct digest *out,
                        struct repx_err *err)
{
    struct digests *d = ctx;

    (void)err;
    memset(out, image_path[0], sizeof(*out));
    d->images++;
    return 0;
}

/* What a test changes of the usual request. */
struct variant {
    const struct lab *lab;
    const struct config_target *target;
    const char *scheduler, *changed;
    const struct resources *resources;
};

static const char *const everything[] = {"alpha", "gamma"};

static struct plan *planned(struct variant v, struct repx_err *err)
{
    struct digests d = {v.lab ? v.lab : &plan_lab, v.changed, 0};
    const struct plan_request request = {
        .lab = d.lab,
        .target = v.target ? v.target : &target,
        .scheduler = v.scheduler ? v.scheduler : "local",
        .resources = v.resources,
        .specs = everything,
        .spec_count = 2,
        .package_digest = package_digest,
        .image_digest = image_digest,
        .ctx = &d,
    };

    return plan_create(&request, err);
}

static const struct plan_job *job_of(const struct plan *plan, const char *id)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (strcmp(plan->jobs[i].job->id, id) == 0)
            return &plan->jobs[i];
    }
    return NULL;
}

static void producers_come_first(void)
{
    struct plan *p = planned((struct variant){0}, NULL);
    struct repx_buf order = {0};

    for (size_t i = 0; p && i < p->count; i++) {
        repx_buf_fmt(&order, "%s%s", p->jobs[i].job->id,
                     p->jobs[i].wanted ? "! " : " ");
    }
    is(repx_buf_text(&order), "a-mesh b-solve c-sweep d-report! d-report2! ",
       "by run, then by id, producers first");
    ok(p && p->jobs[2].dep_count == 2 && p->jobs[2].deps[0] == 0 &&
           p->jobs[2].deps[1] == 1,
       "deps are places in the plan");
    is(p ? p->jobs[0].run->name : NULL, "alpha", "the first run that lists a job");
    is(p ? p->jobs[1].run->name : NULL, "beta", "even when another one asked for it");
    repx_buf_free(&order);
    plan_destroy(p);
}

static const struct {
    const char *scheduler, *preferred, *runtime, *tag;
} runtimes[] = {
    {"local", "bwrap", "bwrap", "ab12-box"}, {"local", NULL, "bwrap", "ab12-box"},
    {"local", "native", "native", NULL},     {"local", "docker", "bwrap", "ab12-box"},
    {"pbs", "bwrap", "bwrap", "ab12-box"},   {"pbs", NULL, "podman", "ab12-box"},
    {"bare", "bwrap", "native", NULL},       {"slurm", "bwrap", "native", NULL},
};

static void runtimes_follow_image_and_table(void)
{
    for (size_t i = 0; i < COUNT(runtimes); i++) {
        struct config_target t = target;

        t.default_execution_type = runtimes[i].preferred;
        struct plan *p = planned(
            (struct variant){.target = &t, .scheduler = runtimes[i].scheduler}, NULL);
        const struct plan_job *with = p ? job_of(p, "d-report2") : NULL;

        is(with ? with->runtime : NULL, runtimes[i].runtime, "runtime of a job");
        is(with ? with->image : NULL, runtimes[i].tag, "image of a job");
        is(p ? p->jobs[0].runtime : NULL, "native", "without an image: native");
        plan_destroy(p);
    }
}

static int same_key(const struct plan *a, const struct plan *b, const char *id)
{
    return memcmp(&job_of(a, id)->key, &job_of(b, id)->key, sizeof(struct digest)) == 0;
}

/* Which keys differ between the usual plan and a changed one: one letter a job. */
static char *changes(struct variant v)
{
    struct plan *before = planned((struct variant){0}, NULL), *after = planned(v, NULL);
    struct repx_buf b = {0};

    for (size_t i = 0; before && after && i < before->count; i++) {
        const char *id = before->jobs[i].job->id;

        repx_buf_add(&b, same_key(before, after, id) ? "." : id, 1);
    }
    plan_destroy(before);
    plan_destroy(after);
    return repx_buf_detach(&b);
}

static void expect_changes(struct variant v, const char *expected, const char *name)
{
    REPX_AUTO_FREE char *got = changes(v);

    is(got, expected, name);
}

static void work_keys_tell_what_a_result_depends_on(void)
{
    struct lab_job jobs[COUNT(plan_lab_jobs) + 1];
    struct lab lab = plan_lab;
    static const struct resource_rule rule = {
        .cpus = 7, .mem = 1, .mem_text = "1", .time = CONFIG_UNSET};
    static const struct resources more = {.rules = &rule, .rule_count = 1};
    struct config_target native = target;

    expect_changes((struct variant){0}, ".....", "the same twice");
    expect_changes((struct variant){.changed = "b-solve"}, ".bcd.",
                   "a package: its job and the consumers");
    expect_changes((struct variant){.resources = &more}, ".....",
                   "resources do not enter");
    native.default_execution_type = "native";
    expect_changes((struct variant){.target = &native}, "....d",
                   "whether an image is used does");
    memcpy(jobs, plan_lab_jobs, sizeof(plan_lab_jobs));
    lab.jobs = jobs;
    jobs[0].params = "{\"n\":4,\"b\":[1,2]}";
    expect_changes((struct variant){.lab = &lab}, "abcd.", "parameters of a producer");
    jobs[0].params = "{\"b\":[1,2],\"n\":3}";
    expect_changes((struct variant){.lab = &lab}, ".....",
                   "not the order they come in");
    jobs[0].params = plan_lab_jobs[0].params;
    jobs[0].hints = &sweep_hints;
    jobs[0].name = "another";
    expect_changes((struct variant){.lab = &lab}, ".....", "hints and names do not");
    jobs[COUNT(plan_lab_jobs)] = plan_lab_jobs[4];
    jobs[COUNT(plan_lab_jobs)].id = "z-unrelated";
    lab.job_count++;
    expect_changes((struct variant){.lab = &lab}, ".....", "nor do unrelated jobs");
}

static void wiring_is_part_of_the_work(void)
{
    struct lab_job jobs[COUNT(plan_lab_jobs)];
    struct lab_exe exes[COUNT(sweep_exes)];
    struct lab_mapping inputs[COUNT(last_in)], mixed[COUNT(solve_in)];
    struct lab_exe solve = solve_exes[0];
    struct lab lab = plan_lab;

    memcpy(jobs, plan_lab_jobs, sizeof(jobs));
    memcpy(exes, sweep_exes, sizeof(exes));
    memcpy(inputs, last_in, sizeof(inputs));
    lab.jobs = jobs;
    jobs[2].exes = exes;
    exes[2].inputs = inputs;
    inputs[0].source_output = "other";
    expect_changes((struct variant){.lab = &lab}, "..cd.", "a step's input");
    inputs[0].source_output = "part";
    exes[2].dep_count = 0;
    expect_changes((struct variant){.lab = &lab}, "..cd.", "the order of steps");
    exes[2].dep_count = 1;
    struct lab_exe swapped = exes[0];

    exes[0] = exes[3];
    exes[3] = swapped;
    expect_changes((struct variant){.lab = &lab}, ".....",
                   "not the order of executables in the file");
    for (size_t i = 0; i < COUNT(mixed); i++)
        mixed[i] = solve_in[COUNT(mixed) - 1 - i];
    solve.inputs = mixed;
    jobs[1].exes = &solve;
    expect_changes((struct variant){.lab = &lab}, ".....", "nor that of inputs");
}

/* `join` needs `left` and `right`, which need nothing; the runs' names decide which of
 * the two comes first. */
static struct digest key_of_join(const char *left_run, const char *right_run,
                                 const char **first)
{
    static const size_t both[] = {1, 2}, one[] = {1}, two[] = {2}, three[] = {0};
    struct lab_job jobs[] = {
        {.id = "join", .deps = both, .dep_count = 2}, {.id = "left"}, {.id = "right"}};
    struct lab_run runs[] = {
        {.name = left_run, .file = "a", .jobs = one, .job_count = 1},
        {.name = right_run, .file = "b", .jobs = two, .job_count = 1},
        {.name = "alpha", .file = "c", .jobs = three, .job_count = 1},
        {.name = "gamma", .file = "d"},
    };
    struct lab lab = {.jobs = jobs, .job_count = 3, .runs = runs, .run_count = 4};
    struct digest key = {{0}};

    for (size_t i = 0; i < COUNT(jobs); i++) {
        jobs[i].exes = other_exes;
        jobs[i].exe_count = 1;
    }
    if (strcmp(left_run, right_run) > 0) {
        struct lab_run swapped = runs[0];

        runs[0] = runs[1];
        runs[1] = swapped;
    }
    struct plan *p = planned((struct variant){.lab = &lab}, NULL);

    *first = p && p->count == 3 ? p->jobs[0].job->id : "nothing";
    if (p && p->count == 3)
        key = p->jobs[2].key;
    plan_destroy(p);
    return key;
}

static void keys_do_not_depend_on_the_order_of_producers(void)
{
    const char *first, *other;
    struct digest a = key_of_join("A", "B", &first), b = key_of_join("B", "A", &other);

    is(first, "left", "left comes first");
    is(other, "right", "right comes first");
    ok(memcmp(&a, &b, sizeof(a)) == 0, "the key is the same");
}

static void of_inputs_with_one_name_the_last_counts(void)
{
    struct lab_mapping twice[] = {{.target_input = "i", .source_run = "beta"},
                                  {.target_input = "i", .source_run = "gamma"}};
    struct lab_exe exe = {
        .name = "main", .path = "p", .inputs = twice, .input_count = 2};
    struct lab_job jobs[COUNT(plan_lab_jobs)];
    struct lab lab = plan_lab;

    memcpy(jobs, plan_lab_jobs, sizeof(jobs));
    lab.jobs = jobs;
    jobs[4].exes = &exe;
    struct plan *p = planned((struct variant){.lab = &lab}, NULL);
    struct repx_buf line = {0};

    plan_line(p, 4, &line);
    ok(strstr(line.data,
              "\"inputs\":{\"i\":{\"base\":"
              "\"artifacts/revision/metadata-gamma.json\"}}"),
       "the last, once");
    repx_buf_free(&line);
    plan_destroy(p);
}

/* ---- lines ---- */

#define A8 "61616161616161616161616161616161"
#define C8 "63636363636363636363636363636363"

/* A plan line without the value of "key", which the other tests are about. */
static char *line_of(const struct plan *p, const char *id)
{
    struct repx_buf b = {0};

    plan_line(p, (size_t)(job_of(p, id) - p->jobs), &b);
    char *text = repx_buf_detach(&b);
    char *key = strstr(text, "\"key\":\"");

    if (key)
        memset(key + 7, 'k', 64);
    return text;
}

#define K16 "kkkkkkkkkkkkkkkk"
#define K64 K16 K16 K16 K16
#define TAIL                                                                 \
    "\"mounts\":{\"policy\":\"isolated\",\"paths\":[]},\"node_local\":null," \
    "\"host_tools\":\"t0\"}\n"

static const struct {
    const char *id, *line;
} lines[] = {
    {"a-mesh",
     "{\"v\":1,\"id\":\"a-mesh\",\"key\":\"" K64 "\",\"pkg\":\"" A8 A8
     "\",\"run\":\"alpha\",\"type\":\"simple\",\"params\":{\"n\":3,\"b\":[1,2]},"
     "\"inputs\":{},\"exes\":{\"main\":{\"path\":\"jobs/a-mesh/bin/mesh\",\"outputs\":{"
     "\"grid\":\"$out/grid.bin\"},\"res\":{}}},\"deps\":[],\"wanted\":false,"
     "\"runtime\":\"native\",\"image\":null," TAIL},
    {"d-report",
     "{\"v\":1,\"id\":\"d-report\",\"key\":\"" K64
     "\",\"pkg\":\"6464646464646464646464646464646464646464646464646464646464646464\","
     "\"run\":\"alpha\",\"type\":\"simple\",\"params\":{},\"inputs\":{"
     "\"meta\":{\"base\":\"artifacts/revision/metadata-beta.json\"},"
     "\"root\":{\"base\":\"\"},"
     "\"sum\":{\"job\":\"c-sweep\",\"template\":\"$out/sum.txt\"}},"
     "\"exes\":{\"main\":{\"path\":\"jobs/d-report/bin/r\",\"outputs\":{},\"res\":{}}},"
     "\"deps\":[2],\"wanted\":true,\"runtime\":\"native\",\"image\":null," TAIL},
    {"c-sweep",
     "{\"v\":1,\"id\":\"c-sweep\",\"key\":\"" K64 "\",\"pkg\":\"" C8 C8
     "\",\"run\":\"alpha\",\"type\":\"scatter-gather\",\"params\":{},"
     "\"inputs\":{\"x\":{\"job\":\"b-solve\",\"template\":\"$out/x/$out\"}},"
     "\"gather_inputs\":{\"arg\":{\"job\":\"c-sweep\",\"scatter\":\"$out/arg\"},"
     "\"grid\":{\"job\":\"a-mesh\",\"template\":\"$out/grid.bin\"}},"
     "\"exes\":{\"scatter\":{\"path\":\"jobs/c-sweep/bin/s\",\"outputs\":{"
     "\"work__items\":\"$out/work_items.json\",\"worker__arg\":\"$out/arg\"},"
     "\"res\":{\"cpus\":6,\"mem\":10737418240,\"mem_text\":\"10G\"}},"
     "\"step-first\":{\"path\":\"jobs/c-sweep/bin/f\",\"outputs\":{"
     "\"part\":\"$out/part\"},\"inputs\":[{\"target_input\":\"worker__item\","
     "\"source\":\"scatter:work_item\"},{\"target_input\":\"x\",\"source_output\":\"x\","
     "\"job_id\":\"b-solve\"}],\"deps\":[],"
     "\"res\":{\"cpus\":6,\"mem\":10737418240,\"mem_text\":\"10G\"}},"
     "\"step-last\":{\"path\":\"jobs/c-sweep/bin/l\",\"outputs\":{"
     "\"part\":\"$out/part\"},\"inputs\":[{\"target_input\":\"part\","
     "\"source\":\"step:first\",\"source_output\":\"part\"}],\"deps\":[\"first\"],"
     "\"res\":{\"cpus\":5,\"mem\":10737418240,\"mem_text\":\"10G\"}},"
     "\"gather\":{\"path\":\"jobs/c-sweep/bin/g\",\"outputs\":{"
     "\"sum\":\"$out/sum.txt\"},"
     "\"res\":{\"cpus\":6,\"mem\":3221225472,\"mem_text\":\"3G\"}}},\"sink\":\"last\","
     "\"deps\":[0,1],\"wanted\":false,\"runtime\":\"native\",\"image\":null," TAIL},
};

static void lines_are_as_the_format_says(void)
{
    struct plan *p = planned((struct variant){0}, NULL);

    for (size_t i = 0; p && i < COUNT(lines); i++) {
        REPX_AUTO_FREE char *got = line_of(p, lines[i].id);

        is(got, lines[i].line, lines[i].id);
    }
    plan_destroy(p);
}

static void lines_carry_target_and_resources(void)
{
    static const char *const opts[] = {"--gres=gpu:1", "it's \"q\""};
    static const char *const extra[] = {"--own"}, *const paths[] = {"/data"};
    static const struct config_value native = {
        .key = "slurm", .texts = extra, .count = 1};
    static const struct resource_rule rule = {.cpus = 2,
                                              .mem = 0,
                                              .mem_text = "0",
                                              .time = -2,
                                              .time_text = "UNLIMITED",
                                              .partition = "long",
                                              .sbatch_opts = opts,
                                              .sbatch_opt_count = 2,
                                              .native = &native,
                                              .native_count = 1};
    static const struct resources all = {.rules = &rule, .rule_count = 1};
    struct config_target t = target;

    t.mount_paths = paths;
    t.mount_path_count = 1;
    t.node_local_path = "/tmp/me";
    struct plan *p = planned(
        (struct variant){.target = &t, .scheduler = "slurm", .resources = &all}, NULL);
    REPX_AUTO_FREE char *got = line_of(p, "d-report2");

    ok(strstr(got,
              "\"res\":{\"cpus\":2,\"mem\":0,\"time\":-2,\"queue\":\"long\","
              "\"native\":[\"--gres=gpu:1\",\"it's \\\"q\\\"\",\"--own\"],"
              "\"mem_text\":\"0\",\"time_text\":\"UNLIMITED\"}"),
       "Slurm's options");
    ok(strstr(got, "\"mounts\":{\"policy\":\"specific\",\"paths\":[\"/data\"]}"),
       "mount_paths");
    ok(strstr(got, "\"node_local\":\"/tmp/me\"") && !strstr(got, "\"store\""),
       "node_local also with a shared store");
    plan_destroy(p);
    t.mount_host_paths = 1;
    t.artifact_store = "node-local";
    p = planned((struct variant){.target = &t, .resources = &all}, NULL);
    REPX_AUTO_FREE char *here = line_of(p, "d-report2");

    ok(!strstr(here, "\"native\":["), "but not for another scheduler");
    ok(strstr(here, "\"runtime\":\"bwrap\",\"image\":\"ab12-box\","), "image");
    ok(strstr(here, "\"mounts\":{\"policy\":\"host\",\"paths\":[]}"),
       "mount_host_paths");
    ok(strstr(here, "\"node_local\":\"/tmp/me\",\"store\":\"node-local\""),
       "node_local");
    plan_destroy(p);
}

static void steps_take_what_the_scatter_does_not(void)
{
    struct lab_job jobs[COUNT(plan_lab_jobs)];
    struct lab_exe exes[COUNT(sweep_exes)];
    struct lab_mapping one[] = {
        {.target_input = "g", .job_id = "a-mesh", .source_output = "grid"},
        {.target_input = "x", .job_id = "a-mesh", .source_output = "grid"},
    };
    struct lab_mapping two[] = {
        {.target_input = "g", .job_id = "a-mesh", .source_output = "grid"},
    };
    struct lab lab = plan_lab;
    struct repx_err err = {0};

    memcpy(jobs, plan_lab_jobs, sizeof(jobs));
    memcpy(exes, sweep_exes, sizeof(exes));
    lab.jobs = jobs;
    jobs[2].exes = exes;
    exes[1].inputs = one;
    exes[1].input_count = 2;
    exes[2].inputs = two;
    exes[2].input_count = 1;
    struct plan *p = planned((struct variant){.lab = &lab}, NULL);
    REPX_AUTO_FREE char *line = line_of(p, "c-sweep");

    ok(strstr(line,
              "\"inputs\":{\"g\":{\"job\":\"a-mesh\",\"template\":"
              "\"$out/grid.bin\"},\"x\":{\"job\":\"b-solve\","),
       "an input of steps alone is there; the scatter's own wins");
    plan_destroy(p);
    two[0].job_id = "b-solve";
    two[0].source_output = "x";
    p = planned((struct variant){.lab = &lab}, &err);
    ok(!p && strstr(err.text,
                    "job c-sweep: two steps take different things as input `g`"),
       "one name for two things is refused");
    plan_destroy(p);
}

/* ---- what is wrong ---- */

static void expect_error(const struct lab *lab, const char *message)
{
    struct repx_err err = {0};
    struct plan *p = planned((struct variant){.lab = lab}, &err);

    if (!ok(!p && strstr(err.text, message), "refused: %s", message))
        printf("#  %s\n", p ? "accepted" : err.text);
    plan_destroy(p);
}

static void wrong_labs_are_refused(void)
{
    struct lab_job jobs[COUNT(plan_lab_jobs)];
    struct lab_run runs[COUNT(plan_lab_runs)];
    struct lab_exe exe = report_exes[0];
    struct lab_mapping in = {.target_input = "i"};
    struct lab_hints hints = {.cpus = -1};
    struct lab lab = plan_lab;

    memcpy(jobs, plan_lab_jobs, sizeof(jobs));
    memcpy(runs, plan_lab_runs, sizeof(runs));
    lab.jobs = jobs;
    lab.runs = runs;
    exe.inputs = &in;
    exe.input_count = 1;
    jobs[3].exes = &exe;
    in.source_run = "omega";
    expect_error(&lab, "job d-report: main: input `i` takes run `omega`, which");
    in.source_output = "none";
    in.job_id = "a-mesh";
    expect_error(&lab, "input `i` takes output `none` of job `a-mesh`");
    in.job_id = "self";
    expect_error(&lab, "input `i` comes from job `self`, which");
    jobs[3] = plan_lab_jobs[3];
    jobs[3].exe_count = 0;
    expect_error(&lab, "job d-report: has no executable `main`");
    jobs[3] = plan_lab_jobs[3];
    jobs[3].hints = &hints;
    hints.mem = "much";
    expect_error(&lab, "job d-report: resource_hints: mem `much` is no size");
    hints.mem = NULL;
    hints.time = "long";
    expect_error(&lab, "job d-report: resource_hints: time `long` is no time");
    jobs[3] = plan_lab_jobs[3];
    runs[2].image = "images/a b.tar";
    expect_error(&lab,
                 "run gamma: image `images/a b.tar`: its name `a b` may hold only");
    runs[2].image = plan_lab_runs[2].image;
    jobs[0].deps = needs_c;
    jobs[0].dep_count = 1;
    expect_error(&lab, "4 jobs wait for each other in a circle");
}

/* ---- many ---- */

#define MANY 100000

static void many_jobs_are_planned_quickly(void)
{
    struct lab_job *jobs = repx_array(MANY, sizeof(*jobs));
    size_t *deps = repx_array(MANY, sizeof(*deps)),
           *all = repx_array(MANY, sizeof(*all));
    char(*names)[16] = repx_array(MANY, sizeof(*names));
    struct lab_run run = {
        .name = "alpha", .file = "revision/a.json", .jobs = all, .job_count = MANY};
    struct lab_run runs[2] = {run, plan_lab_runs[2]};
    struct lab lab = {.jobs = jobs, .job_count = MANY, .runs = runs, .run_count = 2};
    clock_t start = clock();

    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "j%06zu", i);
        /* One long chain: the worst case for anything that recurses. */
        jobs[i] = (struct lab_job){.id = names[i],
                                   .params = "{\"n\":1}",
                                   .exes = other_exes,
                                   .exe_count = 1,
                                   .deps = &deps[i],
                                   .dep_count = i > 0};
        deps[i] = i ? i - 1 : 0;
        all[i] = i;
    }
    runs[1].name = "gamma";
    struct plan *p = planned((struct variant){.lab = &lab}, NULL);

    ok(p && p->count == MANY, "a chain of %d jobs", MANY);
    ok((double)(clock() - start) / CLOCKS_PER_SEC < 20, "in %.2f s of CPU time",
       (double)(clock() - start) / CLOCKS_PER_SEC);
    plan_destroy(p);
    free(jobs);
    free(deps);
    free(all);
    free(names);
}

int main(void)
{
    producers_come_first();
    runtimes_follow_image_and_table();
    work_keys_tell_what_a_result_depends_on();
    wiring_is_part_of_the_work();
    keys_do_not_depend_on_the_order_of_producers();
    of_inputs_with_one_name_the_last_counts();
    lines_are_as_the_format_says();
    lines_carry_target_and_resources();
    steps_take_what_the_scatter_does_not();
    wrong_labs_are_refused();
    many_jobs_are_planned_quickly();
    return tap_end();
}
