/* SPDX-License-Identifier: MIT */
/* What people name, and the jobs that are meant; and what those jobs get. */
#include "tap.h"

#include <stdlib.h>

#include <kit/alloc.h>
#include <kit/buf.h>

#include "core/plan/plan.h"

#include "plan_lab.h"

/* The set as ids. */
static char *ids(const struct lab *lab, const struct job_set *set)
{
    struct repx_buf b = {0};

    for (size_t i = 0; i < set->count; i++)
        repx_buf_fmt(&b, "%s%s", i ? " " : "", lab->jobs[set->jobs[i]].id);
    return repx_buf_detach(&b);
}

static const struct {
    const char *spec, *jobs; /* NULL: refused */
    int32_t code;
    const char *message;
} specs[] = {
    {"alpha", "d-report"},
    {"beta", "b-solve"},
    {"a", "a-mesh"},
    {"b-solve", "b-solve"},
    {"d-report", "d-report"}, /* although d-report2 begins so too */
    {"d-report2", "d-report2"},
    {"@all", "b-solve d-report"},
    {"@empty", ""},
    {"@", NULL, REPX_E_USAGE, "empty group name"},
    {"@none", NULL, REPX_E_NOENT,
     "unknown group `none`; available groups: all, empty, lost"},
    {"@lost", NULL, REPX_E_NOENT, "run `omega`"},
    {"alp", NULL, REPX_E_NOENT, "`alp` did not match any known run or job"},
    {"x", NULL, REPX_E_NOENT, "did not match any known run or job"},
    {"", NULL, REPX_E_USAGE, "empty name"},
    {"d-", NULL, REPX_E_USAGE, "Ambiguous input: `d-` matches 2 jobs; "},
    {"d-", NULL, REPX_E_USAGE, "\n  - d-report\n  - d-report2"},
};

static void specs_become_jobs(void)
{
    for (size_t i = 0; i < COUNT(specs); i++) {
        struct job_set set = {0};
        struct repx_err err = {0};
        int rc = resolve_spec(&plan_lab, specs[i].spec, &set, &err);
        REPX_AUTO_FREE char *got = ids(&plan_lab, &set);

        if (specs[i].jobs) {
            is(got, specs[i].jobs, specs[i].spec);
        } else if (!ok(rc == -1 && err.code == specs[i].code &&
                           strstr(err.text, specs[i].message),
                       "`%s` is refused", specs[i].spec)) {
            printf("#  %s\n", err.text);
        }
        job_set_free(&set);
    }
}

static void specs_add_up(void)
{
    struct job_set set = {0};
    int rc = 0;

    rc |= resolve_spec(&plan_lab, "@all", &set, NULL);
    rc |= resolve_spec(&plan_lab, "a", &set, NULL);
    rc |= resolve_spec(&plan_lab, "alpha", &set, NULL);
    rc |= resolve_spec(&plan_lab, "d-report2", &set, NULL);
    rc |= resolve_spec(&plan_lab, "a-m", &set, NULL);
    REPX_AUTO_FREE char *got = ids(&plan_lab, &set);

    ok(rc == 0, "five specs");
    is(got, "a-mesh b-solve d-report d-report2", "each job once, in order");
    closure(&plan_lab, &set);
    ok(set.count == 5, "closed over what they need");
    job_set_free(&set);
}

static void closure_takes_what_is_needed(void)
{
    struct job_set set = {0};

    job_set_add(&set, 1);
    closure(&plan_lab, &set);
    REPX_AUTO_FREE char *got = ids(&plan_lab, &set);

    is(got, "a-mesh b-solve", "and nothing else");
    job_set_free(&set);
}

static void one_job_is_meant(void)
{
    struct repx_err err = {0};
    struct lab_run run = {
        .name = "wide", .jobs = (const size_t[]){0, 4}, .job_count = 2};
    struct lab lab = plan_lab;
    size_t job = 99;

    ok(resolve_one(&plan_lab, "alpha", &job, &err) == 0 && job == 3,
       "a run with one final job");
    ok(resolve_one(&plan_lab, "c", &job, &err) == 0 && job == 2, "a prefix");
    ok(resolve_one(&plan_lab, "@all", &job, &err) < 0 && err.code == REPX_E_NOENT,
       "groups are not understood");
    lab.runs = &run;
    lab.run_count = 1;
    ok(resolve_one(&lab, "wide", &job, &err) < 0 && err.code == REPX_E_USAGE &&
           strstr(err.text, "Ambiguous input: `wide` matches 2 jobs") &&
           strstr(err.text, "\n  - a-mesh\n  - d-report2"),
       "a run with several");
}

static void long_lists_are_cut(void)
{
    struct repx_err err = {0};
    struct lab lab = plan_lab;
    struct lab_job *jobs = repx_array(500, sizeof(*jobs));
    struct job_set set = {0};

    for (int i = 0; i < 500; i++)
        jobs[i].id = repx_format("job-number-%03d", i);
    lab.jobs = jobs;
    lab.job_count = 500;
    lab.run_count = lab.group_count = 0;
    ok(resolve_spec(&lab, "job", &set, &err) < 0, "500 jobs match");
    ok(strlen(err.text) < REPX_ERR_TEXT - 1, "the message is whole");
    size_t named = 0;
    unsigned long more = 0;

    for (const char *c = err.text; (c = strstr(c, "\n  - ")); c++)
        named++;
    const char *rest = strstr(err.text, "\n  ... and ");

    if (rest)
        more = strtoul(rest + 11, NULL, 10);
    ok(named > 50 && named + more == 500, "%zu named, %lu more", named, more);
    for (int i = 0; i < 500; i++)
        free((void *)(uintptr_t)jobs[i].id);
    free(jobs);
}

