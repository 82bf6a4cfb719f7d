/* SPDX-License-Identifier: MIT */
/* submit.c: one sbatch a unit, script on its standard input, options as arguments. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "own.h"
#include "parse.h"

#define SBATCH_MS 30000 /* one that waits for room never ends by itself */
#define FIND_MS 4000    /* for one question after it, even when time is up */

/* sbatch is started with these variables and no others, and hands them to the job. With a
 * list of names in --export Slurm would run the user's login shell on the node first, for
 * as long as that takes; and a job that submits (a scatter) would hand on its own
 * SLURM_ARRAY_*. The supervisor needs PATH to find sbatch again; what a job's script sees
 * is the supervisor's affair. */
static const char *const kept[] = {
    "HOME",
    "LANG",
    "LD_LIBRARY_PATH",
    "LOGNAME",
    "PATH",
    "SHELL",
    "SLURM_CONF",
    "TZ",
    "USER",
    "SBATCH_ACCOUNT",
    "SBATCH_CONSTRAINT",
    "SBATCH_PARTITION",
    "SBATCH_QOS",
    "SBATCH_RESERVATION",
};

struct submission {
    const struct slurm *slurm;
    const struct repx_submit_sink *sink;
    struct repx_batch done; /* units of this call that were accepted */
    int64_t deadline_ms;
    int late;            /* the last sbatch was ended by its deadline */
    const char *stopped; /* why the rest is not tried any more, or NULL */
};

/* ---- one unit as arguments and script ---- */

static int add_dependencies(const struct submission *s, const struct repx_unit *u,
                            struct repx_args *a, struct repx_err *err)
{
    struct repx_buf text REPX_AUTO_BUF = {0};
    struct repx_dep *deps = repx_array(u->dep_count, sizeof(*deps));
    int rc = 0;

    for (uint64_t i = 0; rc == 0 && i < u->dep_count; i++) {
        deps[i] = *repx_dep_at(u->deps, i, u->dep_stride);
        deps[i].id = repx_batch_id(&s->done, &deps[i]);
        if (!deps[i].id)
            rc = repx_fail(err, REPX_E_USAGE, "what it depends on was not accepted");
    }
    if (rc == 0)
        rc = dependency_text(&text, deps, u->dep_count, sizeof(*deps), err);
    if (rc == 0 && text.len) {
        repx_args_fmt(a, "--dependency=%s", text.data);
        /* without it a job whose producer failed would wait for ever */
        repx_args_add(a, "--kill-on-invalid-dep=yes");
    }
    free(deps);
    return rc;
}

/* Relative to chdir, which is short; but Slurm looks for patterns in chdir, too, so one with
 * '%' in it is given here in full, where it can be written "%%". */
static void add_output(struct repx_args *a, const struct repx_unit *u)
{
    const char *leaf = u->array ? "slurm-%a.out" : "slurm.out";
    REPX_AUTO_BUF struct repx_buf path = {0};

    for (const char *p = strchr(u->workdir, '%') ? u->workdir : ""; *p; p++)
        repx_buf_fmt(&path, *p == '%' ? "%c%%" : "%c", *p);
    repx_args_fmt(a, "--output=%s%s%s", repx_buf_text(&path), path.len ? "/" : "",
                  leaf);
}

static int build_args(const struct submission *s, const struct repx_unit *u,
                      struct repx_args *a, struct repx_err *err)
{
    if (repx_text_plain("the job's name", u->name, err) < 0 ||
        repx_text_plain("the working directory", u->workdir, err) < 0)
        return -1;
    repx_args_add(a, "env");
    repx_args_add(a, "-i");
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        const char *value = getenv(kept[i]);
        if (value)
            repx_args_fmt(a, "%s=%s", kept[i], value);
    }
    repx_args_add(a, "sbatch");
    repx_args_add(a, "--parsable");
    repx_args_fmt(a, "--job-name=%s", u->name);
    repx_args_fmt(a, "--comment=repx1:%s", u->key);
    repx_args_fmt(a, "--chdir=%s", u->workdir);
    add_output(a, u);
    repx_args_add(a, "--open-mode=append");
    repx_args_add(a, "--export=ALL");
    /* After a lost node Slurm runs the job again under the same id, perhaps beside the
     * first copy: attempts are fenced, so that is safe, and its dependents go on. */
    repx_args_add(a, "--requeue");
    if (u->array)
        repx_args_fmt(a, "--array=0-%llu", (unsigned long long)(u->array - 1));
    if (add_dependencies(s, u, a, err) < 0)
        return -1;
    return args_resources(a, &u->resources, err);
}

static void build_script(const struct repx_unit *u, struct repx_buf *to)
{
    repx_buf_str(to, "#!/bin/sh\n");
    /* A job that was submitted by a job inherits the other's SLURM_ARRAY_*: which of
     * them count is known here. */
    repx_buf_str(to, u->array ? "REPX_UNIT=$SLURM_ARRAY_JOB_ID\n"
                                "REPX_INDEX=$SLURM_ARRAY_TASK_ID\n"
                                "export REPX_UNIT REPX_INDEX\n"
                              : "REPX_UNIT=$SLURM_JOB_ID\n"
                                "unset REPX_INDEX\n"
                                "export REPX_UNIT\n");
    repx_unit_program(u, to);
}

