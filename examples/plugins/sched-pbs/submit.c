/* SPDX-License-Identifier: MIT */
/* submit.c: one qsub a unit, script on its standard input. OpenPBS holds a job until others have
 * ended, well or not; that they ended well is seen to by the script (kit/records.h). */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "own.h"

#define NAME_MAX_LEN 48
#define SUBMIT_MS 60000

struct submission {
    struct pbs *s;
    const struct repx_submit_sink *sink;
    struct repx_batch batch;
    int64_t deadline_ms;
    const char *stopped; /* why the rest is not tried any more, or NULL */
};

/* ---- dependencies ---- */

/* What a unit waits for: as OpenPBS is told, and lines of repx.deps. */
struct waits {
    struct repx_buf hold, lines;
};

static void waits_free(struct waits *w)
{
    repx_buf_free(&w->hold);
    repx_buf_free(&w->lines);
}

/* "afterany:12:13[]": once for each job */
static void hold_put(struct repx_buf *to, const char *id)
{
    repx_buf_fmt(to, "%s:%.*s", to->len ? "" : "depend=afterany", (int)strcspn(id, "_"),
                 id);
}

static void hold_args(struct repx_args *a, const struct repx_buf *hold)
{
    if (hold->len) {
        repx_args_add(a, "-W");
        repx_args_add(a, hold->data);
    }
}

static int waits_for(struct waits *w, const struct repx_batch *batch,
                     const struct repx_dep *deps, uint64_t count, uint64_t stride,
                     struct repx_err *err)
{
    for (uint64_t i = 0; i < count; i++) {
        const struct repx_dep *dep = repx_dep_at(deps, i, stride);
        const char *id = repx_batch_id(batch, dep);
        if (!id)
            return repx_fail(err, REPX_E_USAGE, "what it depends on was not accepted");
        if (!pbs_id_ok(id))
            return repx_fail(err, REPX_E_USAGE, "\"%s\" is no id of a job", id);
        hold_put(&w->hold, id);
        if (dep->type == REPX_DEP_CORR) {
            repx_buf_fmt(&w->lines, "corr %s\n", id);
        } else if (dep->type != REPX_DEP_ANY) {
            repx_buf_fmt(&w->lines, "ok %s\n", id);
        }
    }
    return 0;
}

/* ---- one unit ---- */

/* What a job needs to submit others from where it runs: a scatter does. */
static const char *const handed_on[] = {"PATH",       "LANG",          "TZ",
                                        "PBS_SERVER", "PBS_CONF_FILE", "PBS_EXEC"};

static void build_script(const struct pbs *s, const struct repx_unit *u,
                         struct repx_buf *to)
{
    repx_buf_str(to, "#!/bin/sh\n");
    for (size_t i = 0; i < sizeof(handed_on) / sizeof(handed_on[0]); i++) {
        const char *value = getenv(handed_on[i]);
        if (!value)
            continue;
        repx_buf_fmt(to, "%s=", handed_on[i]);
        repx_buf_shell(to, value);
        repx_buf_fmt(to, "; export %s\n", handed_on[i]);
    }
    repx_records_script(s->records, u,
                        u->array > 1 ? "${PBS_JOBID%%\\[*}[]" : "${PBS_JOBID%%.*}",
                        u->array > 1 ? "$PBS_ARRAY_INDEX" : "0", to);
    repx_buf_str(to, "exit $repx_status\n");
}