/* ---- resources ---- */

static const char *const gres[] = {"--gres=gpu:1"}, *const pbs_x[] = {"-l", "x"};
static const struct config_value pbs = {.key = "pbs", .texts = pbs_x, .count = 2};
static const struct config_value other = {.key = "other", .texts = pbs_x, .count = 1};
#define G(n) (INT64_C(n) << 30)
#define UNSET .cpus = CONFIG_UNSET, .time = CONFIG_UNSET
static const struct resource_rule steps = {UNSET, .mem = G(8), .mem_text = "8G"};
static const struct resource_rule other_steps = {
    .cpus = 99, .mem = CONFIG_UNSET, .time = CONFIG_UNSET};
static const struct resource_rule rules[] = {
    {UNSET, .job_id_glob = "*-sweep*", .mem = G(40), .mem_text = "40G",
     .sbatch_opts = gres, .sbatch_opt_count = 1, .worker = &other_steps, .native = &pbs,
     .native_count = 1},
    {.cpus = CONFIG_UNSET,
     .mem = CONFIG_UNSET,
     .target = "hpc",
     .time = 7200,
     .time_text = "02:00:00",
     .worker = &steps,
     .native = &other,
     .native_count = 1},
    {UNSET, .mem = CONFIG_UNSET, .job_id_glob = "a-*", .partition = "long"},
    {UNSET, .mem = CONFIG_UNSET, .target = "plain"},
};
static const struct resources resources = {
    .defaults = {UNSET, .partition = "short", .mem = G(2), .mem_text = "2G"},
    .rules = rules,
    .rule_count = COUNT(rules),
};

static const struct {
    size_t job;
    const char *phase, *target, *expected;
} layers[] = {
    {0, "main", "hpc", "long - 2G 02:00:00 -"},
    {0, "main", "local", "long - 2G - -"},
    {4, "main", "local", "short - 2G - -"},
    {2, "main", "hpc", "short 6 40G 02:00:00 --gres=gpu:1"},
    {2, "scatter", "hpc", "short 6 40G 02:00:00 --gres=gpu:1"},
    {2, "gather", "hpc", "short 6 3G 02:00:00 --gres=gpu:1"},
    {2, "step-first", "hpc", "short 6 8G 02:00:00 --gres=gpu:1"},
    {2, "step-last", "hpc", "short 5 8G 02:00:00 --gres=gpu:1"},
    {2, "step-last", "local", "short 99 40G - --gres=gpu:1"},
    /* the last rule that matches has no worker_resources: none count */
    {2, "step-first", "plain", "short 6 40G - --gres=gpu:1"},
};

static char *summary(const struct resource_rule *r)
{
    struct repx_buf b = {0};

    repx_buf_fmt(&b, "%s ", r->partition ? r->partition : "-");
    if (r->cpus == CONFIG_UNSET) {
        repx_buf_str(&b, "-");
    } else {
        repx_buf_fmt(&b, "%lld", (long long)r->cpus);
    }
    repx_buf_fmt(&b, " %s %s %s", r->mem_text ? r->mem_text : "-",
                 r->time_text ? r->time_text : "-",
                 r->sbatch_opt_count ? r->sbatch_opts[0] : "-");
    return repx_buf_detach(&b);
}

static void resources_are_layers(void)
{
    for (size_t i = 0; i < COUNT(layers); i++) {
        struct resource_rule r =
            resolve_resources(&resources, &plan_lab_jobs[layers[i].job],
                              layers[i].phase, layers[i].target);
        REPX_AUTO_FREE char *got = summary(&r);
        REPX_AUTO_FREE char *name =
            repx_format("%s %s on %s", plan_lab_jobs[layers[i].job].id, layers[i].phase,
                        layers[i].target);

        is(got, layers[i].expected, name);
    }
    struct resource_rule r = resolve_resources(NULL, &plan_lab_jobs[2], "main", "x");

    ok(r.cpus == 6 && r.mem == G(10) && r.time == CONFIG_UNSET &&
           r.sbatch_opt_count == 1,
       "hints alone");
}

static void native_options_go_by_scheduler(void)
{
    const struct lab_job *job = &plan_lab_jobs[2];

    ok(resolve_native(&resources, job, "main", "hpc", "pbs") == &pbs,
       "a later rule for another scheduler hides nothing");
    ok(resolve_native(&resources, job, "main", "hpc", "other") == &other, "that one's");
    ok(!resolve_native(&resources, job, "main", "hpc", "slurm"), "none for a third");
    ok(!resolve_native(&resources, &plan_lab_jobs[0], "main", "local", "pbs"),
       "none without a rule");
}

int main(void)
{
    specs_become_jobs();
    specs_add_up();
    closure_takes_what_is_needed();
    one_job_is_meant();
    long_lists_are_cut();
    resources_are_layers();
    native_options_go_by_scheduler();
    return tap_end();
}
