/* SPDX-License-Identifier: MIT */
#include "core/agent/scheduler_call.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <repx/scheduler.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/call_log.h"
#include "core/agent/programs.h"
#include "core/agent/state_check.h"

#define GRACE_MS 5000 /* for the helper to give up by itself at its deadline */

static int scheduler_open_at(struct scheduler *s, struct site *site, const char *name,
                             const char *helper, struct repx_err *err)
{
    *s = (struct scheduler){.site = site};
    if (!state_name_ok(name) || !repx_path_is_inside(helper))
        return repx_fail(err, REPX_E_USAGE, "scheduler %s: no helper is named", name);
    s->name = repx_strdup(name);
    s->workdir = strcmp(name, "local") == 0
                     ? repx_format("%s/queue", site->state)
                     : repx_format("%s/sched-%s", site->state, name);
    s->config = json_object();
    s->helper = programs_find(site, helper, err);
    if (!s->helper) {
        (void)repx_wrap(err, "scheduler %s: its helper is not run", name);
        scheduler_close(s);
        return -1;
    }
    return 0;
}

int scheduler_open(struct scheduler *s, struct site *site, const json_t *record,
                   struct repx_err *err)
{
    static const char *const limits[][2] = {{"jobs_limit", "jobs"},
                                            {"mem_limit", "memory"}};
    const char *name = state_text(record, "scheduler", "");
    struct utsname machine;

    *s = (struct scheduler){0};
    if (uname(&machine) < 0)
        return repx_fail_errno(err, "uname");
    const char *helper =
        state_text(json_object_get(record, "helper"), machine.machine, NULL);
    if (!helper) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "scheduler %s has no helper for %s machines", name,
                         machine.machine);
    }
    if (scheduler_open_at(s, site, name, helper, err) < 0)
        return -1;
    const json_t *config = json_object_get(record, "config");
    if (json_is_object(config))
        (void)json_object_update(s->config, json_object_get(record, "config"));
    for (size_t i = 0; i < 2; i++) {
        int64_t n = state_int(record, limits[i][0], 0);
        if (n > 0)
            (void)json_object_set_new(s->config, limits[i][1], json_integer(n));
    }
    if (state_true(record, "fail_fast"))
        (void)json_object_set_new(s->config, "fail_fast", json_true());
    (void)json_object_set_new(s->config, "run",
                              json_string(state_text(record, "run", "")));
    return 0;
}

void scheduler_close(struct scheduler *s)
{
    free(s->name);
    free(s->helper);
    free(s->workdir);
    json_decref(s->config);
    repx_run_output_free(&s->output);
    *s = (struct scheduler){0};
}

static void helper_error(const char *name, const json_t *e, struct repx_err *err)
{
    int64_t code = state_int(e, "code", REPX_E_FAILED);

    (void)repx_fail(err, code > 0 && code < 1000 ? (int32_t)code : REPX_E_FAILED,
                    "scheduler %s: %s", name, state_text(e, "text", "no reason given"));
}

int scheduler_answer(const char *name, const char *text, size_t n,
                     void (*line)(void *ctx, const json_t *answer), void *ctx,
                     struct repx_err *err)
{
    const char *at = text, *stop = text + n;

    while (at < stop) {
        const char *end = memchr(at, '\n', (size_t)(stop - at));
        if (!end)
            break; /* cut off: no line */
        json_t *j = state_parse(at, (size_t)(end - at), "answer", err);
        if (!j)
            return repx_wrap(err, "scheduler %s", name);
        const json_t *e = json_object_get(j, "error");
        int is_error = json_is_object(e);
        if (is_error) {
            helper_error(name, e, err);
        } else if (line) {
            line(ctx, j);
        }
        json_decref(j);
        if (is_error)
            return 1;
        at = end + 1;
    }
    return 0;
}

/* The helper's account of what it ran is for the log, not for the caller. */
struct listener {
    void (*line)(void *ctx, const json_t *answer);
    void *ctx;
    json_t *commands;
};