/* What may stand in a name; a letter first. */
static char *plain_name(const struct repx_unit *u)
{
    static const char fine[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        "0123456789-_.";
    REPX_AUTO_FREE char *name = repx_strndup(u->name, strnlen(u->name, NAME_MAX_LEN));

    for (char *p = name; *p; p++) {
        if (!strchr(fine, *p))
            *p = '_';
    }
    return repx_format("%s%s", strchr("0123456789-_.", *name) ? "r" : "", name);
}

static int build_args(const struct pbs *s, const struct repx_unit *u,
                      struct repx_args *a, struct repx_err *err)
{
    REPX_AUTO_FREE char *name = plain_name(u);

    pbs_command(s, a, "qsub");
    repx_args_add(a, "-N");
    repx_args_fmt(a, "%s.%s", name, u->key);
    const char *const fixed[] = {
        "-C", "", /* no line of the script is an option */
        "-S", "/bin/sh", "-o", "/dev/null",
        "-j", "oe",      "-r", "y", /* attempts are fenced */
    };
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        repx_args_add(a, fixed[i]);
    if (u->array > 1) { /* one of one is a plain job, whose index is 0 */
        repx_args_add(a, "-J");
        repx_args_fmt(a, "0-%llu", (unsigned long long)(u->array - 1));
    }
    return pbs_resources(s, a, &u->resources, err);
}

struct answer {
    uint32_t result;
    char id[REPX_ID_SIZE];
    char *text;
};

/* "12.server" or "12[].server", perhaps after lines of a site's wrapper. 1 or 0. */
static int parse_id(const char *out, char id[REPX_ID_SIZE])
{
    int found = 0;

    while (*out) {
        size_t line = strcspn(out, "\n"), n = strspn(out, "0123456789");
        size_t all = n + (strncmp(out + n, "[]", 2) == 0 ? 2 : 0);
        if (n > 0 && n < 20 && (all == line || out[all] == '.')) {
            memcpy(id, out, all);
            id[all] = 0;
            found = 1; /* the last one is qsub's own */
        }
        out += line + (out[line] == '\n');
    }
    return found;
}

static uint32_t classify(int32_t status, const char *errors)
{
    static const char *const room[] = {"would exceed",
                                       "Maximum number of jobs already in queue",
                                       "per-user limit", NULL};

    if (repx_says(errors, room))
        return REPX_SUBMIT_ROOM;
    if (status == 0 || status == 128 + 9 || status == 128 + 15 ||
        pbs_unreachable(errors))
        return REPX_SUBMIT_PERHAPS;
    return REPX_SUBMIT_REFUSED;
}

static void ask(const struct submission *s, const struct repx_args *a,
                const struct repx_buf *script, struct answer *answer)
{
    const struct repx_host *host = s->s->host;
    struct repx_run run = {.input = script->data,
                           .input_len = script->len,
                           .deadline_ms = host->now_ms(host->ctx) + SUBMIT_MS};
    struct repx_err err = {0};

    if (s->deadline_ms && s->deadline_ms < run.deadline_ms)
        run.deadline_ms = s->deadline_ms;
    if (pbs_run(s->s, a, &run, &err) < 0) {
        /* killed: perhaps it had handed the job over */
        answer->result =
            err.code == REPX_E_TIMEOUT ? REPX_SUBMIT_PERHAPS : REPX_SUBMIT_REFUSED;
        answer->text = repx_strdup(err.text);
    } else if (run.status == 0 && parse_id(run.out, answer->id)) {
        answer->result = REPX_SUBMIT_ACCEPTED;
        answer->text = repx_args_text(a, script->data);
    } else {
        answer->result = classify(run.status, run.errors);
        answer->text = repx_said(run.errors, "qsub: ");
    }
}

/* What has ended long ago may be unknown, and then the job is not taken: as it holds nothing
 * up, and the script looks for itself how it ended, it is left out. */
static void ask_twice(const struct submission *s, struct repx_args *a,
                      const struct waits *w, const struct repx_buf *script,
                      struct answer *answer)
{
    static const char *const unknown[] = {"Unknown Job Id", "has finished",
                                          "invalid dependency", "Illegal dependency",
                                          NULL};
    size_t count = a->count;

    hold_args(a, &w->hold);
    ask(s, a, script, answer);
    if (!w->hold.len || answer->result != REPX_SUBMIT_REFUSED ||
        !repx_says(answer->text, unknown))
        return;
    repx_args_cut(a, count);
    free(answer->text);
    ask(s, a, script, answer);
}

static int submit_unit(struct submission *s, const struct repx_unit *u,
                       struct answer *answer, struct repx_err *err)
{
    struct repx_args a REPX_AUTO_ARGS = {0};
    struct repx_buf script REPX_AUTO_BUF = {0};
    struct waits w __attribute__((cleanup(waits_free))) = {0};
    uint32_t state;

    if (repx_text_plain("the working directory", u->workdir, err) < 0 ||
        build_args(s->s, u, &a, err) < 0 ||
        waits_for(&w, &s->batch, u->deps, u->dep_count, u->dep_stride, err) < 0)
        return -1;
    int rc = repx_records_prepare(s->s->records, u, &w.lines, err);
    if (rc < 0)
        return -1;
    /* somebody has submitted this key before: then that is the unit */
    if (rc == 1 && repx_records_find(s->s->records, u->key, answer->id, &state)) {
        answer->result = REPX_SUBMIT_ACCEPTED;
        return 0;
    }
    build_script(s->s, u, &script);
    ask_twice(s, &a, &w, &script, answer);
    /* it is submitted, whatever becomes of the note of that: the job makes its own */
    if (answer->result == REPX_SUBMIT_ACCEPTED)
        (void)repx_records_accepted(s->s->records, u, answer->id, NULL);
    return 0;
}

static void submit_one(struct submission *s, uint64_t i, const struct repx_unit *u)
{
    struct answer a = {.result = REPX_SUBMIT_REFUSED};
    struct repx_err err = {0};

    if (submit_unit(s, u, &a, &err) < 0) {
        s->sink->answer(s->sink->ctx, i, REPX_SUBMIT_REFUSED, NULL, err.text);
        free(a.text);
        return;
    }
    int accepted = a.result == REPX_SUBMIT_ACCEPTED;
    if (accepted)
        repx_batch_add(&s->batch, u->key, a.id);
    s->sink->answer(s->sink->ctx, i, a.result, accepted ? a.id : NULL,
                    a.text ? a.text : "");
    if (a.result == REPX_SUBMIT_ROOM) {
        s->stopped = "there was no room for a unit before it";
    } else if (a.result == REPX_SUBMIT_PERHAPS) {
        s->stopped = "OpenPBS gave no answer for a unit before it";
    }
    free(a.text);
}

/* NOLINTNEXTLINE(readability-function-size): as the vtable has it */
int32_t pbs_submit(void *self, const struct repx_unit *units, uint64_t count,
                   uint64_t stride, const struct repx_submit_sink *sink,
                   int64_t deadline_ms, struct repx_err *err)
{
    struct submission s = {.s = self, .sink = sink, .deadline_ms = deadline_ms};
    const struct repx_host *host = s.s->host;

    (void)err;
    repx_batch_open(&s.batch, count);
    for (uint64_t i = 0; i < count; i++) {
        if (!s.stopped && deadline_ms && host->now_ms(host->ctx) >= deadline_ms)
            s.stopped = "time ran out";
        if (s.stopped) { /* not tried: the same again later */
            sink->answer(sink->ctx, i, REPX_SUBMIT_ROOM, NULL, s.stopped);
        } else {
            submit_one(&s, i, repx_unit_at(units, i, stride));
        }
    }
    repx_batch_close(&s.batch);
    return 0;
}

/* ---- amend ---- */

static int change_hold(struct pbs *s, const char *id, const struct repx_buf *hold,
                       int64_t deadline_ms, struct repx_err *err)
{
    struct repx_args a REPX_AUTO_ARGS = {0};
    struct repx_buf name REPX_AUTO_BUF = {0};
    struct repx_run run = {.deadline_ms = deadline_ms};

    pbs_command(s, &a, "qalter");
    repx_args_add(&a, "-W");
    repx_args_add(&a, hold->len ? hold->data : "depend=");
    pbs_id_put(&name, id);
    repx_args_add(&a, name.data);
    if (pbs_run(s, &a, &run, err) < 0)
        return -1;
    return run.status == 0 ? 0 : pbs_fail(&run, "qalter", err);
}

/* NOLINTNEXTLINE(readability-function-size): as the vtable has it */
int32_t pbs_amend(void *self, const char *id, const struct repx_dep *deps,
                  uint64_t count, uint64_t stride, int64_t deadline_ms,
                  struct repx_err *err)
{
    struct pbs *s = self;
    struct waits w __attribute__((cleanup(waits_free))) = {0};
    struct repx_buf before REPX_AUTO_BUF = {0};
    char key[REPX_KEY_SIZE];

    if (!pbs_id_ok(id) || strchr(id, '_'))
        return repx_fail(err, REPX_E_USAGE, "\"%s\" is no id of a job", id);
    if (waits_for(&w, NULL, deps, count, stride, err) < 0)
        return -1;
    int there = pbs_key_of(s, id, key, deadline_ms, err);
    if (there == 0)
        return repx_fail(err, REPX_E_NOENT, "job %s is not in the queue", id);
    if (there < 0 || repx_records_deps_read(s->records, key, &before) < 0 ||
        repx_records_deps(s->records, key, &w.lines, err) < 0)
        return -1;
    int rc = change_hold(s, id, &w.hold, deadline_ms, err);
    if (rc < 0 && (!err || err->code != REPX_E_TIMEOUT)) /* it still waits as before */
        (void)repx_records_deps(s->records, key, &before, NULL);
    return rc;
}
