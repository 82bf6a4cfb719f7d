/* SPDX-License-Identifier: MIT */
/* list: runs, groups and dependencies of a Lab. `list jobs` is in cmd_list_jobs.c. */
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

static void group_json(const struct lab_group *g, struct repx_buf *to)
{
    repx_buf_str(to, to->len ? ",\n {\"name\":" : "[{\"name\":");
    json_put_string(to, g->name);
    repx_buf_str(to, ",\"runs\":[");
    for (size_t i = 0; i < g->run_count; i++) {
        repx_buf_str(to, i ? "," : "");
        json_put_string(to, g->runs[i]);
    }
    repx_buf_str(to, "]}");
}

static void say_groups_json(const struct lab *lab, const struct lab_group *only)
{
    REPX_AUTO_BUF struct repx_buf b = {0};

    for (size_t i = 0; i < lab->group_count; i++) {
        if (!only || only == &lab->groups[i])
            group_json(&lab->groups[i], &b);
    }
    repx_buf_str(&b, b.len ? "]" : "[]");
    ui_say("%s", repx_buf_text(&b));
}

static void say_groups(const struct lab *lab, const struct lab_group *only)
{
    if (only) {
        ui_say("Runs in group '@%s':", only->name);
        for (size_t i = 0; i < only->run_count; i++)
            ui_say("  %s", only->runs[i]);
        return;
    }
    if (!lab->group_count) {
        ui_say("There are no groups in %s.", lab->path);
        return;
    }
    ui_say("Available groups in %s:", lab->path);
    for (size_t i = 0; i < lab->group_count; i++)
        ui_say("  @%s (%zu runs)", lab->groups[i].name, lab->groups[i].run_count);
}

static const struct lab_group *find_group(const struct lab *lab, const char *name,
                                          struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf names = {0};

    for (size_t i = 0; i < lab->group_count; i++) {
        if (strcmp(name, lab->groups[i].name) == 0)
            return &lab->groups[i];
        repx_buf_fmt(&names, "%s%s", i ? ", " : "", lab->groups[i].name);
    }
    (void)repx_fail(err, REPX_E_NOENT, "unknown group '@%s'; available groups: %s",
                    name, names.len ? repx_buf_text(&names) : "none");
    return NULL;
}

static int list_groups(struct cli *cli, const void *args, char **words, int count,
                       struct repx_err *err)
{
    const struct list_args *a = args;
    const struct lab_group *only = NULL;

    if (cli_lab(cli, err) < 0)
        return -1;
    if (count > 0) {
        only = find_group(cli->lab, words[0] + (words[0][0] == '@'), err);
        if (!only)
            return -1;
    }
    if (a->json) {
        say_groups_json(cli->lab, only);
    } else {
        say_groups(cli->lab, only);
    }
    return 0;
}

/* A tree is walked without recursion: a chain of 100,000 jobs is legal. */
struct node {
    size_t job;
    size_t depth;
};

/* What is said of a job where the walk meets it; again: it was met before. */
typedef void visit_fn(struct repx_buf *to, const struct lab *lab, struct node at,
                      int again);

static void walk(const struct lab *lab, size_t root, visit_fn *visit,
                 struct repx_buf *to)
{
    REPX_AUTO_FREE char *seen = repx_alloc(lab->job_count);
    struct node *stack = REPX_NEW(struct node);
    size_t n = 1, cap = 1;

    stack[0] = (struct node){root, 0};
    while (n) {
        struct node at = stack[--n];
        const struct lab_job *job = &lab->jobs[at.job];

        visit(to, lab, at, seen[at.job]);
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

static void say_node(struct repx_buf *to, const struct lab *lab, struct node at,
                     int again)
{
    const struct lab_job *job = &lab->jobs[at.job];

    (void)to;
    ui_say("%*s%s%s", (int)(2 * at.depth), "", job->id,
           again && job->dep_count ? " (see above)" : "");
}

static void node_json(struct repx_buf *to, const struct lab *lab, struct node at,
                      int again)
{
    const struct lab_job *job = &lab->jobs[at.job];

    if (again)
        return;
    repx_buf_str(to, to->len ? ",\n " : "{");
    json_put_string(to, job->id);
    repx_buf_str(to, ":[");
    for (size_t i = 0; i < job->dep_count; i++) {
        repx_buf_str(to, i ? "," : "");
        json_put_string(to, lab->jobs[job->deps[i]].id);
    }
    repx_buf_char(to, ']');
}

static int list_deps(struct cli *cli, const void *args, char **words, int count,
                     struct repx_err *err)
{
    const struct list_args *a = args;
    REPX_AUTO_BUF struct repx_buf b = {0};
    size_t job;

    (void)count;
    if (cli_lab(cli, err) < 0 || resolve_one(cli->lab, words[0], &job, err) < 0)
        return -1;
    if (a->json) {
        walk(cli->lab, job, node_json, &b);
        ui_say("%s}", repx_buf_text(&b));
        return 0;
    }
    ui_say("Dependency tree for job '%s':", cli->lab->jobs[job].id);
    walk(cli->lab, job, say_node, NULL);
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
    .usage = "[NAME] [--json]",
    .options = list_options,
    .args_size = sizeof(struct list_args),
    .summary = "list the groups of the Lab, or the runs of one",
    .max_words = 1,
    .main = list_groups,
};

static const struct cmd cmd_list_deps = {
    .name = "deps",
    .usage = "JOB [--json]",
    .options = list_options,
    .args_size = sizeof(struct list_args),
    .summary = "show what a job depends on, as a tree",
    .min_words = 1,
    .max_words = 1,
    .main = list_deps,
};

static const struct cmd cmd_list_dependencies = {
    .name = "dependencies",
    .usage = "JOB [--json]",
    .options = list_options,
    .args_size = sizeof(struct list_args),
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