/* As a person would type it: without the environment before `sbatch`. Caller frees. */
static char *command_text(const struct repx_args *args, const char *script)
{
    struct repx_args from = *args;

    for (; from.count && strcmp(*from.list, "sbatch") != 0; from.count--)
        from.list++;
    return repx_args_text(&from, script);
}

/* ---- what sbatch says ---- */

static void count_found(void *ctx, const char *key, const char *id, uint32_t state)
{
    (void)key, (void)state;
    (void)snprintf(ctx, SLURM_ID_MAX, "%s", id);
}

/* sbatch was killed while it waited for room: is the job there? 1, 0, -1 unknown. */
static int is_there(const struct submission *s, const char *key, char id[SLURM_ID_MAX])
{
    const struct repx_found_sink sink = {id, count_found};
    const char *const keys[] = {key};
    const struct repx_host *host = s->slurm->host;
    int64_t deadline = host->now_ms(host->ctx) + FIND_MS;

    id[0] = 0;
    if (slurm_find((void *)(uintptr_t)s->slurm, keys, 1, 0, &sink, deadline, NULL) < 0)
        return -1;
    return id[0] != 0;
}

struct answer {
    uint32_t result;
    char id[SLURM_ID_MAX];
    char *text;
    char *command; /* what was run, script included; or NULL */
};

static void read_answer(const struct submission *s, const struct repx_unit *u, int rc,
                        const struct repx_run *run, struct answer *a)
{
    int killed = rc < 0;

    a->text = slurm_message(run->errors);
    if (!killed && run->status == 0 && slurm_parse_id(run->out, a->id)) {
        a->result = REPX_SUBMIT_ACCEPTED;
        return;
    }
    a->result = slurm_classify(killed ? 128 + 9 : run->status, run->errors);
    /* one that was ended as soon as it said so had its answer: it slept */
    if (!killed || a->result != REPX_SUBMIT_ROOM || !s->late)
        return;
    int there = is_there(s, u->key, a->id);
    if (there != 0)
        a->result = there > 0 ? REPX_SUBMIT_ACCEPTED : REPX_SUBMIT_PERHAPS;
}

static void ask_sbatch(struct submission *s, const struct repx_unit *u,
                       const struct repx_args *args, struct answer *a)
{
    struct repx_buf script REPX_AUTO_BUF = {0};
    const struct repx_host *host = s->slurm->host;
    int64_t deadline = host->now_ms(host->ctx) + SBATCH_MS;
    struct repx_err err = {0};
    struct repx_run run;

    build_script(u, &script);
    a->command = command_text(args, script.data);
    if (s->deadline_ms && s->deadline_ms < deadline)
        deadline = s->deadline_ms;
    int rc = slurm_run(s->slurm, (const char *const *)args->list, script.data, deadline,
                       &run, &err);
    s->late = host->now_ms(host->ctx) >= deadline;
    if (rc < 0 && err.code != REPX_E_TIMEOUT) {
        a->result = REPX_SUBMIT_REFUSED; /* it could not be started at all */
        a->text = repx_strdup(err.text);
        return;
    }
    read_answer(s, u, rc, &run, a);
    if (rc < 0 && !*a->text) {
        free(a->text);
        a->text = repx_strdup(err.text);
    }
}

/* ---- the units in order ---- */

static void submit_one(struct submission *s, uint64_t i, const struct repx_unit *u)
{
    REPX_AUTO_ARGS struct repx_args args = {0};
    struct answer a = {0};
    struct repx_err err = {0};

    if (build_args(s, u, &args, &err) < 0) {
        s->sink->answer(s->sink->ctx, i, REPX_SUBMIT_REFUSED, NULL, err.text);
        return;
    }
    ask_sbatch(s, u, &args, &a);
    int accepted = a.result == REPX_SUBMIT_ACCEPTED;
    if (accepted)
        repx_batch_add(&s->done, u->key, a.id);
    s->sink->answer(s->sink->ctx, i, a.result, accepted ? a.id : NULL,
                    accepted ? a.command : a.text);
    if (a.result == REPX_SUBMIT_ROOM) {
        s->stopped = "there was no room for a unit before it";
    } else if (a.result == REPX_SUBMIT_PERHAPS) {
        s->stopped = "the controller gave no answer for a unit before it";
    }
    free(a.text);
    free(a.command);
}

/* NOLINTNEXTLINE(readability-function-size): as the vtable has it */
int32_t slurm_submit(void *self, const struct repx_unit *units, uint64_t count,
                     uint64_t stride, const struct repx_submit_sink *sink,
                     int64_t deadline_ms, struct repx_err *err)
{
    struct submission s = {.slurm = self, .sink = sink, .deadline_ms = deadline_ms};
    const struct repx_host *host = s.slurm->host;

    (void)err;
    repx_batch_open(&s.done, count);
    for (uint64_t i = 0; i < count; i++) {
        if (!s.stopped && deadline_ms && host->now_ms(host->ctx) >= deadline_ms)
            s.stopped = "time ran out";
        if (s.stopped) { /* not tried: the same again later */
            sink->answer(sink->ctx, i, REPX_SUBMIT_ROOM, NULL, s.stopped);
        } else {
            submit_one(&s, i, repx_unit_at(units, i, stride));
        }
    }
    repx_batch_close(&s.done);
    return 0;
}
