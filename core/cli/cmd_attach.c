/* SPDX-License-Identifier: MIT */
/* attach: follow a run to its end, whoever started it, without its Lab. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "cli.h"
#include "core/json/json.h"
#include "core/pipeline/follow.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"
#include "run_report.h"

struct attach_args {
    int no_timing, json;
};

static const struct option attach_options[] = {
    {"no-timing", 0, OPTION_FLAG, NULL, offsetof(struct attach_args, no_timing),
     "leave out how long jobs took", 0},
    {"json", 0, OPTION_FLAG, NULL, offsetof(struct attach_args, json),
     "one JSON object with the result on stdout", 0},
    {0},
};

/* As much of a plan as events need: ids, and which jobs were named. */
struct attached {
    struct plan plan;
    struct lab_job *jobs;
    char *run, *scheduler;
    int head, branches; /* the record came; some scatter-gather job has not ended */
};

static int take_record(struct attached *a, const struct json *record,
                       struct repx_err *err)
{
    const char *run = json_string(json_get(record, "run"));
    const char *scheduler = json_string(json_get(record, "scheduler"));

    if (!run || !scheduler || strlen(run) >= RUN_ID_SIZE)
        return repx_fail(err, REPX_E_CORRUPT, "the answer begins with no run record");
    a->run = repx_strdup(run);
    a->scheduler = repx_strdup(scheduler);
    a->plan.scheduler = a->scheduler;
    a->head = 1;
    return 0;
}

static void take_job(struct attached *a, const struct json *job)
{
    const char *id = json_string(json_get(job, "id"));
    const char *type = json_string(json_get(job, "type"));
    size_t n = a->plan.count;

    if ((n & (n - 1)) == 0) {
        size_t room = n ? n * 2 : 1;
        a->plan.jobs = repx_grow(a->plan.jobs, room, sizeof(*a->plan.jobs));
        a->jobs = repx_grow(a->jobs, room, sizeof(*a->jobs));
    }
    a->jobs[n] = (struct lab_job){.id = repx_strdup(id ? id : "?")};
    a->plan.jobs[n] =
        (struct plan_job){.wanted = json_is_true(json_get(job, "wanted"))};
    a->branches |= type && strcmp(type, "scatter-gather") == 0 &&
                   !json_is_true(json_get(job, "ended"));
    a->plan.count++;
}

static int on_line(void *ctx, const char *line, size_t n, struct repx_err *err)
{
    struct attached *a = ctx;
    struct json *v = json_parse(line, n, err);
    int rc = 0;

    if (!v)
        return -1;
    if (!a->head) {
        rc = take_record(a, v, err);
    } else {
        take_job(a, v);
    }
    json_free(v);
    return rc;
}

static int attached_ask(struct attached *a, struct target *target, const char *text,
                        struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};

    msg_put_text(&msg, F_RUN, text);
    if (follow_ask(target, V_RUN_JOBS, &msg, on_line, a, NULL, err) < 0)
        return -1;
    for (size_t i = 0; i < a->plan.count; i++)
        a->plan.jobs[i].job = &a->jobs[i];
    a->plan.target = target_config(target);
    return a->head ? 0 : repx_fail(err, REPX_E_CORRUPT, "the answer is empty");
}

static void attached_free(struct attached *a)
{
    for (size_t i = 0; i < a->plan.count; i++)
        free((void *)(uintptr_t)a->jobs[i].id);
    free(a->jobs);
    free(a->plan.jobs);
    free(a->run);
    free(a->scheduler);
}

/* Whoever attached ends nothing by leaving. */
static int on_interrupted(void *ctx)
{
    (void)ctx;
    return ui_interrupts() ? 2 : 0;
}

static int follow(struct cli *cli, const struct attach_args *args,
                  const struct attached *a, struct repx_err *err)
{
    static const struct pipeline_options options = {0};
    struct run_report report = {.ui = &cli->ui,
                                .plan = &a->plan,
                                .timing = !args->no_timing,
                                .json = args->json,
                                .todo = a->plan.count};
    struct pipeline_listener listener = report_listener(&report);
    struct pipeline p = {.plan = &a->plan,
                         .target = cli->target,
                         .options = &options,
                         .listener = &listener,
                         .todo = a->plan.count};

    listener.interrupted = on_interrupted;
    report.number = repx_array(a->plan.count, sizeof(*report.number));
    report.state = repx_alloc(a->plan.count);
    report.counted = repx_alloc(a->plan.count);
    for (size_t i = 0; i < a->plan.count; i++)
        report.number[i] = i + 1;
    memcpy(p.run, a->run, strlen(a->run) + 1); /* its length was checked */
    int rc = watch_run(&p, err);
    rc = report_end(&report, &p, rc, err);
    report_finish(&report);
    return rc;
}

static int attach_main(struct cli *cli, const void *args, char **words, int count,
                       struct repx_err *err)
{
    const struct attach_args *own = args;
    struct attached a = {0};

    if (cli_config(cli, err) < 0)
        return -1;
    const char *target = cli->config->submission_target;
    if (cli_target(cli, target ? target : "local", err) < 0)
        return -1;
    int rc = attached_ask(&a, cli->target, count ? words[0] : "last", err);
    if (rc == 0) {
        if (!own->json) {
            ui_say("- Following run %s: %zu jobs on target '%s', scheduler '%s'", a.run,
                   a.plan.count, a.plan.target->name, a.scheduler);
        }
        if (a.branches && a.plan.target->may_submit_from_node == 0) {
            ui_warn(
                "nodes of '%s' may not submit: that an attached client submits the "
                "branches of scatter-gather jobs is not there yet",
                a.plan.target->name);
        }
        rc = follow(cli, own, &a, err);
    }
    attached_free(&a);
    return rc;
}

const struct cmd cmd_attach = {
    .name = "attach",
    .usage = "[RUN|last]",
    .summary = "follow a run to its end, from any machine, without its Lab",
    .options = attach_options,
    .args_size = sizeof(struct attach_args),
    .max_words = 1,
    .main = attach_main,
};
