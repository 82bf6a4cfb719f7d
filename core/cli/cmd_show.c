/* SPDX-License-Identifier: MIT */
/* show: one job, or what lies in its output directory; asks the target. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "cli.h"
#include "core/json/json.h"
#include "core/pipeline/jobs.h"
#include "core/plan/plan.h"
#include "core/wire/msg.h"
#include "status_screen.h"

struct show_args {
    int json;
};

static const struct option show_options[] = {
    {"json", 0, OPTION_FLAG, NULL, offsetof(struct show_args, json), "as JSON", 0},
    {0},
};

static const char *default_target(struct cli *cli)
{
    return cli->config->submission_target ? cli->config->submission_target : "local";
}

static const char *status_word(const struct job_status *s)
{
    static const char *const words[] = {
        "PENDING (not run yet)", "SUCCESS", "FAILED", "QUEUED", "RUNNING", "BLOCKED"};

    return s->purged ? "PURGED (its outputs are not what they were)" : words[s->status];
}

static const char *const type_words[] = {"simple", "scatter-gather", "worker",
                                         "gather"};

static void say_hints(const char *who, const struct lab_hints *h)
{
    if (!h)
        return;
    if (who)
        ui_say("  %s:", who);
    if (h->cpus >= 0)
        ui_say("    cpus: %lld", (long long)h->cpus);
    if (h->mem)
        ui_say("    mem: %s", h->mem);
    if (h->time)
        ui_say("    time: %s", h->time);
    if (h->partition)
        ui_say("    partition: %s", h->partition);
    for (size_t i = 0; i < h->sbatch_opt_count; i++)
        ui_say("    sbatch option: %s", h->sbatch_opts[i]);
}

static void say_params(const struct lab_job *job)
{
    struct json *params = json_parse(job->params, strlen(job->params), NULL);

    ui_say("\nParameters:");
    if (!json_first(params))
        ui_say("  (none)");
    for (const struct json *v = json_first(params); v; v = json_next(v)) {
        REPX_AUTO_BUF struct repx_buf b = {0};
        json_put_value(&b, v, 0);
        ui_say("  %s: %s", json_key(v) ? json_key(v) : "", repx_buf_text(&b));
    }
    json_free(params);
}

static void say_graph(const struct lab *lab, const struct lab_job *job)
{
    ui_say("\nInputs:");
    if (!job->dep_count)
        ui_say("  (none)");
    for (size_t i = 0; i < job->dep_count; i++)
        ui_say("  %s", lab->jobs[job->deps[i]].id);
    ui_say("\nOutputs:");
    for (size_t e = 0; e < job->exe_count; e++) {
        const struct lab_exe *x = &job->exes[e];
        if (strcmp(x->name, "main") != 0 && strcmp(x->name, "gather") != 0)
            continue;
        for (size_t o = 0; o < x->output_count; o++) {
            ui_say("  %s: %s", x->outputs[o].name,
                   x->outputs[o].value ? x->outputs[o].value : "(not a path)");
        }
    }
}

static void say_resources(const struct lab_job *job)
{
    int heading = 0;

    if (job->hints) {
        ui_say("\nResource Hints:");
        say_hints(NULL, job->hints);
    }
    for (size_t e = 0; e < job->exe_count; e++) {
        if (!job->exes[e].hints || strcmp(job->exes[e].name, "main") == 0)
            continue;
        if (!heading++)
            ui_say("\nSub-stage Resource Hints:");
        say_hints(job->exes[e].name, job->exes[e].hints);
    }
}

static void say_size(const char *path, uint64_t length)
{
    char size[32];

    if (length < 1024) {
        (void)snprintf(size, sizeof(size), "%llu", (unsigned long long)length);
    } else if (length < 1048576) {
        (void)snprintf(size, sizeof(size), "%.1fK", (double)length / 1024);
    } else if (length < 1024ull * 1024 * 1024) {
        (void)snprintf(size, sizeof(size), "%.1fM", (double)length / (1024 * 1024));
    } else {
        (void)snprintf(size, sizeof(size), "%.1fG",
                       (double)length / (1024.0 * 1024 * 1024));
    }
    ui_say("  %8s  %s", size, path);
}

/* Files of outputs/<id>/<part>; a missing directory lists nothing. */
static int say_files(struct target *target, const char *heading, const char *id,
                     const char *part, struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("%s/%s", id, part);
    struct job_files files = {0};
    int rc = job_files_list(target, path, &files, err);

    if (rc < 0 && err->code != REPX_E_NOENT)
        return -1;
    if (heading)
        ui_say("\n%s:", heading);
    for (size_t i = 0; i < files.count; i++) {
        if (files.items[i].kind == REPX_ENTRY_FILE)
            say_size(files.items[i].path, files.items[i].length);
    }
    if (rc == 0 && !files.count)
        ui_say("  (empty)");
    if (rc < 0)
        ui_say("  (none)");
    job_files_free(&files);
    return 0;
}

