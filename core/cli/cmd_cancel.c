/* SPDX-License-Identifier: MIT */
/* cancel: end what is queued or runs: jobs of the Lab, wherever they are worked on, or a run
 * of `status`. */

#include <kit/alloc.h>
#include <kit/printable.h>

#include "cli.h"
#include "core/json/json.h"
#include "core/pipeline/follow.h"
#include "core/plan/plan.h"
#include "core/target/exchange.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"
#include "retry.h"

struct cancel_args {
    int json;
};

static const struct option cancel_options[] = {
    {"json", 0, OPTION_FLAG, NULL, offsetof(struct cancel_args, json), "lines of JSON",
     0},
    {0},
};

/* What the target answered, over all questions. */
struct canceling {
    int json;
    int64_t ended, left;
    struct repx_buf problems;
};

static void note_problem(struct canceling *c, const struct json *run)
{
    const char *id = json_string(json_get(run, "run"));
    const char *error = json_string(json_get(run, "error"));
    REPX_AUTO_FREE char *why =
        repx_printable_line(error ? error : "asked to end, and has not ended yet");

    for (const struct json *j = json_first(json_get(run, "left_jobs")); j;
         j = json_next(j)) {
        repx_buf_fmt(&c->problems, "\n  %s (run %s): %.300s",
                     json_string(j) ? json_string(j) : "", id ? id : "", why);
    }
}

static int on_run(void *ctx, const char *line, size_t n, struct repx_err *err)
{
    struct canceling *c = ctx;
    struct json *run = json_parse(line, n, err);

    if (!run)
        return -1;
    int64_t ended = json_get_int(run, "ended", 0);
    int64_t left = json_get_int(run, "left", 0);
    const char *id = json_string(json_get(run, "run"));
    c->ended += ended;
    c->left += left;
    if (left)
        note_problem(c, run);
    if (c->json) {
        ui_say("%.*s", (int)n, line);
    } else if (ended) {
        ui_say("Run %s: %lld jobs ended%s", id ? id : "", (long long)ended,
               left ? "" : "; nothing is left running of what was named");
    }
    json_free(run);
    return 0;
}

static int cancel_run(struct cli *cli, struct canceling *c, const char *text,
                      struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};
    REPX_AUTO_BUF struct repx_buf nothing = {0};
    REPX_AUTO_BUF struct repx_buf data = {0};
    struct follow_lines lines = {.each = on_run, .ctx = c};

    msg_put_text(&msg, F_RUN, text);
    int rc = session_upload(target_session(cli->target), V_JOBS_CANCEL, &msg, &nothing,
                            &data, err);
    if (rc == 0)
        rc = follow_data(&lines, repx_buf_text(&data), data.len, err);
    follow_lines_free(&lines);
    return rc;
}

/* A run or group of the Lab means all of its jobs, as `run` would have started them; a job
 * means itself and what waits for it. */
static int add_word(const struct lab *lab, const char *word, struct repx_buf *ids,
                    struct repx_err *err)
{
    struct job_set set = {0};

    if (resolve_spec(lab, word, &set, err) < 0)
        return -1;
    if (word[0] == '@' || lab_run_find(lab, word))
        closure(lab, &set);
    for (size_t i = 0; i < set.count; i++)
        repx_buf_fmt(ids, "%s\n", lab->jobs[set.jobs[i]].id);
    job_set_free(&set);
    return 0;
}

static int cancel_jobs(struct cli *cli, struct canceling *c, const struct repx_buf *ids,
                       struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};
    REPX_AUTO_BUF struct repx_buf data = {0};
    struct follow_lines lines = {.each = on_run, .ctx = c};
    int rc = session_upload(target_session(cli->target), V_JOBS_CANCEL, &msg, ids,
                            &data, err);

    if (rc == 0)
        rc = follow_data(&lines, repx_buf_text(&data), data.len, err);
    follow_lines_free(&lines);
    return rc;
}

/* Every word is understood before anything is ended. */
static int cancel_words(struct cli *cli, struct canceling *c, char **words, int count,
                        struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf ids = {0};
    REPX_AUTO_FREE char *is_run = repx_alloc((size_t)count);

    for (int i = 0; i < count; i++) {
        int rc = names_run(cli, words[i], err);
        if (rc < 0 || (rc == 0 && add_word(cli->lab, words[i], &ids, err) < 0))
            return -1;
        is_run[i] = (char)rc;
    }
    const char *target = cli->config->submission_target;
    if (cli_target(cli, target ? target : "local", err) < 0)
        return -1;
    for (int i = 0; i < count; i++) {
        if (is_run[i] && cancel_run(cli, c, words[i], err) < 0)
            return no_such_run(words[i], err);
    }
    return ids.len ? cancel_jobs(cli, c, &ids, err) : 0;
}

static int cancel_main(struct cli *cli, const void *args, char **words, int count,
                       struct repx_err *err)
{
    const struct cancel_args *a = args;
    struct canceling c = {.json = a->json};

    if (cli_config(cli, err) < 0)
        return -1;
    int rc = cancel_words(cli, &c, words, count, err);
    if (rc == 0 && !c.ended && !c.left && !c.json)
        ui_say("Nothing to cancel: none of it is queued or running.");
    if (rc == 0 && c.left) {
        rc = repx_fail(err, REPX_E_FAILED,
                       "%lld jobs could not be ended; the same again is safe:%s",
                       (long long)c.left, repx_buf_text(&c.problems));
    }
    repx_buf_free(&c.problems);
    return rc;
}

const struct cmd cmd_cancel = {
    .name = "cancel",
    .usage = "JOB|RUN|@GROUP...",
    .summary = "end queued and running jobs, and what waits for them",
    .options = cancel_options,
    .args_size = sizeof(struct cancel_args),
    .min_words = 1,
    .max_words = -1,
    .main = cancel_main,
};
