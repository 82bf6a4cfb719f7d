/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE

#include "helper_main.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc.h"
#include "buf.h"
#include "err.h"
#include "file.h"
#include "helper_host.h"
#include "helper_request.h"
#include "helper_run.h"

/* Everything one call needs. */
struct call {
    struct repx_scheduler_ops ops; /* as far as the plugin offers it */
    struct repx_helper_host host;
    struct repx_helper_request request;
    struct repx_buf lines;
    int64_t deadline_ms;
    int broken; /* standard output is gone */
    void *self;
};

/* ---- answers ---- */

static void flush(struct call *c)
{
    if (!c->broken && repx_write_all(1, c->lines.data, c->lines.len) < 0)
        c->broken = 1;
    c->lines.len = 0;
}

/* One line; v is always the first key. Steals the object. */
static void answer(struct call *c, json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER);

    json_decref(object);
    if (!text)
        return; /* text of a scheduler that is no UTF-8: made harmless before */
    repx_buf_str(&c->lines, text);
    repx_buf_char(&c->lines, '\n');
    free(text);
    if (c->lines.len > 65536)
        flush(c);
}

static json_t *line(void)
{
    return json_pack("{s:i}", "v", 1);
}

/* Text of other programs may hold any bytes; what is not UTF-8 becomes '?'. */
static void put_text(json_t *o, const char *key, const char *text)
{
    json_t *s = json_string(text);

    if (!s) {
        REPX_AUTO_FREE char *clean = repx_strdup(text);
        for (char *p = clean; *p; p++) {
            if ((unsigned char)*p >= 0x80)
                *p = '?';
        }
        s = json_string(clean);
    }
    (void)json_object_set_new(o, key, s);
}

static void put_number(json_t *o, const char *key, int64_t number)
{
    (void)json_object_set_new(o, key, json_integer(number));
}

static void on_submit(void *ctx, uint64_t i, uint32_t result, const char *id,
                      const char *text)
{
    json_t *o = line();

    put_number(o, "i", (int64_t)i);
    put_text(o, "result", repx_helper_result_name(result));
    if (id)
        put_text(o, "id", id);
    if (text && *text)
        put_text(o, "text", text);
    answer(ctx, o);
    flush(ctx); /* what was accepted is worth knowing even if we are killed next */
}

static void on_row(void *ctx, const struct repx_status *row)
{
    json_t *o = line();

    put_text(o, "id", row->id);
    if (row->key)
        put_text(o, "key", row->key);
    put_number(o, "index", row->index);
    put_text(o, "state", repx_helper_state_name(row->state));
    if (row->exit >= 0)
        put_number(o, "exit", row->exit);
    if (row->reason && *row->reason)
        put_text(o, "reason", row->reason);
    if (row->node && *row->node)
        put_text(o, "node", row->node);
    if (row->size >= sizeof(*row)) {
        if (row->by && *row->by)
            put_text(o, "by", row->by);
        if (row->restarts > 0)
            put_number(o, "restarts", row->restarts);
        if (row->memory > 0)
            put_number(o, "mem", row->memory);
        if (row->indices && *row->indices)
            put_text(o, "indices", row->indices);
    }
    answer(ctx, o);
}

static void on_found(void *ctx, const char *key, const char *id, uint32_t state)
{
    json_t *o = line();

    put_text(o, "key", key);
    put_text(o, "id", id);
    put_text(o, "state", repx_helper_state_name(state));
    answer(ctx, o);
}

/* ---- verbs ---- */

static int verb_limits(struct call *c, struct repx_err *err)
{
    struct repx_limits l = {sizeof(l), -1, -1, -1, -1, 1000, -1, -1, 0, NULL, 0};

    if (c->ops.limits(c->self, &l, c->deadline_ms, err) < 0)
        return -1;
    json_t *o = line();
    put_number(o, "array_max", l.array_max);
    put_number(o, "submit_max", l.submit_max);
    put_number(o, "script_max", l.script_max);
    put_number(o, "name_max", l.name_max);
    put_number(o, "poll_ms", l.poll_ms);
    put_number(o, "node_submits", l.node_submits);
    put_number(o, "remembers_s", l.remembers_s);
    put_number(o, "index_ids", l.index_ids);
    put_number(o, "lanes", l.lanes);
    if (l.name_chars)
        put_text(o, "name_chars", l.name_chars);
    answer(c, o);
    return 0;
}

static int verb_submit(struct call *c, struct repx_err *err)
{
    const struct repx_submit_sink sink = {c, on_submit};

    return c->ops.submit(c->self, c->request.units, c->request.unit_count,
                         sizeof(*c->request.units), &sink, c->deadline_ms, err);
}

static int verb_status(struct call *c, struct repx_err *err)
{
    const struct repx_status_sink sink = {c, on_row};

    return c->ops.status(c->self, c->request.scope, &sink, c->deadline_ms, err);
}

