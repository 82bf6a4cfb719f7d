/* SPDX-License-Identifier: MIT */
/* pull: results and logs from a target to this machine, or one table of a run. */
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "cli.h"
#include "core/json/json.h"
#include "core/pipeline/pull.h"
#include "core/pipeline/table.h"
#include "core/plan/plan.h"
#include "table_file.h"

#define WARNINGS 20 /* of more of one kind a count says enough */

struct pull_args {
    const char *glob, *to, *table;
    int deps, force, json;
};

static const struct option pull_options[] = {
    {"to", 0, OPTION_TEXT, "DIR", offsetof(struct pull_args, to),
     "where they go, a directory for each job (default ./results)", 0},
    {"glob", 0, OPTION_TEXT, "PATTERN", offsetof(struct pull_args, glob),
     "only files whose path matches, such as '*.csv' or 'repx/*'", 0},
    {"deps", 0, OPTION_FLAG, NULL, offsetof(struct pull_args, deps),
     "also of the jobs they depend on", 0},
    {"force", 0, OPTION_FLAG, NULL, offsetof(struct pull_args, force),
     "replace files that were changed here", 0},
    {"table", 0, OPTION_TEXT, "FILE", offsetof(struct pull_args, table),
     "write a CSV of parameters and one-line outputs instead (- for stdout)", 0},
    {"json", 0, OPTION_FLAG, NULL, offsetof(struct pull_args, json),
     "one JSON object with the result on stdout", 0},
    {0},
};

static int choose(const struct lab *lab, char **words, int count,
                  const struct pull_args *a, struct job_set *set, struct repx_err *err)
{
    for (int i = 0; i < count; i++) {
        if (resolve_spec(lab, words[i], set, err) < 0)
            return -1;
    }
    for (size_t i = 0; !count && i < lab->run_count; i++)
        final_jobs(lab, &lab->runs[i], set);
    if (a->deps)
        closure(lab, set);
    return 0;
}

static void say_json(const struct pull_report *r, const char *dir, const char *error)
{
    static const char *const lists[] = {"kept", "broken", "refused"};
    REPX_AUTO_BUF struct repx_buf b = {0};

    repx_buf_str(&b, "{\"directory\":");
    json_put_string(&b, dir);
    repx_buf_fmt(&b,
                 ",\"jobs\":%zu,\"without_results\":%zu,\"files\":%zu,\"bytes\":%llu,"
                 "\"resumed_bytes\":%llu,\"current\":%zu",
                 r->jobs, r->without, r->files, (unsigned long long)r->bytes,
                 (unsigned long long)r->resumed, r->current);
    for (int what = PULL_KEPT; what <= PULL_REFUSED; what++) {
        const char *comma = "";
        repx_buf_fmt(&b, ",\"%s\":[", lists[what]);
        for (size_t i = 0; i < r->note_count; i++) {
            if (r->notes[i].what != what)
                continue;
            repx_buf_fmt(&b, "%s{\"path\":", comma);
            json_put_string(&b, r->notes[i].path);
            repx_buf_str(&b, ",\"reason\":");
            json_put_string(&b, r->notes[i].text);
            repx_buf_char(&b, '}');
            comma = ",";
        }
        repx_buf_char(&b, ']');
    }
    repx_buf_str(&b, ",\"error\":");
    if (error) {
        json_put_string(&b, error);
    } else {
        repx_buf_str(&b, "null");
    }
    repx_buf_char(&b, '}');
    ui_say("%s", repx_buf_text(&b));
}

static void say_report(const struct pull_report *r, const char *dir, const char *glob)
{
    char size[32];

    for (size_t i = 0; i < r->note_count && i < WARNINGS; i++)
        ui_warn("%s/%s: %s", dir, r->notes[i].path, r->notes[i].text);
    if (r->note_count > WARNINGS)
        ui_warn("and %zu more; --json lists all", r->note_count - WARNINGS);
    ui_say("Pulled %zu file%s (%s) of %zu job%s into %s; %zu were there already.",
           r->files, r->files == 1 ? "" : "s", ui_bytes(r->bytes, size, sizeof(size)),
           r->jobs - r->without, r->jobs - r->without == 1 ? "" : "s", dir, r->current);
    if (glob && !r->chosen && r->without < r->jobs)
        ui_warn("no result or log has a path that '%s' matches", glob);
    if (r->without) {
        ui_say("%zu job%s no results yet.", r->without,
               r->without == 1 ? " has" : "s have");
    }
}

