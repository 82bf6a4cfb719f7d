/* SPDX-License-Identifier: MIT */
#include "host.h"

#include <stdlib.h>

#include <kit/alloc.h>
#include <kit/clock.h>

#include "core/plugin/fields.h"

struct host {
    struct repx_host services;
    const struct ui *ui;
    struct fields *fields;
    char *who; /* KIND-NAME */
};

static void host_log(void *ctx, uint32_t level, const char *text)
{
    struct host *h = ctx;

    if (h->ui && h->ui->log)
        h->ui->log(h->ui->ctx, h->who, level, text);
}

static void host_progress(void *ctx, const char *unit, uint64_t done, uint64_t total)
{
    struct host *h = ctx;

    if (h->ui && h->ui->progress)
        h->ui->progress(h->ui->ctx, h->who, unit, done, total);
}

static int32_t host_canceled(void *ctx)
{
    struct host *h = ctx;

    return h->ui && h->ui->canceled ? h->ui->canceled(h->ui->ctx) : 0;
}

static int32_t host_cancel_fd(void *ctx)
{
    struct host *h = ctx;

    return h->ui && h->ui->cancel_fd ? h->ui->cancel_fd(h->ui->ctx) : -1;
}

static int64_t host_now_ms(void *ctx)
{
    (void)ctx;
    return repx_now_ms();
}

static const char *host_config_text(void *ctx, const char *key, uint64_t index)
{
    return fields_text(((struct host *)ctx)->fields, key, index);
}

static int32_t host_config_number(void *ctx, const char *key, int64_t *value)
{
    return fields_number(((struct host *)ctx)->fields, key, value);
}

static int32_t host_secret(void *ctx, const char *prompt, char *answer, uint64_t len,
                           struct repx_err *err)
{
    struct host *h = ctx;

    if (!h->ui || !h->ui->secret)
        return repx_fail(err, REPX_E_AUTH, "there is nobody to ask: %s", prompt);
    return h->ui->secret(h->ui->ctx, prompt, answer, (size_t)len, err);
}

struct host *host_create(const struct plugin *plugin, const struct config_table *table,
                         const struct ui *ui, struct repx_err *err)
{
    struct fields *fields = fields_create(plugin, table, err);

    if (!fields)
        return NULL;
    struct host *h = REPX_NEW(struct host);
    h->ui = ui;
    h->fields = fields;
    h->who =
        repx_format("%s-%s", plugin_kind_word(plugin->info.kind), plugin->info.name);
    /* No `run`: it is of the helper on the target, where there is a command to run. */
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
    };
    return h;
}

void host_destroy(struct host *host)
{
    if (!host)
        return;
    fields_destroy(host->fields);
    free(host->who);
    free(host);
}

const struct repx_host *host_services(struct host *host)
{
    return &host->services;
}