static int open_both(struct cli *cli, const char *spec, size_t *job,
                     struct repx_err *err)
{
    if (cli_lab(cli, err) < 0 || resolve_one(cli->lab, spec, job, err) < 0 ||
        cli_config(cli, err) < 0)
        return -1;
    return cli_target(cli, default_target(cli), err);
}

static void say_json(struct cli *cli, const struct lab_job *job,
                     const struct lab_run *run, const struct job_status *s)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    REPX_AUTO_FREE char *dir =
        repx_format("%s/outputs/%s", target_base(cli->target), job->id);

    repx_buf_str(&b, "{\"id\":");
    json_put_string(&b, job->id);
    repx_buf_str(&b, ",\"run\":");
    json_put_string(&b, run ? run->name : "");
    repx_buf_fmt(&b, ",\"type\":\"%s\",\"status\":\"%s\",\"stale\":%s,\"reason\":",
                 type_words[job->type], job_status_word(s),
                 s->stale ? "true" : "false");
    json_put_string(&b, s->reason ? s->reason : "");
    repx_buf_fmt(&b, ",\"params\":%s,\"inputs\":[", job->params);
    for (size_t i = 0; i < job->dep_count; i++) {
        repx_buf_str(&b, i ? "," : "");
        json_put_string(&b, cli->lab->jobs[job->deps[i]].id);
    }
    repx_buf_str(&b, "],\"directory\":");
    json_put_string(&b, dir);
    repx_buf_str(&b, "}");
    ui_say("%s", repx_buf_text(&b));
}

static void say_status(const struct job_status *s)
{
    const char *means =
        s->reason && s->status == JOB_QUEUED ? status_waiting(s->reason) : NULL;
    REPX_AUTO_FREE char *why = means       ? repx_format(" - %s (%s)", means, s->reason)
                               : s->reason ? repx_format(" - %s", s->reason)
                                           : repx_strdup("");

    ui_say("Status: %s%s%s", status_word(s), why,
           s->stale ? " (made by another version of the job)" : "");
}

static int say_places(struct cli *cli, const char *id, const struct job_status *s,
                      struct repx_err *err)
{
    const char *base = target_base(cli->target);
    const char *yet = s->has_output ? "" : " (expected)";

    ui_say("\nPaths:");
    ui_say("  output: %s/outputs/%s/out%s", base, id, yet);
    ui_say("  logs: %s/outputs/%s/repx%s", base, id, yet);
    if (say_files(cli->target, "Log Files", id, "repx", err) < 0)
        return -1;
    return say_files(cli->target, "Output Files", id, "out", err);
}

static int show_job(struct cli *cli, const void *args, char **words, int count,
                    struct repx_err *err)
{
    const struct show_args *a = args;
    size_t index;
    int rc = 0;

    (void)count;
    if (open_both(cli, words[0], &index, err) < 0)
        return -1;
    struct job_status *all = jobs_status(cli->target, cli->lab, cli->scheduler, err);
    if (!all)
        return -1;
    const struct lab_job *job = &cli->lab->jobs[index];
    const struct lab_run *run = job_run(cli->lab, index);

