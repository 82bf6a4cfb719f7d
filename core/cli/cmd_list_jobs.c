/* SPDX-License-Identifier: MIT */
/* list jobs: by run, group or prefix, with filters and what the target knows of each. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "cli.h"
#include "core/json/json.h"
#include "core/pipeline/jobs.h"
#include "core/plan/plan.h"
#include "status_screen.h"

struct list_jobs_args {
    const char *stage;
    struct option_list status, params;
    int output_paths, by_stage, json;
};

static const struct option list_jobs_options[] = {
    {"stage", 's', OPTION_TEXT, "TEXT", offsetof(struct list_jobs_args, stage),
     "only jobs whose id holds TEXT", 0},
    {"status", 0, OPTION_LIST, "S", offsetof(struct list_jobs_args, status),
     "only jobs in that state: succeeded failed pending running queued blocked "
     "purged",
     0},
    {"output-paths", 0, OPTION_FLAG, NULL,
     offsetof(struct list_jobs_args, output_paths),
     "show the output directory on the target", 0},
    {"param", 'p', OPTION_LIST, "KEY", offsetof(struct list_jobs_args, params),
     "show a parameter; dots descend (repeatable)", 0},
    {"group-by-stage", 'g', OPTION_FLAG, NULL,
     offsetof(struct list_jobs_args, by_stage), "one heading for each stage", 0},
    {"json", 0, OPTION_FLAG, NULL, offsetof(struct list_jobs_args, json), "as JSON", 0},
    {0},
};

/* What one listing works with. */
struct listing {
    struct cli *cli;
    const struct list_jobs_args *args;
    struct job_status *status; /* per lab job, or NULL when nobody asked the target */
    size_t shown;
    struct repx_buf json;
};

static int status_matches(const struct list_jobs_args *args,
                          const struct job_status *status)
{
    if (!args->status.count)
        return 1;
    for (size_t i = 0; i < args->status.count; i++) {
        const char *want = args->status.items[i];
        if (strcmp(want, job_status_word(status)) == 0 ||
            (status->status == JOB_UNKNOWN && strcmp(want, "pending") == 0))
            return 1;
    }
    return 0;
}

static int check_status_words(const struct list_jobs_args *args, struct repx_err *err)
{
    static const char *const known[] = {"succeeded", "failed",  "pending", "running",
                                        "queued",    "blocked", "purged"};

    for (size_t i = 0; i < args->status.count; i++) {
        int good = 0;
        for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
            good |= strcmp(args->status.items[i], known[k]) == 0;
        if (!good) {
            return repx_fail(err, REPX_E_USAGE,
                             "--status: `%s` is none of succeeded, failed, pending, "
                             "running, queued, blocked, purged",
                             args->status.items[i]);
        }
    }
    return 0;
}

/* The stage of a job id: without the hash in front and a version behind. */
static char *stage_of(const char *id)
{
    const char *start = strchr(id, '-');
    start = start ? start + 1 : id;
    const char *last = strrchr(start, '-');
    size_t n = strlen(start);

    if (last && last[1] && strspn(last + 1, "0123456789.") == strlen(last + 1))
        n = (size_t)(last - start);
    return repx_strndup(start, n);
}

static void put_param(struct repx_buf *b, const struct json *params, const char *key)
{
    const struct json *v = params;
    REPX_AUTO_FREE char *copy = repx_strdup(key);
    char *rest = copy;

    for (char *part = strtok_r(copy, ".", &rest); part;
         part = strtok_r(NULL, ".", &rest))
        v = json_get(v, part);
    repx_buf_fmt(b, "  %s=", key);
    if (!v || json_type(v) == JSON_NULL) {
        repx_buf_char(b, '-');
    } else if (json_type(v) == JSON_STRING) {
        const char *s = json_string(v);
        const char *slash = strncmp(s, "/nix/store/", 11) == 0 ? strrchr(s, '/') : NULL;
        repx_buf_str(b, slash ? slash + 1 : s);
    } else if (json_type(v) == JSON_ARRAY || json_type(v) == JSON_OBJECT) {
        size_t n = 0;
        for (const struct json *e = json_first(v); e; e = json_next(e))
            n++;
        repx_buf_fmt(b, json_type(v) == JSON_ARRAY ? "[%zu]" : "{%zu}", n);
    } else {
        json_put_value(b, v, 0);
    }
}

