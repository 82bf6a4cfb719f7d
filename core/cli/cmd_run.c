/* SPDX-License-Identifier: MIT */
/* run, retry: make a target run jobs of the Lab. What they print is in run_report.c. */
#include <string.h>

#include "cli.h"
#include "core/pipeline/image_unpack.h"
#include "retry.h"
#include "run_report.h"

struct run_args {
    struct option_int jobs;
    const char *mem, *artifact_store, *stale;
    int keep_going, no_timing, detach, wait, dry_run, json, verify;
};

static const struct option run_options[] = {
    {"jobs", 'j', OPTION_INT, "N", offsetof(struct run_args, jobs),
     "run at most N jobs at a time (local scheduler)", 0},
    {"mem", 0, OPTION_TEXT, "SIZE", offsetof(struct run_args, mem),
     "use at most this much memory (local scheduler), such as 16G", 0},
    {"continue-on-failure", 0, OPTION_FLAG, NULL, offsetof(struct run_args, keep_going),
     "after a failure go on with what does not depend on it", 0},
    {"detach", 0, OPTION_FLAG, NULL, offsetof(struct run_args, detach),
     "return after submission (local scheduler)", 0},
    {"wait", 0, OPTION_FLAG, NULL, offsetof(struct run_args, wait),
     "stay until all have ended (batch systems)", 0},
    {"dry-run", 0, OPTION_FLAG, NULL, offsetof(struct run_args, dry_run),
     "show the plan; contact nobody", 0},
    {"stale", 0, OPTION_WORD, "keep|rerun", offsetof(struct run_args, stale),
     "results of other scripts, parameters or images: keep (default) or run again", 0},
    {"verify", 0, OPTION_FLAG, NULL, offsetof(struct run_args, verify),
     "read every byte of the Lab that is on the target, and mend what differs", 0},
    {"artifact-store", 0, OPTION_WORD, "shared|node-local",
     offsetof(struct run_args, artifact_store), "where jobs read the Lab from", 0},
    {"no-timing", 0, OPTION_FLAG, NULL, offsetof(struct run_args, no_timing),
     "leave out how long jobs took", 0},
    {"json", 0, OPTION_FLAG, NULL, offsetof(struct run_args, json),
     "one JSON object with the result on stdout", 0},
    {0},
};

static int package_digest(void *ctx, size_t job, struct digest *out,
                          struct repx_err *err)
{
    struct lab *lab = ctx;

    return lab_package_digest(lab, lab->jobs[job].id, out, err);
}

static int digest_of_image(void *ctx, const char *path, struct digest *out,
                           struct repx_err *err)
{
    return image_digest(ctx, path, out, err);
}

static const char *scheduler_name(const struct cli *cli,
                                  const struct config_target *target)
{
    if (cli->scheduler)
        return cli->scheduler;
    if (target->default_scheduler)
        return target->default_scheduler;
    if (cli->config->default_scheduler)
        return cli->config->default_scheduler;
    return target->address ? "slurm" : "local";
}

/* An unknown --scheduler is a usage error (2); one in a file is a run-time error (1). */
static int check_scheduler(struct cli *cli, const char *name, struct repx_err *err)
{
    struct plugin_list list = {0};
    REPX_AUTO_BUF struct repx_buf names = {0};
    int found = 0;

    if (cli_paths(cli, err) < 0 || plugin_list(cli->paths, &list, NULL, NULL, err) < 0)
        return -1;
    for (size_t i = 0; i < list.count; i++) {
        if (list.items[i].kind != REPX_KIND_SCHEDULER)
            continue;
        repx_buf_fmt(&names, "%s%s", names.len ? ", " : "", list.items[i].name);
        found |= strcmp(list.items[i].name, name) == 0;
    }
    plugin_list_free(&list);
    if (found)
        return 0;
    (void)repx_fail(err, REPX_E_USAGE, "no scheduler plugin `%s`; installed: %s", name,
                    repx_buf_text(&names));
    if (!cli->scheduler)
        return -1;
    ui_error(err->text);
    return 2;
}

static int check_store(const struct run_args *args, const struct config_target *target,
                       struct repx_err *err)
{
    const char *store = args->artifact_store     ? args->artifact_store
                        : target->artifact_store ? target->artifact_store
                                                 : "shared";

    if (strcmp(store, "node-local") != 0 || target->node_local_path)
        return 0;
    return repx_fail(err, REPX_E_USAGE,
                     "artifact store node-local needs node_local_path in target '%s'",
                     target->name);
}

static int fill_limits(const struct run_args *args, const struct config_target *target,
                       const char *scheduler, struct pipeline_options *o,
                       struct repx_err *err)
{
    const struct config_table *table = config_table_find(target, scheduler);

    o->jobs_limit = args->jobs.given ? args->jobs.value
                    : table          ? table->local_concurrency
                                     : -1;
    if (args->jobs.given && args->jobs.value == 0)
        return repx_fail(err, REPX_E_USAGE, "-j 0 would never run anything");
    o->mem_limit = args->mem ? resources_size(args->mem) : -1;
    if (args->mem && o->mem_limit <= 0) {
        return repx_fail(err, REPX_E_USAGE,
                         "--mem: `%s` is not a size; write 512M or 16G", args->mem);
    }
    return 0;
}

/* What one invocation holds open. */
struct run_work {
    struct cli *cli;
    const struct run_args *args;
    const struct config_target *target;
    const char *scheduler;
    struct resources *resources;
    struct plan *plan;
};

