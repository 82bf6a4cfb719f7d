/* SPDX-License-Identifier: MIT */
/* submit.c: one qsub a unit, script on its standard input.
 *
 * Grid Engine lets a job go when those it waits for have ended, well or not. So the script
 * looks for itself whether they ended well (kit/records.h), and only then runs the unit. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "own.h"
#include "parse.h"

#define NAME_MAX_LEN 48
#define QSUB_MS 60000
#define NOBODY "0" /* no job has this id: holds nothing */

struct submission {
    struct gridengine *g;
    const struct repx_submit_sink *sink;
    struct repx_batch batch;
    int64_t deadline_ms;
    const char *stopped; /* why the rest is not tried any more, or NULL */
};

/* ---- dependencies ---- */

/* What a unit waits for: ids for -hold_jid and -hold_jid_ad, and lines of repx.deps. */
struct waits {
    struct repx_buf ids, by_task, lines;
};

static void waits_free(struct waits *w)
{
    repx_buf_free(&w->ids);
    repx_buf_free(&w->by_task);
    repx_buf_free(&w->lines);
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
        if (!ge_id_ok(id))
            return repx_fail(err, REPX_E_USAGE, "\"%s\" is no id of a job", id);
        struct repx_buf *to = dep->type == REPX_DEP_CORR ? &w->by_task : &w->ids;
        repx_buf_fmt(to, "%s%.*s", to->len ? "," : "", (int)strcspn(id, "_"), id);
        if (dep->type == REPX_DEP_CORR) {
            repx_buf_fmt(&w->lines, "corr %s\n", id);
        } else if (dep->type != REPX_DEP_ANY) {
            repx_buf_fmt(&w->lines, "ok %s\n", id);
        }
    }
    return 0;
}

static void add_waits(struct repx_args *a, const struct waits *w, int by_task)
{
    struct repx_buf ids REPX_AUTO_BUF = {0};

    repx_buf_str(&ids, repx_buf_text(&w->ids));
    if (w->by_task.len && by_task) {
        repx_args_add(a, "-hold_jid_ad");
        repx_args_add(a, w->by_task.data);
    } else if (w->by_task.len) {
        repx_buf_fmt(&ids, "%s%s", ids.len ? "," : "", w->by_task.data);
    }
    if (ids.len) {
        repx_args_add(a, "-hold_jid");
        repx_args_add(a, ids.data);
    }
}

/* ---- the script ---- */

/* What a job needs to reach the qmaster again: a scatter submits from where it runs. */
static const char *const handed_on[] = {
    "PATH",
    "LD_LIBRARY_PATH",
    "LANG",
    "TZ",
    "SGE_ROOT",
    "SGE_CELL",
    "SGE_QMASTER_PORT",
    "SGE_EXECD_PORT",
    "SGE_CLUSTER_NAME",
    "SGE_ARCH",
};

static void put_environment(const struct gridengine *g, struct repx_buf *to)
{
    for (size_t i = 0; i < sizeof(handed_on) / sizeof(handed_on[0]); i++) {
        const char *value = getenv(handed_on[i]);
        const char *key = strcmp(handed_on[i], "SGE_ROOT") == 0   ? "sge_root"
                          : strcmp(handed_on[i], "SGE_CELL") == 0 ? "sge_cell"
                                                                  : NULL;
        const char *set = key ? g->host->config_text(g->host->ctx, key, 0) : NULL;
        if (set && *set)
            value = set;
        if (!value)
            continue;
        repx_buf_fmt(to, "%s=", handed_on[i]);
        repx_buf_shell(to, value);
        repx_buf_fmt(to, "; export %s\n", handed_on[i]);
    }
}

static void build_script(const struct gridengine *g, const struct repx_unit *u,
                         struct repx_buf *to)
{
    put_environment(g, to);
    repx_records_script(g->records, u, "$JOB_ID", "$((SGE_TASK_ID - 1))", to);
    /* to Grid Engine 99 means again, and 100 an error of its own */
    repx_buf_str(to,
                 "case $repx_status in 99 | 100) exit 98 ;; esac\n"
                 "exit $repx_status\n");
}