static int verb_find(struct call *c, struct repx_err *err)
{
    const struct repx_found_sink sink = {c, on_found};

    return c->ops.find(c->self, c->request.list, c->request.list_count,
                       c->request.since, &sink, c->deadline_ms, err);
}

static int verb_cancel(struct call *c, struct repx_err *err)
{
    return c->ops.cancel(c->self, c->request.list, c->request.list_count,
                         c->deadline_ms, err);
}

static int verb_amend(struct call *c, struct repx_err *err)
{
    if (!c->ops.amend)
        return repx_fail(err, REPX_E_UNSUPPORTED, "this scheduler cannot amend");
    return c->ops.amend(c->self, c->request.id, c->request.deps, c->request.dep_count,
                        sizeof(*c->request.deps), c->deadline_ms, err);
}

static int verb_ended(struct call *c, struct repx_err *err)
{
    const struct repx_status_sink sink = {c, on_row};

    if (!c->ops.ended)
        return repx_fail(err, REPX_E_UNSUPPORTED, "this scheduler keeps no accounts");
    return c->ops.ended(c->self, c->request.since, &sink, c->deadline_ms, err);
}

static const struct {
    const char *name;
    int (*serve)(struct call *c, struct repx_err *err);
} verbs[] = {
    {"limits", verb_limits}, {"submit", verb_submit}, {"status", verb_status},
    {"find", verb_find},     {"cancel", verb_cancel}, {"amend", verb_amend},
    {"ended", verb_ended},
};

int repx_helper_input(struct repx_buf *to, struct repx_err *err)
{
    for (;;) {
        char *room = repx_buf_room(to, 65536);
        ssize_t n = read(0, room, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return repx_fail_errno(err, "standard input");
        if (n == 0)
            return 0;
        to->len += (size_t)n;
        if (to->len > REPX_HELPER_INPUT_MAX) {
            return repx_fail(err, REPX_E_CORRUPT, "request is larger than %u bytes",
                             REPX_HELPER_INPUT_MAX);
        }
    }
}

static int serve(struct call *c, size_t verb, const char *workdir, struct repx_err *err)
{
    struct repx_buf input REPX_AUTO_BUF = {0};

    if (repx_helper_input(&input, err) < 0 ||
        repx_helper_parse(&c->request, verbs[verb].name, repx_buf_text(&input),
                          input.len, err) < 0)
        return -1;
    if (json_is_true(json_object_get(c->request.root, "commands")))
        c->host.commands = json_object();
    if (c->request.timeout_ms)
        c->deadline_ms = repx_now_ms() + c->request.timeout_ms;
    c->host.config = c->request.config;
    int rc = c->ops.open(&c->self, &c->host.services, workdir, err);
    if (rc == 0) {
        rc = verbs[verb].serve(c, err);
        c->ops.close(c->self);
    }
    return rc;
}

/* The line that ends an answer in failure. */
static json_t *error_line(const struct repx_err *err)
{
    json_t *o = line(), *e = json_object();

    put_number(e, "code", err->code);
    put_text(e, "text", err->text);
    (void)json_object_set_new(o, "error", e);
    return o;
}

void repx_helper_error_line(const struct repx_err *err)
{
    struct call c = {0};

    answer(&c, error_line(err));
    flush(&c);
    repx_buf_free(&c.lines);
}

static int finish(struct call *c, int rc, const struct repx_err *err)
{
    if (c->host.commands) {
        json_t *o = line();
        (void)json_object_set(o, "commands", c->host.commands);
        answer(c, o);
    }
    if (rc < 0)
        answer(c, error_line(err));
    flush(c);
    repx_helper_request_free(&c->request);
    repx_helper_host_free(&c->host);
    repx_buf_free(&c->lines);
    return rc < 0 || c->broken ? 1 : 0;
}

#define VERBS (sizeof(verbs) / sizeof(*verbs))

static size_t verb_number(const char *name)
{
    size_t i = 0;

    while (i < VERBS && strcmp(name, verbs[i].name) != 0)
        i++;
    return i;
}

int repx_helper_usage(int argc, char **argv, const struct repx_plugin *plugin)
{
    if (argc == 3 && verb_number(argv[1]) < VERBS && argv[2][0] == '/')
        return 0;
    (void)fprintf(stderr,
                  "usage: sched-%s limits|submit|status|find|cancel|amend|ended "
                  "WORKDIR\n",
                  plugin->name);
    return 2;
}

int repx_helper_main(int argc, char **argv, const struct repx_plugin *plugin)
{
    struct call c = {0};
    struct repx_err err = {0};

    if (repx_helper_usage(argc, argv, plugin))
        return 2;
    (void)signal(SIGPIPE, SIG_IGN);
    memcpy(&c.ops, plugin->vtable,
           plugin->vtable_size < sizeof(c.ops) ? plugin->vtable_size : sizeof(c.ops));
    repx_helper_lend(&c.host, plugin);
    int rc = serve(&c, verb_number(argv[1]), argv[2], &err);
    return finish(&c, rc, &err);
}