static void on_answer(void *ctx, const json_t *answer)
{
    struct listener *l = ctx;
    json_t *commands = json_object_get(answer, "commands");

    if (json_is_object(commands)) {
        json_decref(l->commands);
        l->commands = json_incref(commands);
    } else if (l->line) {
        l->line(l->ctx, answer);
    }
}

/* Every call is written down: the budget of scheduler calls counts them (call_log.h). */
static void note_call(struct scheduler *s, const char *verb, int64_t begun, int ok,
                      const struct repx_err *err, const struct listener *l)
{
    struct call_note note = {s->noted ? s->noted : verb, repx_now_ms() - begun,
                             CALL_ANSWERED, l->commands};

    if (strcmp(s->name, "local") == 0)
        return; /* our own queue */
    if (!ok) {
        note.outcome =
            err && err->code == REPX_E_TIMEOUT ? CALL_TIMED_OUT : CALL_FAILED;
    }
    call_log_write(s->site, s->name, &note);
}

static int call_helper(struct scheduler *s, const char *verb, struct repx_run *run,
                       struct listener *l, struct repx_err *err)
{
    struct repx_err failed = {0};
    int rc = repx_run_command(run, &s->output, &failed);
    int told = scheduler_answer(s->name, repx_buf_text(&s->output.out),
                                s->output.out.len, on_answer, l, err);

    if (rc < 0) {
        *err = failed;
        return repx_wrap(err, "scheduler %s: %s", s->name, verb);
    }
    if (told != 0)
        return -1;
    if (run->status != 0) {
        return repx_fail(err, REPX_E_FAILED,
                         "scheduler %s: %s: the helper ended with status %d: %.200s",
                         s->name, verb, (int)run->status, run->errors);
    }
    return 0;
}

/* NOLINTNEXTLINE(readability-function-size): a call has seven sides */
int scheduler_call(struct scheduler *s, const char *verb, json_t *request,
                   int64_t timeout_ms, void (*line)(void *ctx, const json_t *answer),
                   void *ctx, struct repx_err *err)
{
    const char *const argv[] = {s->helper, verb, s->workdir, NULL};
    struct listener l = {line, ctx, NULL};
    struct repx_err unheard = {0};
    int64_t begun = repx_now_ms();

    err = err ? err : &unheard;
    (void)json_object_set_new(request, "v", json_integer(1));
    (void)json_object_set_new(request, "commands", json_true());
    (void)json_object_set(request, "config", s->config);
    (void)json_object_set_new(request, "timeout_ms", json_integer(timeout_ms));
    REPX_AUTO_FREE char *input = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    if (!input) {
        return repx_fail(err, REPX_E_CORRUPT, "scheduler %s: %s: text is no UTF-8",
                         s->name, verb);
    }
    struct repx_run run = {
        .size = sizeof(run),
        .argv = argv,
        .input = input,
        .input_len = strlen(input),
        .deadline_ms = repx_now_ms() + timeout_ms + GRACE_MS,
    };
    int rc = call_helper(s, verb, &run, &l, err);
    note_call(s, verb, begun, rc == 0, err, &l);
    json_decref(l.commands);
    return rc;
}

uint32_t scheduler_result(const char *name)
{
    static const char *const names[] = {"accepted", "refused", "room", "perhaps"};

    for (uint32_t i = 0; i < 4; i++) {
        if (strcmp(name, names[i]) == 0)
            return i + 1;
    }
    return REPX_SUBMIT_PERHAPS;
}

uint32_t scheduler_state(const char *name)
{
    static const char *const names[] = {"pending", "running",  "done",
                                        "failed",  "canceled", "timeout",
                                        "memory",  "node",     "ended"};

    for (uint32_t i = 0; i < 9; i++) {
        if (strcmp(name, names[i]) == 0)
            return i + 1;
    }
    return REPX_STATE_RUNNING;
}