/* ---- one unit ---- */

/* "NAME.KEY", where NAME is what may stand in a name; not a digit first. */
static char *job_name(const struct repx_unit *u)
{
    static const char fine[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        "0123456789-_.+";
    REPX_AUTO_FREE char *name = repx_strndup(u->name, strnlen(u->name, NAME_MAX_LEN));

    for (char *p = name; *p; p++) {
        if (!strchr(fine, *p))
            *p = '_';
    }
    const char *lead = strchr("0123456789-.+", *name) ? "r" : "";
    return repx_format("%s%s.%s", lead, name, u->key);
}

static int build_args(const struct submission *s, const struct repx_unit *u,
                      struct repx_args *a, struct repx_err *err)
{
    const struct repx_host *host = s->g->host;
    const char *shell = host->config_text(host->ctx, "shell", 0);
    REPX_AUTO_FREE char *name = job_name(u);

    ge_command(s->g, a, "qsub");
    const char *const fixed[] = {
        "-terse", "-N", name, "-S",        shell ? shell : "/bin/sh",
        "-b",     "n",  "-C", "", /* no line of the script is an option */
        "-wd",    "/",  "-o", "/dev/null", "-j",
        "y",      "-r", "y", /* attempts are fenced */
    };
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        repx_args_add(a, fixed[i]);
    if (u->array) {
        repx_args_add(a, "-t");
        repx_args_fmt(a, "1-%llu", (unsigned long long)u->array);
    }
    return ge_resources(s->g, a, &u->resources, err);
}

struct answer {
    uint32_t result;
    char id[GE_ID_SIZE];
    char *text;
};

static uint32_t classify(const struct repx_run *run)
{
    static const char *const room[] = {"jobs are allowed per", "job rejected: Only",
                                       "exceeds job limit", NULL};

    if (repx_says(run->errors, room))
        return REPX_SUBMIT_ROOM;
    if (run->status == 0 || run->status > 128 || ge_unreachable(run->errors))
        return REPX_SUBMIT_PERHAPS;
    return REPX_SUBMIT_REFUSED;
}

static void ask_qsub(const struct submission *s, const struct repx_args *a,
                     const struct repx_buf *script, struct answer *answer)
{
    const struct repx_host *host = s->g->host;
    struct repx_run run = {.input = script->data,
                           .input_len = script->len,
                           .deadline_ms = host->now_ms(host->ctx) + QSUB_MS};
    struct repx_err err = {0};

    if (s->deadline_ms && s->deadline_ms < run.deadline_ms)
        run.deadline_ms = s->deadline_ms;
    if (ge_run(s->g, a, &run, &err) < 0) {
        answer->result =
            err.code == REPX_E_TIMEOUT ? REPX_SUBMIT_PERHAPS : REPX_SUBMIT_REFUSED;
        answer->text = repx_strdup(err.text);
    } else if (run.status == 0 && ge_parse_id(run.out, answer->id)) {
        answer->result = REPX_SUBMIT_ACCEPTED;
        answer->text = repx_args_text(a, script->data);
    } else {
        answer->result = classify(&run);
        answer->text = repx_said(run.errors, "Unable to run job: ");
    }
}

/* Task by task needs an array with the same tasks that is still there: where that is not
 * so, all of it is waited for. */
static void try_qsub(const struct submission *s, struct repx_args *a,
                     const struct waits *w, const struct repx_buf *script,
                     struct answer *answer)
{
    size_t count = a->count;

    for (int by_task = w->by_task.len > 0; by_task >= 0; by_task--) {
        repx_args_cut(a, count);
        add_waits(a, w, by_task);
        free(answer->text);
        ask_qsub(s, a, script, answer);
        if (answer->result != REPX_SUBMIT_REFUSED)
            return;
    }
}

/* Somebody has submitted this key before: then that is the unit. */
static int is_there(struct submission *s, const struct repx_unit *u, struct answer *a)
{
    uint32_t state;

    if (!repx_records_find(s->g->records, u->key, a->id, &state))
        return 0;
    a->result = REPX_SUBMIT_ACCEPTED;
    return 1;
}

static int submit_unit(struct submission *s, const struct repx_unit *u,
                       struct answer *answer, struct repx_err *err)
{
    struct repx_args a REPX_AUTO_ARGS = {0};
    struct repx_buf script REPX_AUTO_BUF = {0};
    struct waits w __attribute__((cleanup(waits_free))) = {0};

    if (repx_text_plain("the working directory", u->workdir, err) < 0 ||
        build_args(s, u, &a, err) < 0 ||
        waits_for(&w, &s->batch, u->deps, u->dep_count, u->dep_stride, err) < 0)
        return -1;
    int rc = repx_records_prepare(s->g->records, u, &w.lines, err);
    if (rc < 0)
        return -1;
    if (rc == 1 && is_there(s, u, answer))
        return 0;
    build_script(s->g, u, &script);
    try_qsub(s, &a, &w, &script, answer);
    /* it is submitted, whatever becomes of the note of that: the job makes its own */
    if (answer->result == REPX_SUBMIT_ACCEPTED)
        (void)repx_records_accepted(s->g->records, u, answer->id, NULL);
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
        s->stopped = "Grid Engine gave no answer for a unit before it";
    }
    free(a.text);
}

