/* SPDX-License-Identifier: MIT */
/* stats: what the scheduler of a target was asked by all of repx, and what it may be asked
 * now. Needs no Lab. */
#include <stdio.h>

#include <kit/alloc.h>
#include <kit/printable.h>

#include "cli.h"
#include "core/json/json.h"
#include "core/pipeline/follow.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"
#include "status_screen.h"

struct stats_args {
    int json;
};

static const struct option stats_options[] = {
    {"json", 0, OPTION_FLAG, NULL, offsetof(struct stats_args, json),
     "a line of JSON for each scheduler", 0},
    {0},
};

struct telling {
    int json;
    size_t count;
};

static void say_budget(const struct json *told)
{
    const struct json *b = json_get(told, "budget");
    int64_t wait = json_get_int(b, "wait_ms", 0), slowed = json_get_int(b, "slowed", 0);
    char every[32], until[32];

    ui_say("  Calls: %lld in the last minute, %lld in ten",
           (long long)json_get_int(told, "last_1min", 0),
           (long long)json_get_int(told, "last_10min", 0));
    ui_say("  Budget of questions: %lld at once, then one each %s%s",
           (long long)json_get_int(b, "burst", 0),
           ui_duration(json_get_int(b, "every_ms", 0), every, sizeof(every)),
           slowed ? ", slowed down since the scheduler did not answer in time" : "");
    if (wait > 0) {
        ui_say("  Now: none for %s; until then the last answer is shown with its age",
               ui_duration(wait, until, sizeof(until)));
    } else {
        ui_say("  Now: %lld may be asked", (long long)json_get_int(b, "left", 0));
    }
}

static void say_verbs(const struct json *told)
{
    const struct json *v = json_first(json_get(told, "verbs"));

    if (v) {
        ui_say("\n  %-10s %8s %9s %8s %9s %10s %10s", "Question", "Calls", "Commands",
               "Failed", "Timed out", "Median", "Longest");
    }
    for (; v; v = json_next(v)) {
        char median[32], most[32];
        REPX_AUTO_FREE char *name = repx_printable_line(json_key(v));
        (void)snprintf(median, sizeof(median), "%lld ms",
                       (long long)json_get_int(v, "ms_median", 0));
        (void)snprintf(most, sizeof(most), "%lld ms",
                       (long long)json_get_int(v, "ms_max", 0));
        ui_say("  %-10.40s %8lld %9lld %8lld %9lld %10s %10s", name,
               (long long)json_get_int(v, "calls", 0),
               (long long)json_get_int(v, "commands", 0),
               (long long)json_get_int(v, "failed", 0),
               (long long)json_get_int(v, "timed_out", 0), median, most);
    }
}

static void say_commands(const struct json *told)
{
    const struct json *c = json_first(json_get(told, "commands"));

    if (c)
        ui_say("\n  %-10s %8s %14s %12s", "Command", "Runs", "Time of all", "Answers");
    for (; c; c = json_next(c)) {
        char all[32], bytes[32];
        REPX_AUTO_FREE char *name = repx_printable_line(json_key(c));
        ui_say("  %-10.40s %8lld %14s %12s", name, (long long)json_get_int(c, "n", 0),
               ui_duration(json_get_int(c, "ms", 0), all, sizeof(all)),
               ui_bytes((uint64_t)json_get_int(c, "bytes", 0), bytes, sizeof(bytes)));
    }
}

static int on_scheduler(void *ctx, const char *line, size_t n, struct repx_err *err)
{
    struct telling *t = ctx;
    char when[32];

    t->count++;
    if (t->json) {
        ui_say("%.*s", (int)n, line);
        return 0;
    }
    struct json *told = json_parse(line, n, err);
    if (!told)
        return -1;
    const char *name = json_string(json_get(told, "scheduler"));
    REPX_AUTO_FREE char *clean = repx_printable_line(name ? name : "?");
    ui_say("%sScheduler %s, since %s:", t->count > 1 ? "\n" : "", clean,
           status_time(json_get_int(told, "since", 0), when, sizeof(when)));
    say_budget(told);
    say_verbs(told);
    say_commands(told);
    json_free(told);
    return 0;
}

static int stats_main(struct cli *cli, const void *args, char **words, int count,
                      struct repx_err *err)
{
    const struct stats_args *a = args;
    REPX_AUTO_BUF struct repx_buf msg = {0};
    struct telling t = {a->json, 0};

    if (cli_config(cli, err) < 0)
        return -1;
    if (count)
        cli->target_name = words[0];
    const char *target = cli->config->submission_target;
    if (cli_target(cli, target ? target : "local", err) < 0 ||
        follow_ask(cli->target, V_STATS, &msg, on_scheduler, &t, NULL, err) < 0)
        return -1;
    if (!t.count && !a->json) {
        ui_say("No scheduler of target '%s' was asked anything yet.",
               target_config(cli->target)->name);
    }
    return 0;
}

const struct cmd cmd_stats = {
    .name = "stats",
    .usage = "[TARGET] [--json]",
    .summary = "what a target's scheduler was asked, and what it may be asked now",
    .options = stats_options,
    .args_size = sizeof(struct stats_args),
    .max_words = 1,
    .main = stats_main,
};
