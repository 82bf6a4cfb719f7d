/* SPDX-License-Identifier: MIT */
/* submit.c: one bsub a unit, script on its standard input. LSF holds a job until others have
 * ended, well or not; that they ended well is seen to by the script (kit/records.h). */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "own.h"

#define NAME_MAX_LEN 48
#define SUBMIT_MS 60000

struct submission {
    struct lsf *s;
    const struct repx_submit_sink *sink;
    struct repx_batch batch;
    int64_t deadline_ms;
    const char *stopped; /* why the rest is not tried any more, or NULL */
};

/* ---- dependencies ---- */

/* What a unit waits for: as LSF is told, and lines of repx.deps. */
struct waits {
    struct repx_buf hold, lines;
};

static void waits_free(struct waits *w)
{
    repx_buf_free(&w->hold);
    repx_buf_free(&w->lines);
}

/* "ended(12) && ended(13)" */
static void hold_put(struct repx_buf *to, const char *id)
{
    repx_buf_fmt(to, "%sended(", to->len ? " && " : "");
    lsf_id_put(to, id);
    repx_buf_char(to, ')');
}

static void hold_args(struct repx_args *a, const struct repx_buf *hold)
{
    if (hold->len) {
        repx_args_add(a, "-w");
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
        if (!lsf_id_ok(id))
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
static const char *const handed_on[] = {
    "PATH", "LANG", "TZ", "LSF_ENVDIR", "LSF_SERVERDIR", "LSF_BINDIR", "LSF_LIBDIR"};

static void build_script(const struct lsf *s, const struct repx_unit *u,
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
    repx_records_script(s->records, u, "$LSB_JOBID", "$((LSB_JOBINDEX - 1))", to);
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

static int build_args(const struct lsf *s, const struct repx_unit *u,
                      struct repx_args *a, struct repx_err *err)
{
    REPX_AUTO_FREE char *name = plain_name(u);

    lsf_command(s, a, "bsub");
    repx_args_add(a, "-J");
    if (u->array) {
        repx_args_fmt(a, "%s.%s[1-%llu]", name, u->key, (unsigned long long)u->array);
    } else {
        repx_args_fmt(a, "%s.%s", name, u->key);
    }
    const char *const fixed[] = {
        "-o", "/dev/null", "-cwd", "/", "-L", "/bin/sh", "-r", /* attempts are fenced */
    };
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        repx_args_add(a, fixed[i]);
    return lsf_resources(s, a, &u->resources, err);
}

struct answer {
    uint32_t result;
    char id[REPX_ID_SIZE];
    char *text;
};

/* "Job <12> is submitted to queue <normal>." 1 or 0. */
static int parse_id(const char *out, char id[REPX_ID_SIZE])
{
    int found = 0;

    for (const char *at = out; (at = strstr(at, "Job <")) != NULL;) {
        at += 5;
        size_t n = strspn(at, "0123456789");
        if (n == 0 || n > 18 || strncmp(at + n, "> is submitted", 14) != 0)
            continue;
        memcpy(id, at, n);
        id[n] = 0;
        found = 1; /* the last one is bsub's own */
    }
    return found;
}

static uint32_t classify(int32_t status, const char *errors)
{
    static const char *const room[] = {
        "threshold reached", "Job array size exceeded the limit",
        "job limit reached", "exceeds the limit on pending",
        "User job limit",    NULL};

    if (repx_says(errors, room))
        return REPX_SUBMIT_ROOM;
    if (status == 0 || status == 128 + 9 || status == 128 + 15 ||
        lsf_unreachable(errors))
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
    if (lsf_run(s->s, a, &run, &err) < 0) {
        /* killed: perhaps it had handed the job over */
        answer->result =
            err.code == REPX_E_TIMEOUT ? REPX_SUBMIT_PERHAPS : REPX_SUBMIT_REFUSED;
        answer->text = repx_strdup(err.text);
    } else if (run.status == 0 && parse_id(run.out, answer->id)) {
        answer->result = REPX_SUBMIT_ACCEPTED;
        answer->text = repx_args_text(a, script->data);
    } else {
        answer->result = classify(run.status, run.errors);
        answer->text = repx_said(run.errors, "bsub: ");
    }
}

/* What has ended long ago may be unknown, and then the job is not taken: as it holds nothing
 * up, and the script looks for itself how it ended, it is left out. */
static void ask_twice(const struct submission *s, struct repx_args *a,
                      const struct waits *w, const struct repx_buf *script,
                      struct answer *answer)
{
    static const char *const unknown[] = {"No matching job found", "Job not found",
                                          "ependency condition invalid", NULL};
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
        s->stopped = "LSF gave no answer for a unit before it";
    }
    free(a.text);
}

/* NOLINTNEXTLINE(readability-function-size): as the vtable has it */
int32_t lsf_submit(void *self, const struct repx_unit *units, uint64_t count,
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

static int change_hold(struct lsf *s, const char *id, const struct repx_buf *hold,
                       int64_t deadline_ms, struct repx_err *err)
{
    struct repx_args a REPX_AUTO_ARGS = {0};
    struct repx_buf name REPX_AUTO_BUF = {0};
    struct repx_run run = {.deadline_ms = deadline_ms};

    lsf_command(s, &a, "bmod");
    if (hold->len) {
        hold_args(&a, hold);
    } else {
        repx_args_add(&a, "-wn");
    }
    lsf_id_put(&name, id);
    repx_args_add(&a, name.data);
    if (lsf_run(s, &a, &run, err) < 0)
        return -1;
    return run.status == 0 ? 0 : lsf_fail(&run, "bmod", err);
}

/* NOLINTNEXTLINE(readability-function-size): as the vtable has it */
int32_t lsf_amend(void *self, const char *id, const struct repx_dep *deps,
                  uint64_t count, uint64_t stride, int64_t deadline_ms,
                  struct repx_err *err)
{
    struct lsf *s = self;
    struct waits w __attribute__((cleanup(waits_free))) = {0};
    struct repx_buf before REPX_AUTO_BUF = {0};
    char key[REPX_KEY_SIZE];

    if (!lsf_id_ok(id) || strchr(id, '_'))
        return repx_fail(err, REPX_E_USAGE, "\"%s\" is no id of a job", id);
    if (waits_for(&w, NULL, deps, count, stride, err) < 0)
        return -1;
    int there = lsf_key_of(s, id, key, deadline_ms, err);
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
