/* SPDX-License-Identifier: MIT */
#include "helper_host.h"

#include <stdio.h>
#include <string.h>

#include "err.h"
#include "value.h"

static void host_log(void *ctx, uint32_t level, const char *text)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    const struct repx_helper_host *h = ctx;

    (void)fprintf(stderr, "sched-%s: %s: %s\n", h->plugin->name,
                  names[level < 4 ? level : 3], text);
}

static void host_progress(void *ctx, const char *unit, uint64_t done, uint64_t total)
{
    (void)ctx, (void)unit, (void)done, (void)total;
}

static int32_t host_canceled(void *ctx)
{
    (void)ctx;
    return 0; /* a call that is no longer wanted is ended by a signal */
}

static int32_t host_cancel_fd(void *ctx)
{
    (void)ctx;
    return -1;
}

static int64_t host_now_ms(void *ctx)
{
    (void)ctx;
    return repx_now_ms();
}

/* What the plugin says of a key, or NULL. */
static const struct repx_field *field_of(const struct repx_helper_host *h,
                                         const char *key)
{
    const struct repx_plugin *p = h->plugin;

    for (uint64_t i = 0; i < p->field_count; i++) {
        if (strcmp(p->fields[i].name, key) == 0)
            return p->fields + i;
    }
    return NULL;
}

static const char *host_config_text(void *ctx, const char *key, uint64_t index)
{
    struct repx_helper_host *h = ctx;
    const json_t *v = json_object_get(h->config, key);
    const struct repx_field *f = field_of(h, key);

    if (!v && f && index == 0)
        return f->initial;
    if (json_is_array(v)) {
        v = json_array_get(v, index);
    } else if (index > 0) {
        return NULL;
    }
    if (json_is_integer(v)) {
        h->text.len = 0;
        repx_buf_fmt(&h->text, "%lld", (long long)json_integer_value(v));
        return repx_buf_text(&h->text);
    }
    if (json_is_boolean(v))
        return json_is_true(v) ? "true" : "false";
    return json_string_value(v);
}

static int32_t host_config_number(void *ctx, const char *key, int64_t *value)
{
    const struct repx_helper_host *h = ctx;
    const json_t *v = json_object_get(h->config, key);
    const struct repx_field *f = field_of(h, key);
    const char *text = json_string_value(v);

    if (!v && f)
        text = f->initial;
    if (json_is_boolean(v)) {
        *value = json_is_true(v);
    } else if (json_is_integer(v)) {
        *value = json_integer_value(v);
    } else {
        return f && text ? repx_value_number(f->type, text, value) : 0;
    }
    return 1;
}

static int32_t host_secret(void *ctx, const char *prompt, char *answer, uint64_t len,
                           struct repx_err *err)
{
    (void)ctx, (void)answer, (void)len;
    return repx_fail(err, REPX_E_AUTH, "nobody can be asked on the target for: %s",
                     prompt);
}

/* What each program costs: how often, how long altogether, what it answered in bytes. */
static void note_command(struct repx_helper_host *h, const struct repx_run *run,
                         uint64_t bytes, int64_t ms)
{
    const char *const *word = run->argv;

    if (!h->commands)
        return;
    if (strcmp(*word, "env") == 0) { /* env -i A=B COMMAND */
        while (word[1] && (word[1][0] == '-' || strchr(word[1], '=')))
            word++;
        word += word[1] != NULL;
    }
    const char *slash = strrchr(*word, '/');
    const char *name = slash ? slash + 1 : *word;
    const json_t *told = json_object_get(h->commands, name);
    json_int_t n = json_integer_value(json_object_get(told, "n"));
    json_int_t all = json_integer_value(json_object_get(told, "ms"));
    json_int_t got = json_integer_value(json_object_get(told, "bytes"));
    (void)json_object_set_new(h->commands, name,
                              json_pack("{s:I,s:I,s:I}", "n", n + 1, "ms",
                                        all + (json_int_t)ms, "bytes",
                                        got + (json_int_t)bytes));
}

/* Output that is taken as it comes, on its way. */
struct counted {
    void (*output)(void *ctx, const char *bytes, uint64_t n);
    void *ctx;
    uint64_t bytes;
};

static void count_output(void *ctx, const char *bytes, uint64_t n)
{
    struct counted *counted = ctx;

    counted->bytes += n;
    counted->output(counted->ctx, bytes, n);
}

static int32_t host_run(void *ctx, struct repx_run *run, struct repx_err *err)
{
    struct repx_helper_host *h = ctx;
    int streams = run->size >= sizeof(*run) && run->output;
    struct counted counted = {streams ? run->output : NULL,
                              streams ? run->output_ctx : NULL, 0};
    int64_t begun = repx_now_ms();

    if (streams) {
        run->output = count_output;
        run->output_ctx = &counted;
    }
    int rc = repx_run_command(run, &h->output, err);
    if (streams) {
        run->output = counted.output;
        run->output_ctx = counted.ctx;
    }
    counted.bytes += rc == 0 ? run->out_len : 0;
    note_command(h, run, counted.bytes, repx_now_ms() - begun);
    return rc;
}

void repx_helper_lend(struct repx_helper_host *h, const struct repx_plugin *plugin)
{
    *h = (struct repx_helper_host){.plugin = plugin};
    h->services = (struct repx_host){
        .size = sizeof(h->services),
        .ctx = h,
        .log = host_log,
        .progress = host_progress,
        .canceled = host_canceled,
        .cancel_fd = host_cancel_fd,
        .now_ms = host_now_ms,
        .config_text = host_config_text,
        .config_number = host_config_number,
        .secret = host_secret,
        .run = host_run,
    };
}

void repx_helper_host_free(struct repx_helper_host *h)
{
    json_decref(h->commands);
    repx_run_output_free(&h->output);
    repx_buf_free(&h->text);
}
