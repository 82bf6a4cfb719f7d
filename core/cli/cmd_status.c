/* SPDX-License-Identifier: MIT */
/* status: the runs of a base path, or one of them on one screen. Needs no Lab. */
#include <string.h>

#include "cli.h"
#include "core/json/json.h"
#include "core/pipeline/follow.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"
#include "purge_note.h"
#include "status_screen.h"

struct status_args {
    struct option_int count;
    int watch, json;
};

static const struct option status_options[] = {
    {"count", 'n', OPTION_INT, "N", offsetof(struct status_args, count),
     "list the newest N runs (default 20)", 0},
    {"watch", 'w', OPTION_FLAG, NULL, offsetof(struct status_args, watch),
     "go on until every job has ended; Ctrl-C only leaves", 0},
    {"json", 0, OPTION_FLAG, NULL, offsetof(struct status_args, json), "lines of JSON",
     0},
    {0},
};

/* ---- all runs ---- */

struct listing {
    const struct config_target *target;
    int json, warned;
    size_t count;
};

static int on_listed(void *ctx, const char *line, size_t n, struct repx_err *err)
{
    struct listing *l = ctx;

    l->count++;
    if (l->json) {
        ui_say("%.*s", (int)n, line);
        return 0;
    }
    struct json *run = json_parse(line, n, err);
    if (!run)
        return -1;
    status_say_run(run);
    l->warned |= purge_note_run(l->target, run, l->warned);
    json_free(run);
    return 0;
}

static int list_runs(struct cli *cli, const struct status_args *a, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};
    struct listing l = {target_config(cli->target), a->json, 0, 0};

    msg_put_number(&msg, F_LIMIT, a->count.given ? a->count.value : 20);
    if (follow_ask(cli->target, V_RUN_LIST, &msg, on_listed, &l, NULL, err) < 0)
        return -1;
    if (!l.count && !a->json)
        ui_say("No runs on target '%s' yet.", target_config(cli->target)->name);
    return 0;
}

/* ---- one run ---- */

struct showing {
    const struct status_args *args;
    const struct config_target *target;
    int redraw; /* a terminal: draw over the last screen */
    size_t drawn;
    struct repx_buf last; /* the line told last, in a pipe */
};

static int on_shown(void *ctx, const char *line, size_t n, struct repx_err *err)
{
    struct showing *s = ctx;
    REPX_AUTO_BUF struct repx_buf screen = {0};

    if (s->args->json) {
        ui_say("%.*s", (int)n, line);
        ui_flush();
        return 0;
    }
    struct json *run = json_parse(line, n, err);
    if (!run)
        return -1;
    if (s->args->watch && !s->redraw) {
        status_line(run, &screen);
        if (!s->last.len ||
            strcmp(repx_buf_text(&s->last), repx_buf_text(&screen)) != 0)
            ui_say("%s", repx_buf_text(&screen));
        s->last.len = 0;
        repx_buf_str(&s->last, repx_buf_text(&screen));
        ui_flush();
    } else {
        if (!s->args->watch)
            (void)purge_note_run(s->target, run, 0);
        status_screen(run, &screen);
        if (s->redraw) {
            status_draw(&screen, &s->drawn, json_is_true(json_get(run, "ended")));
        } else {
            ui_say("%.*s", (int)(screen.len - 1), repx_buf_text(&screen));
        }
    }
    json_free(run);
    return 0;
}

/* Whoever looks on also finds out what nobody wrote down: units that are gone. Its events
 * are of no interest here, nor is its failure. */
static struct session_call *look_after(struct cli *cli, const char *run)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};

    msg_put_text(&msg, F_RUN, run);
    msg_put_number(&msg, F_OFFSET, INT64_MAX);
    return session_call(target_session(cli->target), V_RUN_WATCH, msg.data, msg.len,
                        NULL, NULL);
}

struct name {
    struct repx_buf run;
};

static int on_first(void *ctx, const char *line, size_t n, struct repx_err *err)
{
    struct name *name = ctx;
    struct json *run = json_parse(line, n, err);

    if (!run)
        return -1;
    const char *id = json_string(json_get(run, "run"));
    repx_buf_str(&name->run, id ? id : "");
    json_free(run);
    return 0;
}

static int watch_run_of(struct cli *cli, struct showing *s, const char *text,
                        struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};
    struct name name = {{0}};

    msg_put_text(&msg, F_RUN, text);
    int rc = follow_ask(cli->target, V_RUN_SHOW, &msg, on_first, &name, NULL, err);
    if (rc == 0) {
        struct session_call *watcher = look_after(cli, repx_buf_text(&name.run));
        msg.len = 0;
        msg_put_text(&msg, F_RUN, repx_buf_text(&name.run));
        msg_put_number(&msg, F_OPTIONS, RUN_SHOW_FOLLOW);
        rc = follow_ask(cli->target, V_RUN_SHOW, &msg, on_shown, s, NULL, err);
        session_cancel(watcher);
    }
    repx_buf_free(&name.run);
    if (rc < 0 && err->code == REPX_E_CANCELED) {
        ui_say("Left; the run goes on.");
        return 0;
    }
    return rc;
}

static int show_run(struct cli *cli, const struct status_args *a, const char *text,
                    struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};
    size_t rows, columns;
    struct showing s = {.args = a,
                        .target = target_config(cli->target),
                        .redraw = a->watch && ui_screen(&rows, &columns)};
    int rc;

    if (a->watch) {
        rc = watch_run_of(cli, &s, text, err);
        repx_buf_free(&s.last);
        return rc;
    }
    msg_put_text(&msg, F_RUN, text);
    return follow_ask(cli->target, V_RUN_SHOW, &msg, on_shown, &s, NULL, err);
}

static int status_main(struct cli *cli, const void *args, char **words, int count,
                       struct repx_err *err)
{
    const struct status_args *a = args;

    if (a->watch && !count) {
        ui_error("--watch follows one run; name it, or say `last`");
        return 2;
    }
    if (cli_config(cli, err) < 0)
        return -1;
    const char *target = cli->config->submission_target;
    if (cli_target(cli, target ? target : "local", err) < 0)
        return -1;
    return count ? show_run(cli, a, words[0], err) : list_runs(cli, a, err);
}

const struct cmd cmd_status = {
    .name = "status",
    .usage = "[RUN|last] [--watch] [--json]",
    .summary = "show the runs of a target, or one of them on one screen",
    .options = status_options,
    .args_size = sizeof(struct status_args),
    .max_words = 1,
    .main = status_main,
};