/* 1 when something is missing here that the target should have given. */
static int is_lacking(const struct pull_report *r)
{
    for (size_t i = 0; i < r->note_count; i++) {
        if (r->notes[i].what != PULL_KEPT)
            return 1;
    }
    return 0;
}

static int pull_files(struct cli *cli, const struct pull_args *a,
                      const struct job_set *set, struct repx_err *err)
{
    REPX_AUTO_FREE const char **ids = repx_array(set->count + 1, sizeof(*ids));
    const char *dir = a->to ? a->to : "results";
    struct pull_report report;

    for (size_t i = 0; i < set->count; i++)
        ids[i] = cli->lab->jobs[set->jobs[i]].id;
    struct pull_request request = {ids, set->count, a->glob, dir, a->force, &cli->ui};
    int rc = pull_perform(cli->target, &request, &report, err);
    if (a->json) {
        say_json(&report, dir, rc < 0 ? err->text : NULL);
    } else if (rc == 0 || report.files) {
        say_report(&report, dir, a->glob);
    }
    if (rc == 0)
        rc = is_lacking(&report);
    pull_report_free(&report);
    return rc;
}

static int write_table(const struct pull_args *a, const struct repx_buf *csv,
                       struct repx_err *err)
{
    if (strcmp(a->table, "-") != 0)
        return table_file_write(a->table, csv, a->force, err);
    ui_flush();
    return repx_write_all(STDOUT_FILENO, csv->data, csv->len) < 0
               ? repx_fail_errno(err, "standard output")
               : 0;
}

static void say_table(const struct pull_args *a, size_t rows,
                      const struct table_result *r)
{
    for (size_t i = 0; i < r->broken_count && i < WARNINGS; i++)
        ui_warn("%s", r->broken[i]);
    if (r->broken_count > WARNINGS)
        ui_warn("and %zu more outputs", r->broken_count - WARNINGS);
    if (r->without) {
        ui_warn("%zu of %zu jobs %s no results yet: parameters only", r->without, rows,
                r->without == 1 ? "has" : "have");
    }
    if (strcmp(a->table, "-") != 0)
        ui_say("Wrote %zu row%s to %s.", rows, rows == 1 ? "" : "s", a->table);
}

static int pull_table(struct cli *cli, const struct pull_args *a,
                      const struct job_set *set, struct repx_err *err)
{
    struct table_result result;
    int rc = table_of_jobs(cli->target, cli->lab, set->jobs, set->count, &result, err);

    if (rc == 0)
        rc = write_table(a, &result.csv, err);
    if (rc == 0)
        say_table(a, set->count, &result);
    if (rc == 0)
        rc = result.broken_count > 0;
    table_result_free(&result);
    return rc;
}

static int pull_main(struct cli *cli, const void *args, char **words, int count,
                     struct repx_err *err)
{
    const struct pull_args *a = args;
    struct job_set set = {0};

    if (a->table && (a->glob || a->to || a->json)) {
        return repx_fail(err, REPX_E_USAGE,
                         "--table goes with none of --glob, --to, --json");
    }
    if ((a->to && !*a->to) || (a->table && !*a->table) || (a->glob && !*a->glob)) {
        return repx_fail(err, REPX_E_USAGE,
                         "--to, --table and --glob need a text that is not empty");
    }
    if (cli_lab(cli, err) < 0 || cli_config(cli, err) < 0)
        return -1;
    const char *fallback = cli->config->submission_target;
    int rc = choose(cli->lab, words, count, a, &set, err);
    if (rc == 0)
        rc = cli_target(cli, fallback ? fallback : "local", err);
    if (rc == 0)
        rc = a->table ? pull_table(cli, a, &set, err) : pull_files(cli, a, &set, err);
    job_set_free(&set);
    return rc;
}

const struct cmd cmd_pull = {
    .name = "pull",
    .usage = "[RUN|@GROUP|JOB...] [--to DIR] [--glob PATTERN] [--table FILE]",
    .summary = "bring results and logs from a target here",
    .options = pull_options,
    .args_size = sizeof(struct pull_args),
    .max_words = -1,
    .main = pull_main,
};
