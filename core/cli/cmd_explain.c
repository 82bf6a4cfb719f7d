/* SPDX-License-Identifier: MIT */
/* explain: why a job is as it is: what it waits for, what ended it, which rule gave it its
 * resources, and what exactly was submitted. */
#include <stdio.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/printable.h>

#include "cli.h"
#include "core/json/json.h"
#include "core/pipeline/follow.h"
#include "core/plan/explain.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"
#include "status_screen.h"

struct explain_args {
    int json;
};

static const struct option explain_options[] = {
    {"json", 0, OPTION_FLAG, NULL, offsetof(struct explain_args, json), "as JSON", 0},
    {0},
};

struct explanation {
    const struct lab_job *job;
    const char *target, *scheduler;
    struct resources *resources;
    struct json *told; /* what the target answered */
};

static int has(const struct json *v, const char *key)
{
    return json_type(json_get(v, key)) != JSON_NULL;
}

/* ---- state ---- */

static void say_state(const struct json *told)
{
    static const char *const words[] = {"not submitted", "succeeded", "failed",
                                        "queued",        "running",   "blocked"};
    int64_t status = json_get_int(told, "status", 0);
    REPX_AUTO_FREE char *why = repx_printable_line(json_get_string(told, "reason", ""));

    ui_say("State: %s%s%s (run %s)",
           words[status >= 0 && status <= JOB_BLOCKED ? status : 0], *why ? ": " : "",
           why, json_get_string(told, "run", ""));
    if (has(told, "blocked_by"))
        ui_say("  because %s did not succeed", json_get_string(told, "blocked_by", ""));
    if (json_is_true(json_get(told, "cancelled")))
        ui_say("  its run was cancelled");
}

static void say_row(const struct json *row)
{
    REPX_AUTO_FREE char *word = repx_printable_line(json_get_string(row, "reason", ""));
    REPX_AUTO_FREE char *node = repx_printable_line(json_get_string(row, "node", ""));
    const char *means = status_waiting(word);
    int64_t index = json_get_int(row, "index", -1);
    REPX_AUTO_FREE char *part =
        index >= 0 ? repx_format("_%lld", (long long)index) : repx_strdup("");

    ui_say("  %s%s is %s%s%s%s%s%s%s%s", json_get_string(row, "id", ""), part,
           json_get_string(row, "state", ""), *word ? ": waits " : "",
           *word && means ? means : "", *word ? (means ? " (" : "") : "", word,
           *word && means ? ")" : "", *node ? " on " : "", node);
}

/* How old the scheduler's word is, unless it is new. */
static void say_asked(const struct json *told)
{
    int64_t t = json_get_int(told, "queue_t", 0), now = json_get_int(told, "now", 0);
    char age[32];

    if (t && now - t >= 2000) {
        ui_say("  as the scheduler said %s ago:",
               ui_duration(now - t, age, sizeof(age)));
    }
}

/* Other runs have other work under the same job id. */
static void say_before(const struct json *told)
{
    const struct json *at = json_first(json_get(told, "before"));
    const char *first = at ? json_string(at) : NULL;
    size_t more = 0;

    if (!first)
        return;
    while ((at = json_next(at)) != NULL)
        more++;
    if (more) {
        ui_say("  comes after the other work on this job of run %s and %zu more", first,
               more);
    } else {
        ui_say("  comes after the other work on this job of run %s", first);
    }
}