static int make_plan(struct run_work *w, char **words, int count, struct repx_err *err)
{
    struct cli *cli = w->cli;
    struct plan_request request = {
        .lab = cli->lab,
        .target = w->target,
        .scheduler = w->scheduler,
        .specs = (const char *const *)words,
        .spec_count = (size_t)count,
        .package_digest = package_digest,
        .image_digest = digest_of_image,
        .ctx = cli->lab,
    };

    w->resources = resources_open(cli->resources_path, err);
    if (!w->resources)
        return -1;
    request.resources = w->resources;
    request.artifact_store = w->args->artifact_store;
    w->plan = plan_create(&request, err);
    return w->plan ? 0 : -1;
}

static int perform(struct run_work *w, char **words, int count, struct repx_err *err)
{
    struct pipeline_options options = {
        .specs = (const char *const *)words,
        .spec_count = (size_t)count,
        .keep_going = w->args->keep_going,
        .detach = w->args->detach,
        .wait = w->args->wait,
        .verify = w->args->verify,
        .rerun_stale = w->args->stale && strcmp(w->args->stale, "rerun") == 0,
    };
    struct run_report report = {.ui = &w->cli->ui,
                                .rerun_stale = options.rerun_stale,
                                .plan = w->plan,
                                .timing = !w->args->no_timing,
                                .json = w->args->json};

    if (fill_limits(w->args, w->target, w->scheduler, &options, err) < 0)
        return -1;
    report_begin(&report, w->target->name, w->scheduler);
    if (cli_target(w->cli, w->target->name, err) < 0)
        return -1;
    struct pipeline_listener listener = report_listener(&report);
    struct pipeline p = {.lab = w->cli->lab,
                         .plan = w->plan,
                         .target = w->cli->target,
                         .paths = w->cli->paths,
                         .options = &options,
                         .listener = &listener};
    int rc = pipeline_perform(&p, err);
    rc = report_end(&report, &p, rc, err);
    pipeline_finish(&p);
    report_finish(&report);
    return rc;
}

static int run_main(struct cli *cli, const void *args, char **words, int count,
                    struct repx_err *err)
{
    struct run_work w = {.cli = cli, .args = args};
    int rc;

    if (w.args->wait && w.args->detach)
        return repx_fail(err, REPX_E_USAGE, "--wait and --detach: one or the other");
    if (!count) {
        return repx_fail(err, REPX_E_USAGE,
                         "nothing named to run; give a run, @group or job "
                         "(`repx list` shows them)");
    }
    if (cli_config(cli, err) < 0)
        return -1;
    w.target = cli_target_config(
        cli, cli->config->submission_target ? cli->config->submission_target : "local",
        err);
    if (!w.target)
        return -1;
    w.scheduler = scheduler_name(cli, w.target);
    rc = check_scheduler(cli, w.scheduler, err);
    if (rc)
        return rc;
    if (check_store(w.args, w.target, err) < 0 ||
        plugins_check_keys(cli->paths, w.target, w.scheduler, err) < 0)
        return -1;
    if (!w.args->dry_run)
        cli_target_begin(cli, w.target);
    if (cli_lab(cli, err) < 0)
        return -1;
    rc = make_plan(&w, words, count, err);
    if (rc == 0 && !w.plan->count) {
        ui_say("Nothing to do: no jobs were chosen.");
    } else if (rc == 0 && w.args->dry_run) {
        report_plan(w.plan, w.args->json);
    } else if (rc == 0) {
        rc = perform(&w, words, count, err);
    }
    /* Names of the report lie in the Lab and the plan: close in this order. */
    plan_destroy(w.plan);
    resources_close(w.resources);
    return rc;
}

/* Of every run that is named the jobs that ended and did not succeed; what else is named
 * stands for itself. */
static int retry_words(struct cli *cli, struct run_args *args, char **words, int count,
                       struct retry_set *set, struct repx_err *err)
{
    for (int i = 0; i < count; i++) {
        int rc = names_run(cli, words[i], err);
        if (rc < 0)
            return -1;
        if (rc == 0) {
            retry_add(set, words[i]);
            continue;
        }
        const char *target = cli->config->submission_target;
        if (cli_target(cli, target ? target : "local", err) < 0)
            return -1;
        if (retry_ask(cli->target, words[i], set, err) < 0)
            return no_such_run(words[i], err);
    }
    args->keep_going |= set->keep_going;
    if (!cli->scheduler)
        cli->scheduler = set->scheduler;
    return 0;
}

static int retry_main(struct cli *cli, const void *args, char **words, int count,
                      struct repx_err *err)
{
    struct run_args own = *(const struct run_args *)args;
    struct retry_set set = {0};

    if (cli_config(cli, err) < 0)
        return -1;
    int rc = retry_words(cli, &own, words, count, &set, err);
    if (rc == 0 && set.count) {
        rc = run_main(cli, &own, set.names, (int)set.count, err);
    } else if (rc == 0) {
        ui_say("Nothing to retry: no job of it has failed%s.",
               set.going ? " so far" : "");
    }
    retry_free(&set);
    return rc;
}

const struct cmd cmd_retry = {
    .name = "retry",
    .usage = "RUN|JOB...",
    .summary = "run again what failed, was blocked, lost or cancelled",
    .options = run_options,
    .args_size = sizeof(struct run_args),
    .min_words = 1,
    .max_words = -1,
    .main = retry_main,
};

const struct cmd cmd_run = {
    .name = "run",
    .usage = "RUN|@GROUP|JOB...",
    .summary = "make a target run jobs and what they depend on",
    .options = run_options,
    .args_size = sizeof(struct run_args),
    .max_words = -1,
    .main = run_main,
};