static void put_job_json(struct listing *l, const struct lab_run *run, size_t index)
{
    const struct lab_job *job = &l->cli->lab->jobs[index];
    struct repx_buf *b = &l->json;

    repx_buf_str(b, l->shown ? ",\n {\"id\":" : " {\"id\":");
    json_put_string(b, job->id);
    repx_buf_str(b, ",\"run\":");
    json_put_string(b, run->name);
    repx_buf_str(b, ",\"params\":");
    repx_buf_str(b, job->params);
    if (l->status) {
        const struct job_status *s = &l->status[index];
        repx_buf_fmt(b, ",\"status\":\"%s\",\"stale\":%s", job_status_word(s),
                     s->stale ? "true" : "false");
        repx_buf_str(b, ",\"reason\":");
        json_put_string(b, s->reason ? s->reason : "");
    }
    repx_buf_char(b, '}');
}

static void put_job_line(struct listing *l, const char *indent, size_t index)
{
    const struct lab_job *job = &l->cli->lab->jobs[index];
    const struct list_jobs_args *a = l->args;
    REPX_AUTO_BUF struct repx_buf b = {0};

    repx_buf_fmt(&b, "%s%s", indent, job->id);
    if (a->status.count) {
        const struct job_status *s = &l->status[index];
        const char *means =
            s->reason && s->status == JOB_QUEUED ? status_waiting(s->reason) : NULL;
        repx_buf_fmt(&b, "  [%s%s%s", job_status_word(s), s->reason ? ": " : "",
                     means       ? means
                     : s->reason ? s->reason
                                 : "");
        repx_buf_fmt(&b, means ? " (%s)]" : "]", s->reason);
    }
    if (a->params.count) {
        struct json *params = json_parse(job->params, strlen(job->params), NULL);
        for (size_t i = 0; i < a->params.count; i++)
            put_param(&b, params, a->params.items[i]);
        json_free(params);
    }
    if (a->output_paths) {
        if (l->status[index].has_output) {
            repx_buf_fmt(&b, "  %s/outputs/%s/out", target_base(l->cli->target),
                         job->id);
        } else {
            repx_buf_str(&b, "  (not executed)");
        }
    }
    ui_say("%s", repx_buf_text(&b));
}

static int wanted(const struct listing *l, size_t index)
{
    const struct lab_job *job = &l->cli->lab->jobs[index];

    if (l->args->stage && !strstr(job->id, l->args->stage))
        return 0;
    return !l->status || status_matches(l->args, &l->status[index]);
}

static int by_stage_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_stage(struct listing *l, const struct lab_run *run, const char *stage)
{
    ui_say("  [%s]", stage);
    for (size_t i = 0; i < run->job_count; i++) {
        REPX_AUTO_FREE char *own = stage_of(l->cli->lab->jobs[run->jobs[i]].id);
        if (!wanted(l, run->jobs[i]) || strcmp(own, stage) != 0)
            continue;
        put_job_line(l, "    ", run->jobs[i]);
        l->shown++;
    }
}

static void list_grouped(struct listing *l, const struct lab_run *run)
{
    char **stages = repx_array(run->job_count, sizeof(*stages));
    size_t n = 0;

    for (size_t i = 0; i < run->job_count; i++) {
        if (wanted(l, run->jobs[i]))
            stages[n++] = stage_of(l->cli->lab->jobs[run->jobs[i]].id);
    }
    qsort(stages, n, sizeof(*stages), by_stage_name);
    for (size_t s = 0; s < n; s++) {
        if (!s || strcmp(stages[s], stages[s - 1]) != 0)
            list_stage(l, run, stages[s]);
    }
    for (size_t s = 0; s < n; s++)
        free(stages[s]);
    free(stages);
}

static void list_run(struct listing *l, const struct lab_run *run, const char *group)
{
    if (!l->args->json) {
        ui_say(group ? "Jobs in run '%s' (group @%s):" : "Jobs in run '%s':", run->name,
               group);
    }
    if (l->args->by_stage && !l->args->json) {
        list_grouped(l, run);
        return;
    }
    for (size_t i = 0; i < run->job_count; i++) {
        if (!wanted(l, run->jobs[i]))
            continue;
        if (l->args->json) {
            put_job_json(l, run, run->jobs[i]);
        } else {
            put_job_line(l, "  ", run->jobs[i]);
        }
        l->shown++;
    }
}

static int list_group(struct listing *l, const char *name, struct repx_err *err)
{
    const struct lab *lab = l->cli->lab;

    for (size_t g = 0; g < lab->group_count; g++) {
        if (strcmp(lab->groups[g].name, name) != 0)
            continue;
        for (size_t r = 0; r < lab->groups[g].run_count; r++) {
            const struct lab_run *run = lab_run_find(lab, lab->groups[g].runs[r]);
            if (r && !l->args->json)
                ui_say("%s", "");
            if (run)
                list_run(l, run, name);
        }
        return 0;
    }
    return repx_fail(err, REPX_E_NOENT,
                     "unknown group '@%s'; `repx list groups` shows them", name);
}