static void say_waiting(const struct json *told)
{
    const struct json *producer = json_first(json_get(told, "producers"));
    char age[32];

    if (json_is_true(json_get(told, "ended")))
        return;
    for (; producer; producer = json_next(producer)) {
        if (strcmp(json_get_string(producer, "status", ""), "succeeded") != 0) {
            ui_say("  depends on %s, which is %s", json_get_string(producer, "id", ""),
                   json_get_string(producer, "status", ""));
        }
    }
    say_before(told);
    if (json_first(json_get(told, "queue")))
        say_asked(told);
    for (const struct json *row = json_first(json_get(told, "queue")); row;
         row = json_next(row))
        say_row(row);
    int64_t left = json_get_int(told, "left_queue_t", 0);
    if (left) {
        ui_say(
            "  left the queue %s ago without a record of its end, which is awaited "
            "for two minutes",
            ui_duration(json_get_int(told, "now", left) - left, age, sizeof(age)));
    }
    if (has(told, "queue_error")) {
        REPX_AUTO_FREE char *why =
            repx_printable_line(json_get_string(told, "queue_error", ""));
        ui_say("  the scheduler could not be asked just now: %.300s", why);
    }
}

/* ---- use beside limit ---- */

static const struct json *main_resources(const struct json *told)
{
    const struct json *all = json_get(told, "resources");
    const struct json *own = json_get(all, "main");

    return own ? own : json_get(all, "gather");
}

/* There is no record of the end: it goes on, or its supervisor was killed with it. */
static void say_killed(const struct json *told, const struct json *res)
{
    const struct json *last = NULL;
    int64_t mem = json_get_int(res, "mem", -1);
    char a[32], b[32];

    for (const struct json *e = json_first(json_get(told, "events")); e;
         e = json_next(e))
        last = strcmp(json_get_string(e, "e", ""), "lost") == 0 ? e : last;
    if (!json_is_true(json_get(told, "ended"))) {
        ui_say("  has not ended yet");
        return;
    }
    ui_say("  killed together with its supervisor, which wrote no record of the end");
    if (json_get_int(last, "mem", 0) > 0) {
        ui_say("  memory when it was killed: %s%s%s",
               ui_bytes((uint64_t)json_get_int(last, "mem", 0), a, sizeof(a)),
               mem > 0 ? " of " : "",
               mem > 0 ? ui_bytes((uint64_t)mem, b, sizeof(b)) : "");
    }
}

static void say_use(const struct json *told)
{
    const struct json *end = json_get(told, "end"), *begin = json_get(told, "attempt");
    const struct json *res = main_resources(told);
    char a[32], b[32];

    if (json_type(begin) == JSON_NULL)
        return;
    ui_say("\nLast attempt, on %s:", json_get_string(begin, "node", ""));
    if (json_type(end) == JSON_NULL) {
        say_killed(told, res);
        return;
    }
    int64_t limit = json_get_int(res, "time", -1), mem = json_get_int(res, "mem", -1);
    ui_say("  elapsed %s%s%s", ui_duration(json_get_int(end, "ms", 0), a, sizeof(a)),
           limit > 0 ? " of " : "",
           limit > 0 ? ui_duration(limit * 1000, b, sizeof(b)) : "");
    ui_say("  peak memory %s%s%s",
           ui_bytes((uint64_t)json_get_int(end, "mem", 0), a, sizeof(a)),
           mem > 0 ? " of " : "", mem > 0 ? ui_bytes((uint64_t)mem, b, sizeof(b)) : "");
    ui_say("  CPU time %s", ui_duration(json_get_int(end, "cpu_ms", 0), a, sizeof(a)));
    if (has(end, "reason")) {
        REPX_AUTO_FREE char *why =
            repx_printable_line(json_get_string(end, "reason", ""));
        ui_say("  ended: %s", why);
    }
}

/* ---- resources and where they come from ---- */

/* One as the files say now, and as it was submitted. */
struct field {
    const char *name, *value, *origin, *submitted;
};

#define FIELDS 6

struct fields {
    struct field items[FIELDS];
    size_t count;
    char cpus[24], submitted_cpus[24];
    struct repx_buf options, native;
};

static void fields_free(struct fields *f)
{
    repx_buf_free(&f->options);
    repx_buf_free(&f->native);
}

static const char *joined(struct repx_buf *to, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        repx_buf_fmt(to, "%s%s", i ? " " : "", texts[i]);
    return count ? repx_buf_text(to) : NULL;
}

