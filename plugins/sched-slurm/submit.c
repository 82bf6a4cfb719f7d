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

/* Units of this call that were accepted, by key. */
struct done {
    const char *key;
    char id[SLURM_ID_MAX];
};

struct submission {
    const struct slurm *slurm;
    const struct repx_submit_sink *sink;
    struct done *done;
    size_t done_count;
    int64_t deadline_ms;
    int late;            /* the last sbatch was ended by its deadline */
    const char *stopped; /* why the rest is not tried any more, or NULL */
};

static const struct repx_unit *unit_at(const struct repx_unit *units, uint64_t i,
                                       uint64_t stride)
{
    return (const struct repx_unit *)(const void *)((const char *)units + i * stride);
}

static const struct repx_dep *dep_at(const struct repx_unit *u, uint64_t i)
{
    return (const struct repx_dep *)(const void *)((const char *)u->deps +
                                                   i * u->dep_stride);
}

/* ---- one unit as arguments and script ---- */

static const char *done_id(const struct submission *s, const char *key)
{
    for (size_t i = s->done_count; i > 0; i--) {
        if (strcmp(s->done[i - 1].key, key) == 0)
            return s->done[i - 1].id;
    }
    return NULL;
}

static int add_dependencies(const struct submission *s, const struct repx_unit *u,
                            struct args *a, struct repx_err *err)
{
    struct repx_buf text REPX_AUTO_BUF = {0};
    struct repx_dep *deps = repx_array(u->dep_count, sizeof(*deps));
    int rc = 0;

    for (uint64_t i = 0; rc == 0 && i < u->dep_count; i++) {
        deps[i] = *dep_at(u, i);
        if (!deps[i].id)
            deps[i].id = done_id(s, deps[i].key);
        if (!deps[i].id)
            rc = repx_fail(err, REPX_E_USAGE, "what it depends on was not accepted");
    }
    if (rc == 0)
        rc = dependency_text(&text, deps, u->dep_count, sizeof(*deps), err);
    if (rc == 0 && text.len) {
        args_fmt(a, "--dependency=%s", text.data);
        /* without it a job whose producer failed would wait for ever */
        args_add(a, "--kill-on-invalid-dep=yes");
    }
    free(deps);
    return rc;
}

/* Relative to chdir, which is short; but Slurm looks for patterns in chdir, too, so one with
 * '%' in it is given here in full, where it can be written "%%". */
static void add_output(struct args *a, const struct repx_unit *u)
{
    const char *leaf = u->array ? "slurm-%a.out" : "slurm.out";
    REPX_AUTO_BUF struct repx_buf path = {0};

    for (const char *p = strchr(u->workdir, '%') ? u->workdir : ""; *p; p++)
        repx_buf_fmt(&path, *p == '%' ? "%c%%" : "%c", *p);
    args_fmt(a, "--output=%s%s%s", repx_buf_text(&path), path.len ? "/" : "", leaf);
}

static int build_args(const struct submission *s, const struct repx_unit *u,
                      struct args *a, struct repx_err *err)
{
    if (plain_text("the job's name", u->name, err) < 0 ||
        plain_text("the working directory", u->workdir, err) < 0)
        return -1;
    args_add(a, "env");
    args_add(a, "-i");
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        const char *value = getenv(kept[i]);
        if (value)
            args_fmt(a, "%s=%s", kept[i], value);
    }
    args_add(a, "sbatch");
    args_add(a, "--parsable");
    args_fmt(a, "--job-name=%s", u->name);
    args_fmt(a, "--comment=repx1:%s", u->key);
    args_fmt(a, "--chdir=%s", u->workdir);
    add_output(a, u);
    args_add(a, "--open-mode=append");
    args_add(a, "--export=ALL");
    /* After a lost node Slurm runs the job again under the same id, perhaps beside the
     * first copy: attempts are fenced, so that is safe, and its dependents go on. */
    args_add(a, "--requeue");
    if (u->array)
        args_fmt(a, "--array=0-%llu", (unsigned long long)(u->array - 1));
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
    if (u->body) {
        repx_buf_str(to, u->body);
    } else {
        repx_buf_str(to, "exec");
        for (size_t i = 0; u->argv[i]; i++) {
            repx_buf_char(to, ' ');
            repx_buf_shell(to, u->argv[i]);
        }
    }
    repx_buf_char(to, '\n');
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
                       const struct args *args, struct answer *a)
{
    struct repx_buf script REPX_AUTO_BUF = {0};
    const struct repx_host *host = s->slurm->host;
    int64_t deadline = host->now_ms(host->ctx) + SBATCH_MS;
    struct repx_err err = {0};
    struct repx_run run;

    build_script(u, &script);
    a->command = command_text((const char *const *)args->list, script.data);
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
    struct args args = {0};
    struct answer a = {0};
    struct repx_err err = {0};

    if (build_args(s, u, &args, &err) < 0) {
        s->sink->answer(s->sink->ctx, i, REPX_SUBMIT_REFUSED, NULL, err.text);
        args_free(&args);
        return;
    }
    ask_sbatch(s, u, &args, &a);
    args_free(&args);
    int accepted = a.result == REPX_SUBMIT_ACCEPTED;
    if (accepted) {
        s->done[s->done_count].key = u->key;
        memcpy(s->done[s->done_count++].id, a.id, sizeof(a.id));
    }
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
    s.done = repx_array(count, sizeof(*s.done));
    for (uint64_t i = 0; i < count; i++) {
        if (!s.stopped && deadline_ms && host->now_ms(host->ctx) >= deadline_ms)
            s.stopped = "time ran out";
        if (s.stopped) { /* not tried: the same again later */
            sink->answer(sink->ctx, i, REPX_SUBMIT_ROOM, NULL, s.stopped);
        } else {
            submit_one(&s, i, unit_at(units, i, stride));
        }
    }
    free(s.done);
    return 0;
}