/* NOLINTNEXTLINE(readability-function-size): as the vtable has it */
int32_t ge_submit(void *self, const struct repx_unit *units, uint64_t count,
                  uint64_t stride, const struct repx_submit_sink *sink,
                  int64_t deadline_ms, struct repx_err *err)
{
    struct submission s = {.g = self, .sink = sink, .deadline_ms = deadline_ms};
    const struct repx_host *host = s.g->host;

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

static int ask_qalter(struct gridengine *g, const char *id, const struct waits *w,
                      int64_t deadline_ms, struct repx_err *err)
{
    struct repx_args a REPX_AUTO_ARGS = {0};
    struct repx_run run = {.deadline_ms = deadline_ms};

    ge_command(g, &a, "qalter");
    add_waits(&a, w, 0);
    if (a.count == 1) {
        repx_args_add(&a, "-hold_jid");
        repx_args_add(&a, NOBODY);
    }
    repx_args_add(&a, id);
    if (ge_run(g, &a, &run, err) < 0)
        return -1;
    return run.status == 0 ? 0 : ge_fail(&run, "qalter", err);
}

/* NOLINTNEXTLINE(readability-function-size): as the vtable has it */
int32_t ge_amend(void *self, const char *id, const struct repx_dep *deps,
                 uint64_t count, uint64_t stride, int64_t deadline_ms,
                 struct repx_err *err)
{
    struct gridengine *g = self;
    struct waits w __attribute__((cleanup(waits_free))) = {0};
    struct repx_buf before REPX_AUTO_BUF = {0};
    char key[REPX_KEY_SIZE];

    if (!ge_id_ok(id) || strchr(id, '_'))
        return repx_fail(err, REPX_E_USAGE, "\"%s\" is no id of a job", id);
    if (waits_for(&w, NULL, deps, count, stride, err) < 0)
        return -1;
    int there = ge_key_of(self, id, key, deadline_ms, err);
    if (there == 0)
        return repx_fail(err, REPX_E_NOENT, "job %s is not in the queue", id);
    if (there < 0 || repx_records_deps_read(g->records, key, &before) < 0 ||
        repx_records_deps(g->records, key, &w.lines, err) < 0)
        return -1;
    int rc = ask_qalter(self, id, &w, deadline_ms, err);
    if (rc < 0 && (!err || err->code != REPX_E_TIMEOUT)) /* it still waits as before */
        (void)repx_records_deps(g->records, key, &before, NULL);
    return rc;
}
