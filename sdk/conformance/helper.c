/* SPDX-License-Identifier: MIT */
#include "helper.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <kit/alloc.h>
#include <kit/helper_run.h>

/* As a run record carries them. */
static void put_config(struct helper *h)
{
    const struct config_table *t = h->c->table;
    const char *before = "{";

    for (size_t i = 0; t && i < t->count; i++) {
        const struct config_value *v = &t->values[i];
        repx_buf_str(&h->config, before);
        json_put_string(&h->config, v->key);
        repx_buf_str(&h->config, v->is_array ? ":[" : ":");
        for (size_t k = 0; k < v->count; k++) {
            repx_buf_str(&h->config, k ? "," : "");
            json_put_string(&h->config, v->texts[k]);
        }
        repx_buf_str(&h->config, v->is_array ? "]" : "");
        before = ",";
    }
    repx_buf_str(&h->config, *before == '{' ? "{}" : "}");
}

int helper_open(struct helper *h, struct conform *c, struct repx_err *err)
{
    struct utsname machine;

    *h = (struct helper){.c = c};
    (void)uname(&machine);
    h->program = plugin_helper(&c->plugin->info, machine.machine, err);
    h->workdir = repx_format("%s/queue", c->dir);
    put_config(h);
    return h->program ? 0 : -1;
}

static void forget(struct helper *h)
{
    for (size_t i = 0; i < h->count; i++)
        json_free(h->lines[i]);
    free(h->lines);
    h->lines = NULL;
    h->count = 0;
}

void helper_close(struct helper *h)
{
    forget(h);
    free(h->program);
    free(h->workdir);
    repx_buf_free(&h->config);
}

static void take_lines(struct helper *h, const char *text, size_t n)
{
    h->is_clean = n == 0 || text[n - 1] == '\n';
    while (n) {
        const char *end = memchr(text, '\n', n);
        size_t len = end ? (size_t)(end - text) : n;
        struct json *line = json_parse(text, len, NULL);
        if (json_type(line) != JSON_OBJECT || json_get_int(line, "v", 0) != 1 ||
            (h->count && json_get(h->lines[h->count - 1], "error")))
            h->is_clean = 0;
        h->lines = repx_grow(h->lines, h->count + 1, sizeof(struct json *));
        h->lines[h->count++] = line;
        len += end != NULL;
        text += len;
        n -= len;
    }
}

int helper_raw(struct helper *h, const char *verb, const char *input, size_t n,
               int seconds)
{
    const char *const argv[] = {h->program, verb, h->workdir, NULL};
    struct repx_run_output output = {0};
    struct repx_run run = {.size = sizeof(run),
                           .argv = argv,
                           .input = input,
                           .input_len = n,
                           .deadline_ms = repx_now_ms() + (int64_t)seconds * 1000};
    int64_t t = repx_now_ms();

    forget(h);
    h->status = repx_run_command(&run, &output, NULL) < 0 ? -1 : (int)run.status;
    h->ms = repx_now_ms() - t;
    take_lines(h, repx_buf_text(&output.out), output.out.len);
    repx_run_output_free(&output);
    return h->status;
}

int helper_call(struct helper *h, const char *verb, const char *members, int seconds)
{
    REPX_AUTO_BUF struct repx_buf b = {0};

    repx_buf_fmt(&b, "{\"v\":1,\"timeout_ms\":%d,\"config\":%s%s%s}", seconds * 1000,
                 repx_buf_text(&h->config), *members ? "," : "", members);
    return helper_raw(h, verb, b.data, b.len, seconds + 5);
}

const char *helper_text(const struct helper *h, size_t i, const char *key)
{
    return i < h->count ? json_get_string(h->lines[i], key, "") : "";
}

int64_t helper_number(const struct helper *h, size_t i, const char *key, int64_t absent)
{
    return i < h->count ? json_get_int(h->lines[i], key, absent) : absent;
}

int64_t helper_error(const struct helper *h)
{
    const struct json *e = h->count ? json_get(h->lines[h->count - 1], "error") : NULL;

    return e ? json_get_int(e, "code", 0) : 0;
}
