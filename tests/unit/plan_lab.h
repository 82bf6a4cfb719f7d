/* SPDX-License-Identifier: MIT */
/* plan_lab.h: a Lab by hand. Jobs (in order of id), with what they need:
 *
 *     a-mesh     simple                           runs alpha, beta
 *     b-solve    needs a-mesh                     run beta
 *     c-sweep    scatter-gather over b-solve      run alpha
 *     d-report   needs c-sweep (its gather), and run beta's metadata; run alpha
 *     d-report2  needs nothing                    run gamma, which has an image
 */
#ifndef TESTS_PLAN_LAB_H
#define TESTS_PLAN_LAB_H

#include "core/lab/lab.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct lab_output mesh_out[] = {{"grid", "$out/grid.bin"}};
static const struct lab_exe mesh_exes[] = {
    {.name = "main",
     .path = "jobs/a-mesh/bin/mesh",
     .outputs = mesh_out,
     .output_count = 1},
};

static const struct lab_mapping solve_in[] = {
    {.target_input = "grid", .job_id = "a-mesh", .source_output = "grid"},
    {.target_input = "store__base"},
    {.target_input = "nothing", .type = "intra-pipeline"},
};
static const struct lab_output solve_out[] = {{"x", "$out/x/$out"}, {"note", NULL}};
static const struct lab_exe solve_exes[] = {
    {.name = "main",
     .path = "jobs/b-solve/bin/solve",
     .inputs = solve_in,
     .input_count = 3,
     .outputs = solve_out,
     .output_count = 2},
};

static const struct lab_mapping scatter_in[] = {
    {.target_input = "x", .job_id = "b-solve", .source_output = "x"},
};
static const struct lab_output scatter_out[] = {
    {"work__items", "$out/work_items.json"},
    {"worker__arg", "$out/arg"},
};
static const struct lab_mapping first_in[] = {
    {.target_input = "worker__item", .source = "scatter:work_item"},
    {.target_input = "x", .job_id = "b-solve", .source_output = "x"},
};
static const struct lab_output step_out[] = {{"part", "$out/part"}};
static const struct lab_mapping last_in[] = {
    {.target_input = "part", .source = "step:first", .source_output = "part"},
};
static const char *const last_deps[] = {"first"};
static const struct lab_mapping gather_in[] = {
    {.target_input = "worker__outs", .source = "runner:worker_outputs"},
    {.target_input = "arg", .job_id = "self", .source_output = "worker__arg"},
    {.target_input = "grid", .job_id = "a-mesh", .source_output = "grid"},
};
static const struct lab_output gather_out[] = {{"sum", "$out/sum.txt"}};
static const struct lab_hints gather_hints = {.cpus = -1, .mem = "3G"};
static const struct lab_hints last_hints = {.cpus = 5};
static const struct lab_exe sweep_exes[] = {
    {.name = "scatter",
     .path = "jobs/c-sweep/bin/s",
     .inputs = scatter_in,
     .input_count = 1,
     .outputs = scatter_out,
     .output_count = 2},
    {.name = "step-first",
     .path = "jobs/c-sweep/bin/f",
     .inputs = first_in,
     .input_count = 2,
     .outputs = step_out,
     .output_count = 1},
    {.name = "step-last",
     .path = "jobs/c-sweep/bin/l",
     .inputs = last_in,
     .input_count = 1,
     .outputs = step_out,
     .output_count = 1,
     .deps = last_deps,
     .dep_count = 1,
     .hints = &last_hints},
    {.name = "gather",
     .path = "jobs/c-sweep/bin/g",
     .inputs = gather_in,
     .input_count = 3,
     .outputs = gather_out,
     .output_count = 1,
     .hints = &gather_hints},
};

static const struct lab_mapping report_in[] = {
    {.target_input = "sum", .job_id = "c-sweep", .source_output = "sum"},
    {.target_input = "meta", .type = "inter-run", .source_run = "beta"},
    {.target_input = "root", .type = "global"},
};
static const struct lab_exe report_exes[] = {
    {.name = "main",
     .path = "jobs/d-report/bin/r",
     .inputs = report_in,
     .input_count = 3},
};
static const struct lab_exe other_exes[] = {
    {.name = "main", .path = "jobs/d-report2/bin/r"},
};

static const char *const train_opts[] = {"--hint"};
static const struct lab_hints sweep_hints = {
    .cpus = 6, .mem = "10G", .sbatch_opts = train_opts, .sbatch_opt_count = 1};

static const size_t needs_a[] = {0}, needs_ab[] = {0, 1}, needs_c[] = {2};
static const struct lab_job plan_lab_jobs[] = {
    {.id = "a-mesh",
     .params = "{\"n\":3,\"b\":[1,2]}",
     .exes = mesh_exes,
     .exe_count = 1},
    {.id = "b-solve",
     .params = "{}",
     .exes = solve_exes,
     .exe_count = 1,
     .deps = needs_a,
     .dep_count = 1},
    {.id = "c-sweep",
     .type = LAB_SCATTER_GATHER,
     .params = "{}",
     .exes = sweep_exes,
     .exe_count = 4,
     .deps = needs_ab,
     .dep_count = 2,
     .sink = "last",
     .hints = &sweep_hints},
    {.id = "d-report",
     .params = "{}",
     .exes = report_exes,
     .exe_count = 1,
     .deps = needs_c,
     .dep_count = 1},
    {.id = "d-report2", .params = "null", .exes = other_exes, .exe_count = 1},
};

static const size_t alpha_jobs[] = {0, 2, 3}, beta_jobs[] = {0, 1}, gamma_jobs[] = {4};
static const struct lab_run plan_lab_runs[] = {
    {.name = "alpha",
     .file = "revision/metadata-alpha.json",
     .jobs = alpha_jobs,
     .job_count = 3},
    {.name = "beta",
     .file = "revision/metadata-beta.json",
     .jobs = beta_jobs,
     .job_count = 2},
    {.name = "gamma",
     .file = "revision/metadata-gamma.json",
     .jobs = gamma_jobs,
     .job_count = 1,
     .image = "images/ab12-box.tar"},
};

static const char *const both_runs[] = {"alpha", "beta"}, *const lost_runs[] = {
                                                              "omega"};
static const struct lab_group plan_lab_groups[] = {
    {.name = "all", .runs = both_runs, .run_count = 2},
    {.name = "empty"},
    {.name = "lost", .runs = lost_runs, .run_count = 1},
};

static const struct lab plan_lab = {
    .id = "lab1",
    .host_tools = "t0",
    .jobs = plan_lab_jobs,
    .job_count = COUNT(plan_lab_jobs),
    .runs = plan_lab_runs,
    .run_count = COUNT(plan_lab_runs),
    .groups = plan_lab_groups,
    .group_count = COUNT(plan_lab_groups),
};

#endif