static const char *number_text(char *to, size_t n, int64_t value)
{
    (void)snprintf(to, n, "%lld", (long long)value);
    return value >= 0 ? to : NULL;
}

/* Those that somebody sets, or set when the job was submitted. */
static void fields_of(const struct explanation *x, const char *phase, struct fields *f)
{
    struct resource_rule r = resolve_resources(x->resources, x->job, phase, x->target);
    struct resource_origin o =
        resolve_origin(x->resources, x->job, phase, x->target, x->scheduler);
    const struct config_value *native =
        resolve_native(x->resources, x->job, phase, x->target, x->scheduler);
    const struct json *then = json_get(json_get(x->told, "resources"), phase);

    *f = (struct fields){.count = 0};
    int64_t cpus = json_get_int(then, "cpus", -1);
    const struct field all[FIELDS] = {
        {"cpus", number_text(f->cpus, sizeof(f->cpus), r.cpus), o.cpus,
         number_text(f->submitted_cpus, sizeof(f->submitted_cpus), cpus)},
        {"mem", r.mem_text, o.mem, json_string(json_get(then, "mem_text"))},
        {"time", r.time_text, o.time, json_string(json_get(then, "time_text"))},
        {"partition", r.partition, o.partition, json_string(json_get(then, "queue"))},
        {"sbatch_opts", joined(&f->options, r.sbatch_opts, r.sbatch_opt_count),
         o.sbatch_opts, NULL},
        {"native", native ? joined(&f->native, native->texts, native->count) : NULL,
         o.native, NULL},
    };
    for (size_t i = 0; i < FIELDS; i++) {
        if (all[i].value || all[i].submitted)
            f->items[f->count++] = all[i];
    }
}

/* " (submitted with 1G)", when that is not what the files say now. */
static void say_field(const struct explanation *x, const char *phase,
                      const struct field *f)
{
    REPX_AUTO_BUF struct repx_buf then = {0};
    int alone = x->job->exe_count == 1;
    int options = strcmp(f->name, "sbatch_opts") == 0 || strcmp(f->name, "native") == 0;
    int told = !options && has(json_get(x->told, "resources"), phase);

    if (told && (!f->submitted || !f->value || strcmp(f->submitted, f->value) != 0)) {
        REPX_AUTO_FREE char *text =
            repx_printable_line(f->submitted ? f->submitted : "");
        repx_buf_fmt(&then, " (submitted %s%s)", *text ? "with " : "without", text);
    }
    ui_say("  %s%s%s%s%s%s%s%s", alone ? "" : phase, alone ? "" : ": ", f->name,
           f->value ? " = " : " is not set any more", f->value ? f->value : "",
           f->value ? ", from " : "", f->value ? f->origin : "", repx_buf_text(&then));
}

static void say_resources(const struct explanation *x)
{
    struct fields f;

    ui_say("\nResources, as the files and the Lab say now:");
    for (size_t e = 0; e < x->job->exe_count; e++) {
        const char *phase = x->job->exes[e].name;
        int alone = x->job->exe_count == 1;
        fields_of(x, phase, &f);
        if (!f.count) {
            ui_say("  %s%snothing is set: the scheduler's own defaults hold",
                   alone ? "" : phase, alone ? "" : ": ");
        }
        for (size_t i = 0; i < f.count; i++)
            say_field(x, phase, &f.items[i]);
        fields_free(&f);
    }
}

/* ---- what was submitted ---- */

static void say_units(const struct json *told)
{
    const struct json *unit = json_first(json_get(told, "units"));
    char when[32];

    if (!unit)
        return;
    ui_say("\nSubmitted:");
    for (; unit; unit = json_next(unit)) {
        const char *phase = json_get_string(unit, "phase", "");
        ui_say("  %s as %s%s%s%s",
               status_time(json_get_int(unit, "t", 0), when, sizeof(when)),
               json_get_string(unit, "id", ""), *phase ? " (" : "", phase,
               *phase ? ")" : "");
        if (has(unit, "command"))
            ui_say("%s", json_get_string(unit, "command", ""));
    }
}

