/* SPDX-License-Identifier: MIT */
/* trace-params: the parameters that went into a job, its producers' included. */
#include <stdio.h>
#include <string.h>

#include <kit/alloc.h>

#include "cli.h"
#include "core/json/json.h"
#include "core/plan/plan.h"

/* One parameter: the raw text of its value. Later ones of the same key win. */
struct param {
    char *key;
    const char *value;
    size_t len;
};

struct params {
    struct param *items;
    size_t count;
};

static int set_param(void *ctx, const char *key, const char *value, size_t len,
                     struct repx_err *err)
{
    struct params *p = ctx;

    (void)err;
    for (size_t i = 0; i < p->count; i++) {
        if (strcmp(p->items[i].key, key) == 0) {
            p->items[i].value = value;
            p->items[i].len = len;
            return 0;
        }
    }
    p->items = repx_grow(p->items, p->count + 1, sizeof(*p->items));
    p->items[p->count++] = (struct param){repx_strdup(key), value, len};
    return 0;
}

/* Effective parameters: those of all producers in order of id, own ones last. `jobs` is a
 * closure, ascending by id; the job's own parameters override. */
static void put_effective(struct repx_buf *b, const struct lab *lab, size_t job,
                          struct repx_err *err)
{
    struct job_set set = {0};
    struct params p = {0};

    set.jobs = REPX_NEW(size_t);
    set.jobs[0] = job;
    set.count = 1;
    closure(lab, &set);
    for (size_t i = 0; i <= set.count; i++) {
        size_t at = i < set.count ? set.jobs[i] : job;
        const char *text = lab->jobs[at].params;
        if (*text == '{')
            (void)json_each_member(text, strlen(text), set_param, &p, err);
    }
    repx_buf_char(b, '{');
    for (size_t i = 0; i < p.count; i++) {
        repx_buf_str(b, i ? "," : "");
        json_put_string(b, p.items[i].key);
        repx_buf_char(b, ':');
        repx_buf_add(b, p.items[i].value, p.items[i].len);
        repx_free_ptr(&p.items[i].key);
    }
    repx_buf_char(b, '}');
    repx_free_ptr(&p.items);
    job_set_free(&set);
}

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
        put_effective(&raw, cli->lab, i, err);
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
