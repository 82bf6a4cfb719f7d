/* SPDX-License-Identifier: MIT */
/* list: runs, groups and dependencies of a Lab. `list jobs` is in cmd_list_jobs.c. */
#include <stdio.h>
#include <string.h>

#include <kit/alloc.h>

#include "cli.h"
#include "core/json/json.h"
#include "core/plan/plan.h"

struct list_args {
    int json;
};

static const struct option list_options[] = {
    {"json", 0, OPTION_FLAG, NULL, offsetof(struct list_args, json), "as JSON", 0},
    {0},
};

static void say_runs_json(const struct lab *lab)
{
    REPX_AUTO_BUF struct repx_buf b = {0};

    repx_buf_str(&b, "[");
    for (size_t i = 0; i < lab->run_count; i++) {
        repx_buf_str(&b, i ? ",\n {\"name\":" : "{\"name\":");
        json_put_string(&b, lab->runs[i].name);
        repx_buf_fmt(&b, ",\"jobs\":%zu,\"image\":", lab->runs[i].job_count);
        if (lab->runs[i].image) {
            json_put_string(&b, lab->runs[i].image);
        } else {
            repx_buf_str(&b, "null");
        }
        repx_buf_char(&b, '}');
    }
    repx_buf_str(&b, "]");
    ui_say("%s", repx_buf_text(&b));
}

static int list_runs(struct cli *cli, const void *args, char **words, int count,
                     struct repx_err *err)
{
    const struct list_args *a = args;

    if (count > 0)
        return list_jobs_plain(cli, words[0], a->json, err);
    if (cli_lab(cli, err) < 0)
        return -1;
    if (a->json) {
        say_runs_json(cli->lab);
        return 0;
    }
    ui_say("Available runs in %s:", cli->lab->path);
    for (size_t i = 0; i < cli->lab->run_count; i++)
        ui_say("  %s", cli->lab->runs[i].name);
    return 0;
}

static int list_groups(struct cli *cli, const void *args, char **words, int count,
                       struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf names = {0};

    (void)args;
    if (cli_lab(cli, err) < 0)
        return -1;
    const struct lab *lab = cli->lab;
    const char *want = count > 0 ? words[0] + (words[0][0] == '@') : NULL;
    if (!lab->group_count && !want) {
        ui_say("There are no groups in %s.", lab->path);
        return 0;
    }
    if (!want)
        ui_say("Available groups in %s:", lab->path);
    for (size_t i = 0; i < lab->group_count; i++) {
        const struct lab_group *g = &lab->groups[i];
        repx_buf_fmt(&names, "%s%s", i ? ", " : "", g->name);
        if (!want) {
            ui_say("  @%s (%zu runs)", g->name, g->run_count);
        } else if (strcmp(want, g->name) == 0) {
            ui_say("Runs in group '@%s':", g->name);
            for (size_t r = 0; r < g->run_count; r++)
                ui_say("  %s", g->runs[r]);
            return 0;
        }
    }
    if (!want)
        return 0;
    return repx_fail(err, REPX_E_NOENT, "unknown group '@%s'; available groups: %s",
                     want, names.len ? repx_buf_text(&names) : "none");
}

/* A tree is walked without recursion: a chain of 100,000 jobs is legal. */
struct node {
    size_t job;
    size_t depth;
};

static void print_tree(const struct lab *lab, size_t root)
{
    REPX_AUTO_FREE char *seen = repx_alloc(lab->job_count);
    struct node *stack = REPX_NEW(struct node);
    size_t n = 1, cap = 1;

    stack[0] = (struct node){root, 0};
    while (n) {
        struct node at = stack[--n];
        const struct lab_job *job = &lab->jobs[at.job];
        int again = seen[at.job] && job->dep_count;

        ui_say("%*s%s%s", (int)(2 * at.depth), "", job->id,
               again ? " (see above)" : "");
        if (seen[at.job])
            continue;
        seen[at.job] = 1;
        if (n + job->dep_count > cap) {
            cap = (n + job->dep_count) * 2;
            stack = repx_grow(stack, cap, sizeof(*stack));
        }
        for (size_t i = job->dep_count; i-- > 0;)
            stack[n++] = (struct node){job->deps[i], at.depth + 1};
    }
    repx_free_ptr(&stack);
}

static int list_deps(struct cli *cli, const void *args, char **words, int count,
                     struct repx_err *err)
{
    size_t job;

    (void)args;
    (void)count;
    if (cli_lab(cli, err) < 0 || resolve_one(cli->lab, words[0], &job, err) < 0)
        return -1;
    ui_say("Dependency tree for job '%s':", cli->lab->jobs[job].id);
    print_tree(cli->lab, job);
    return 0;
}

static const struct cmd cmd_list_runs = {
    .name = "runs",
    .usage = "[NAME]",
    .summary = "list the runs of the Lab, or the jobs of one",
    .options = list_options,
    .args_size = sizeof(struct list_args),
    .max_words = 1,
    .main = list_runs,
};

static const struct cmd cmd_list_groups = {
    .name = "groups",
    .usage = "[NAME]",
    .summary = "list the groups of the Lab, or the runs of one",
    .max_words = 1,
    .main = list_groups,
};

static const struct cmd cmd_list_deps = {
    .name = "deps",
    .usage = "JOB",
    .summary = "show what a job depends on, as a tree",
    .min_words = 1,
    .max_words = 1,
    .main = list_deps,
};

static const struct cmd cmd_list_dependencies = {
    .name = "dependencies",
    .usage = "JOB",
    .summary = "same as deps",
    .min_words = 1,
    .max_words = 1,
    .hidden = 1,
    .main = list_deps,
};

static const struct cmd *const list_subs[] = {
    &cmd_list_runs,   &cmd_list_jobs,         &cmd_list_deps,
    &cmd_list_groups, &cmd_list_dependencies, NULL,
};

const struct cmd cmd_list = {
    .name = "list",
    .usage = "[runs|jobs|deps|groups] [NAME]",
    .summary = "list runs, jobs, dependencies or groups",
    .options = list_options,
    .args_size = sizeof(struct list_args),
    .max_words = 0,
    .subs = list_subs,
    .main = list_runs,
};
