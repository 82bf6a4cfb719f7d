/* SPDX-License-Identifier: MIT */
/* trace-params: the parameters that went into a job, its producers' included. */
#include "cli.h"
#include "core/json/json.h"
#include "core/plan/params.h"
#include "core/plan/plan.h"

static int trace_params(struct cli *cli, const void *args, char **words, int count,
                        struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf raw = {0};
    REPX_AUTO_BUF struct repx_buf out = {0};
    size_t first = 0, last;

    (void)args;
    if (cli_lab(cli, err) < 0)
        return -1;
    last = cli->lab->job_count;
    if (count) {
        if (resolve_one(cli->lab, words[0], &first, err) < 0)
            return -1;
        last = first + 1;
    }
    repx_buf_char(&raw, '{');
    for (size_t i = first; i < last; i++) {
        repx_buf_str(&raw, i > first ? "," : "");
        json_put_string(&raw, cli->lab->jobs[i].id);
        repx_buf_char(&raw, ':');
        if (params_effective(&raw, cli->lab, i, err) < 0)
            return -1;
    }
    repx_buf_char(&raw, '}');
    struct json *v = json_parse(raw.data, raw.len, err);
    if (!v)
        return -1;
    json_put_value(&out, v, 2);
    json_free(v);
    ui_say("%s", repx_buf_text(&out));
    return 0;
}

const struct cmd cmd_trace_params = {
    .name = "trace-params",
    .usage = "[JOB]",
    .summary = "show the parameters of a job, those of its producers included",
    .max_words = 1,
    .main = trace_params,
};
