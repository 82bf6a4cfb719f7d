/* SPDX-License-Identifier: MIT */
/* log: the end of a job's output, followed if asked. */
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "cli.h"
#include "core/plan/plan.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

struct log_args {
    struct option_int lines;
    int errors, follow;
};

static const struct option log_options[] = {
    {"lines", 'n', OPTION_INT, "LINES", offsetof(struct log_args, lines),
     "show the last LINES lines (default 50)", 0},
    {"stderr", 0, OPTION_FLAG, NULL, offsetof(struct log_args, errors),
     "standard error instead of standard output", 0},
    {"follow", 'f', OPTION_FLAG, NULL, offsetof(struct log_args, follow),
     "go on as the job writes, until Ctrl-C", 0},
    {0},
};

static int to_stdout(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    (void)ctx;
    if (repx_write_all(STDOUT_FILENO, bytes, n) < 0)
        return repx_fail_errno(err, "standard output");
    return 0;
}

static int log_main(struct cli *cli, const void *args, char **words, int count,
                    struct repx_err *err)
{
    const struct log_args *a = args;
    REPX_AUTO_BUF struct repx_buf msg = {0};
    size_t job;

    (void)count;
    if (cli_lab(cli, err) < 0 || resolve_one(cli->lab, words[0], &job, err) < 0 ||
        cli_config(cli, err) < 0)
        return -1;
    const char *target = cli->config->submission_target;
    if (cli_target(cli, target ? target : "local", err) < 0)
        return -1;
    REPX_AUTO_FREE char *name = repx_format("%s/repx/%s", cli->lab->jobs[job].id,
                                            a->errors ? "stderr.log" : "stdout.log");
    msg_put_text(&msg, F_NAME, name);
    msg_put_number(&msg, F_LIMIT, a->lines.given ? a->lines.value : 50);
    msg_put_number(&msg, F_OPTIONS, a->follow ? 1 : 0);
    struct session_call *c = session_call(target_session(cli->target), V_TAIL, msg.data,
                                          msg.len, to_stdout, NULL);
    int rc = session_finish(c, NULL, err);
    if (rc < 0 && err->code == REPX_E_NOENT)
        return 0; /* nothing was written yet */
    if (rc < 0 && err->code == REPX_E_CANCELED && a->follow)
        return 0;
    return rc;
}

const struct cmd cmd_log = {
    .name = "log",
    .usage = "JOB [-n LINES] [--stderr] [-f]",
    .summary = "show the end of a job's log",
    .options = log_options,
    .args_size = sizeof(struct log_args),
    .min_words = 1,
    .max_words = 1,
    .main = log_main,
};