static void say_all(const struct explanation *x)
{
    ui_say("Job: %s", x->job->id);
    if (!has(x->told, "run")) {
        ui_say("State: no run of this target has it yet");
    } else {
        say_state(x->told);
        say_waiting(x->told);
        say_use(x->told);
    }
    say_resources(x);
    say_units(x->told);
}

static void put_member(struct repx_buf *b, const char *key, const char *value)
{
    repx_buf_fmt(b, "%s\"%s\":", b->data[b->len - 1] == '{' ? "" : ",", key);
    json_put_string(b, value);
}

/* The target's object with one more member. */
static void say_json(const struct explanation *x)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    struct fields f;

    json_put_value(&b, x->told, 0);
    b.len -= b.len ? 1 : 0; /* its closing brace */
    repx_buf_str(&b, ",\"rules\":{");
    for (size_t e = 0; e < x->job->exe_count; e++) {
        const char *phase = x->job->exes[e].name;
        fields_of(x, phase, &f);
        repx_buf_str(&b, e ? "," : "");
        json_put_string(&b, phase);
        repx_buf_str(&b, ":{");
        for (size_t i = 0; i < f.count; i++) {
            if (f.items[i].value)
                put_member(&b, f.items[i].name, f.items[i].origin);
        }
        repx_buf_char(&b, '}');
        fields_free(&f);
    }
    repx_buf_str(&b, "}}");
    ui_say("%s", repx_buf_text(&b));
}

/* ---- the command ---- */

static int on_line(void *ctx, const char *line, size_t n, struct repx_err *err)
{
    struct explanation *x = ctx;

    json_free(x->told);
    x->told = json_parse(line, n, err);
    return x->told ? 0 : -1;
}

static const char *scheduler_of(const struct cli *cli, const struct explanation *x)
{
    const struct config_target *t = target_config(cli->target);

    if (x->told && has(x->told, "scheduler"))
        return json_get_string(x->told, "scheduler", "");
    if (cli->scheduler)
        return cli->scheduler;
    return t->default_scheduler ? t->default_scheduler : "local";
}

static int explain_main(struct cli *cli, const void *args, char **words, int count,
                        struct repx_err *err)
{
    const struct explain_args *a = args;
    REPX_AUTO_BUF struct repx_buf msg = {0};
    struct explanation x = {0};
    size_t index;

    (void)count;
    if (cli_lab(cli, err) < 0 || resolve_one(cli->lab, words[0], &index, err) < 0 ||
        cli_config(cli, err) < 0)
        return -1;
    const char *target = cli->config->submission_target;
    x.resources = resources_open(cli->resources_path, err);
    int rc = x.resources ? cli_target(cli, target ? target : "local", err) : -1;
    if (rc == 0) {
        x.job = &cli->lab->jobs[index];
        x.target = target_config(cli->target)->name;
        msg_put_text(&msg, F_NAME, x.job->id);
        rc = follow_ask(cli->target, V_JOB_EXPLAIN, &msg, on_line, &x, NULL, err);
    }
    if (rc == 0 && !x.told)
        rc = repx_fail(err, REPX_E_CORRUPT, "the answer is empty");
    if (rc == 0) {
        x.scheduler = scheduler_of(cli, &x);
        if (a->json) {
            say_json(&x);
        } else {
            say_all(&x);
        }
    }
    json_free(x.told);
    resources_close(x.resources);
    return rc;
}

const struct cmd cmd_explain = {
    .name = "explain",
    .usage = "JOB [--json]",
    .summary = "why a job waits or ended, its limits and rules, what was submitted",
    .options = explain_options,
    .args_size = sizeof(struct explain_args),
    .min_words = 1,
    .max_words = 1,
    .main = explain_main,
};