    if (a->json) {
        say_json(cli, job, run, &all[index]);
    } else {
        ui_say("Job: %s", job->id);
        ui_say("Name: %s", job->name ? job->name : "-");
        ui_say("Run: %s", run ? run->name : "-");
        say_status(&all[index]);
        ui_say("Stage Type: %s", type_words[job->type]);
        say_params(job);
        say_resources(job);
        say_graph(cli->lab, job);
        rc = say_places(cli, job->id, &all[index], err);
    }
    jobs_status_free(all, cli->lab);
    return rc;
}

static int to_stdout(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    (void)ctx;
    ui_flush();
    if (repx_write_all(STDOUT_FILENO, bytes, n) < 0)
        return repx_fail_errno(err, "standard output");
    return 0;
}

static int show_file(struct cli *cli, const char *id, const char *path,
                     struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};
    REPX_AUTO_FREE char *part = repx_format("out/%s", path);
    REPX_AUTO_FREE char *name = repx_format("%s/%s", id, part);
    struct job_files files = {0};

    if (!repx_path_is_inside(path)) {
        return repx_fail(
            err, REPX_E_USAGE,
            "'%s' leads out of the output directory; give a path inside it", path);
    }
    if (job_files_list(cli->target, name, &files, NULL) == 0) {
        job_files_free(&files);
        return say_files(cli->target, NULL, id, part, err);
    }
    msg_put_text(&msg, F_NAME, name);
    struct session_call *c = session_call(target_session(cli->target), V_READ, msg.data,
                                          msg.len, to_stdout, NULL);
    if (session_finish(c, NULL, err) == 0)
        return 0;
    if (err->code != REPX_E_NOENT)
        return -1;
    if (job_files_list(cli->target, id, &files, NULL) < 0) {
        return repx_fail(err, REPX_E_NOENT,
                         "Output not ready: job %s has not run on '%s'", id,
                         target_config(cli->target)->name);
    }
    ui_note("Available files:");
    for (size_t i = 0; i < files.count; i++) {
        if (files.items[i].kind == REPX_ENTRY_FILE &&
            strncmp(files.items[i].path, "out/", 4) == 0)
            ui_note("  %s", files.items[i].path + 4);
    }
    job_files_free(&files);
    return repx_fail(err, REPX_E_NOENT, "job %s has no output file '%s'", id, path);
}

static int show_output(struct cli *cli, const void *args, char **words, int count,
                       struct repx_err *err)
{
    struct job_files files = {0};
    size_t index;

    (void)args;
    if (open_both(cli, words[0], &index, err) < 0)
        return -1;
    const char *id = cli->lab->jobs[index].id;
    if (count > 1)
        return show_file(cli, id, words[1], err);
    REPX_AUTO_FREE char *out = repx_format("%s/out", id);
    if (job_files_list(cli->target, out, &files, err) < 0) {
        if (err->code == REPX_E_NOENT) {
            (void)repx_fail(err, REPX_E_NOENT,
                            "Output not ready: job %s has not run on '%s'", id,
                            target_config(cli->target)->name);
        }
        return -1;
    }
    job_files_free(&files);
    ui_say("Output directory: %s/outputs/%s/out", target_base(cli->target), id);
    return say_files(cli->target, NULL, id, "out", err);
}

static const struct cmd cmd_show_job = {
    .name = "job",
    .usage = "JOB [--json]",
    .summary = "show a job: state, parameters, inputs, outputs, files",
    .options = show_options,
    .args_size = sizeof(struct show_args),
    .min_words = 1,
    .max_words = 1,
    .main = show_job,
};

static const struct cmd cmd_show_output = {
    .name = "output",
    .usage = "JOB [PATH]",
    .summary = "list a job's output directory, or print a file of it",
    .min_words = 1,
    .max_words = 2,
    .main = show_output,
};

static const struct cmd *const show_subs[] = {&cmd_show_job, &cmd_show_output, NULL};

const struct cmd cmd_show = {
    .name = "show",
    .usage = "job|output JOB",
    .summary = "show a job or its output, as the target has it",
    .subs = show_subs,
};