/* The runs whose name starts with `name`: the one of them, or NULL and their number. */
static const struct lab_run *run_by_prefix(const struct lab *lab, const char *name,
                                           size_t *matches, struct repx_buf *names)
{
    const struct lab_run *found = lab_run_find(lab, name);
    size_t len = strlen(name);

    *matches = found ? 1 : 0;
    if (found)
        return found;
    for (size_t i = 0; i < lab->run_count; i++) {
        if (strncmp(lab->runs[i].name, name, len) != 0)
            continue;
        found = &lab->runs[i];
        ++*matches;
        repx_buf_fmt(names, "\n  - %s", found->name);
    }
    return *matches == 1 ? found : NULL;
}

static int list_by_job(struct listing *l, const char *name, struct repx_err *err)
{
    const struct lab *lab = l->cli->lab;
    const struct lab_run *only = NULL;
    size_t runs = 0, len = strlen(name);

    for (size_t r = 0; r < lab->run_count; r++) {
        int holds = 0;
        for (size_t i = 0; i < lab->runs[r].job_count && !holds; i++)
            holds = strncmp(lab->jobs[lab->runs[r].jobs[i]].id, name, len) == 0;
        if (!holds)
            continue;
        if (!runs++ && !l->args->json)
            ui_say("Job '%s' found in the following runs:", name);
        if (!l->args->json)
            ui_say("  %s", lab->runs[r].name);
        only = &lab->runs[r];
    }
    if (!runs) {
        return repx_fail(
            err, REPX_E_NOENT,
            "'%s' did not match any known run or job; `repx list` shows the "
            "runs",
            name);
    }
    if (runs == 1) {
        if (!l->args->json)
            ui_say("%s", "");
        list_run(l, only, NULL);
    }
    return 0;
}

static int list_named(struct listing *l, const char *name, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf names = {0};
    size_t matches;

    if (strcmp(name, "missing") == 0 || strcmp(name, "pending") == 0) {
        return repx_fail(err, REPX_E_USAGE,
                         "'%s' is a reserved name; use --status to filter", name);
    }
    if (name[0] == '@')
        return list_group(l, name + 1, err);
    const struct lab_run *run = run_by_prefix(l->cli->lab, name, &matches, &names);
    if (matches > 1) {
        return repx_fail(err, REPX_E_USAGE,
                         "Ambiguous input '%s' matches several runs:%s", name,
                         repx_buf_text(&names));
    }
    if (!run)
        return list_by_job(l, name, err);
    list_run(l, run, NULL);
    return 0;
}

static int list_all(struct listing *l, const char *name, struct repx_err *err)
{
    const struct lab *lab = l->cli->lab;

    if (name)
        return list_named(l, name, err);
    for (size_t i = 0; i < lab->run_count; i++) {
        if (i && !l->args->json)
            ui_say("%s", "");
        list_run(l, &lab->runs[i], NULL);
    }
    return 0;
}

static int listing_run(struct cli *cli, const struct list_jobs_args *args,
                       const char *name, struct repx_err *err)
{
    struct listing l = {.cli = cli, .args = args};
    int filtered = args->stage || args->status.count;
    int rc = -1;

    if (check_status_words(args, err) < 0) {
        ui_error(err->text);
        return 2;
    }
    if (cli_lab(cli, err) < 0)
        return -1;
    if (args->status.count || args->output_paths) {
        if (cli_target(cli, "local", err) < 0)
            return -1;
        l.status = jobs_status(cli->target, cli->lab, cli->scheduler, err);
        if (!l.status)
            return -1;
        if (args->status.count && !args->json)
            ui_say("Status on target '%s':", target_config(cli->target)->name);
    }
    rc = list_all(&l, name, err);
    if (rc == 0 && args->json) {
        ui_say("[\n%s\n]", repx_buf_text(&l.json));
    } else if (rc == 0 && filtered && !l.shown) {
        ui_say("  (no jobs matching the filters)");
    }
    repx_buf_free(&l.json);
    jobs_status_free(l.status, cli->lab);
    return rc;
}

int list_jobs_plain(struct cli *cli, const char *name, int json, struct repx_err *err)
{
    struct list_jobs_args args = {.json = json};

    return listing_run(cli, &args, name, err);
}

static int list_jobs(struct cli *cli, const void *args, char **words, int count,
                     struct repx_err *err)
{
    return listing_run(cli, args, count ? words[0] : NULL, err);
}

const struct cmd cmd_list_jobs = {
    .name = "jobs",
    .usage = "[RUN|@GROUP|JOB]",
    .summary = "list jobs, with filters and what the target knows of them",
    .options = list_jobs_options,
    .args_size = sizeof(struct list_jobs_args),
    .max_words = 1,
    .main = list_jobs,
};
