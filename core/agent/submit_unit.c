/* SPDX-License-Identifier: MIT */
/* submit_unit.c: a job's phase as the scheduler's helper gets it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <kit/alloc.h>

#include "core/agent/programs.h"
#include "core/agent/state_check.h"
#include "core/agent/submit_own.h"

#define DIGEST_LEN 32
#define FEEDER_TIME_S 1800
#define FEEDER_MEM (INT64_C(256) << 20)

json_t *submission_dep(const char *type, const char *id, const char *key)
{
    json_t *dep = json_pack("{s:s}", "type", type);

    (void)json_object_set_new(dep, id ? "id" : "key", json_string(id ? id : key));
    return dep;
}

/* The arguments after the agent's path. */
static json_t *arguments(const struct submission *s, const struct pending *p)
{
    char index[24];

    (void)snprintf(index, sizeof(index), "%zu", p->job);
    return json_pack("[s,s,s,s,s,s]", "job", s->site->base, s->run->id,
                     p->members ? "-" : index, p->phase, p->key);
}

/* The same for a node of any architecture, as shell text. */
static json_t *body(const struct submission *s, const json_t *rest)
{
    struct repx_buf text REPX_AUTO_BUF = {0};
    json_t *agents = json_object_get(s->run->record, "agents"), *word;
    REPX_AUTO_FREE char *root = programs_root(s->site);
    size_t i;

    repx_buf_str(&text, "case \"$(uname -m)\" in\n");
    for (void *at = json_object_iter(agents); at;
         at = json_object_iter_next(agents, at)) {
        REPX_AUTO_FREE char *path =
            repx_format("%s/%s", root, json_string_value(json_object_iter_value(at)));
        repx_buf_shell(&text, json_object_iter_key(at));
        repx_buf_str(&text, ") agent=");
        repx_buf_shell(&text, path);
        repx_buf_str(&text, " ;;\n");
    }
    repx_buf_str(&text,
                 "*) echo \"repx: no agent for $(uname -m) machines\" >&2; "
                 "exit 127 ;;\nesac\nexec \"$agent\"");
    json_array_foreach(rest, i, word)
    {
        repx_buf_char(&text, ' ');
        repx_buf_shell(&text, json_string_value(word));
    }
    repx_buf_char(&text, '\n');
    return json_string(repx_buf_text(&text));
}

static json_t *argv_of(const struct submission *s, const json_t *rest,
                       struct repx_err *err)
{
    struct utsname machine;

    (void)uname(&machine);
    const char *agent =
        state_text(json_object_get(s->run->record, "agents"), machine.machine, NULL);
    if (!agent) {
        (void)repx_fail(err, REPX_E_UNSUPPORTED, "run %s has no agent for %s machines",
                        s->run->id, machine.machine);
        return NULL;
    }
    json_t *argv = json_array();
    REPX_AUTO_FREE char *root = programs_root(s->site);
    REPX_AUTO_FREE char *path = repx_format("%s/%s", root, agent);
    (void)json_array_append_new(argv, json_string(path));
    json_t *words = json_copy((json_t *)(uintptr_t)rest);
    (void)json_array_extend(argv, words);
    json_decref(words);
    return argv;
}

static json_t *resources(const json_t *plan, const char *phase)
{
    static const char *const names[] = {"cpus", "mem", "time", "queue", "native"};
    const json_t *exe = json_object_get(json_object_get(plan, "exes"), phase);
    const json_t *from = json_object_get(exe, "res");
    json_t *to = json_object();

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        json_t *v = json_object_get(from, names[i]);
        if (v && !json_is_null(v))
            (void)json_object_set(to, names[i], v);
    }
    return to;
}

/* A key that no submission had before: the lowest generation without a directory. */
static int fresh_key(const struct submission *s, const char *job, const char *phase,
                     unsigned *generation, char key[27])
{
    struct stat st;

    for (*generation = 0; *generation < GENERATIONS_MAX; (*generation)++) {
        submission_key(s->run->id, job, phase, *generation, key);
        REPX_AUTO_FREE char *path = repx_format("%s/sub/%s", s->site->state, key);
        if (s->fresh || stat(path, &st) < 0)
            return 0;
    }
    return -1;
}

static void intend(struct submission *s, const struct pending *p, unsigned generation)
{
    json_t *jobs = json_array();
    size_t count = p->members ? p->array : 1;

    for (size_t i = 0; i < count; i++) {
        size_t job = p->members ? p->members[i] : p->job;
        (void)json_array_append_new(jobs, json_integer((json_int_t)job));
    }
    json_t *more = json_pack("{s:o,s:s,s:I}", "i", jobs, "phase", p->phase, "gen",
                             (json_int_t)generation);
    if (p->array)
        (void)json_object_set_new(more, "array", json_integer((json_int_t)p->array));
    journal_line(s, "intend", p->key, more);
}

const char *submission_stage(const char *id)
{
    const char *dash = strchr(id, '-');

    return dash == id + DIGEST_LEN && dash[1] ? dash + 1 : "";
}

char *submission_part(const char *phase, size_t first)
{
    return first ? repx_format("%s+%zu", phase, first) : repx_strdup(phase);
}

/* What people see in the scheduler's queue. */
static const char *name_of(const struct submission *s, const struct pending *p)
{
    const char *id = state_text(s->plan[p->job], "id", "");

    if (pending_is_feeder(p))
        return "repx-feed";
    if (pending_is_step(p))
        return p->phase;
    return p->members && *submission_stage(id) ? submission_stage(id) : id;
}

/* Of a feeder job: small, in the queue and with the account of the job it is named by. */
static json_t *feeder_resources(const json_t *plan)
{
    const json_t *exes = json_object_get(plan, "exes");
    json_t *res = resources(plan, json_object_get(exes, "main") ? "main" : "scatter");

    if (state_int(res, "time", FEEDER_TIME_S) >= FEEDER_TIME_S)
        (void)json_object_set_new(res, "time", json_integer(FEEDER_TIME_S));
    (void)json_object_set_new(res, "cpus", json_integer(1));
    if (state_int(res, "mem", 0) > FEEDER_MEM)
        (void)json_object_set_new(res, "mem", json_integer(FEEDER_MEM));
    return res;
}

static json_t *unit_resources(const struct submission *s, const struct pending *p)
{
    return pending_is_feeder(p) ? feeder_resources(s->plan[p->job])
                                : resources(s->plan[p->job], p->phase);
}

static json_t *unit_of(const struct submission *s, const struct pending *p,
                       json_t *deps, struct repx_err *err)
{
    json_t *rest = arguments(s, p), *unit = NULL;
    json_t *argv = argv_of(s, rest, err);
    REPX_AUTO_FREE char *workdir = repx_format("%s/sub/%s", s->site->state, p->key);

    if (argv) {
        unit = json_pack("{s:s,s:s,s:o,s:o,s:s,s:o,s:O}", "key", p->key, "name",
                         name_of(s, p), "argv", argv, "body", body(s, rest), "workdir",
                         workdir, "res", unit_resources(s, p), "deps", deps);
        if (p->array) {
            (void)json_object_set_new(unit, "array",
                                      json_integer((json_int_t)p->array));
        }
    }
    json_decref(rest);
    return unit;
}

/* Put it at the end of the batch; steals p->members and deps. */
static int add(struct submission *s, struct pending *p, json_t *deps,
               struct repx_err *err)
{
    const char *id = state_text(s->plan[p->job], "id", "");
    unsigned generation;
    REPX_AUTO_FREE char *part = submission_part(p->phase, p->first);
    int rc = fresh_key(s, id, part, &generation, p->key);

    if (rc < 0) {
        (void)repx_fail(err, REPX_E_FAILED, "%s: submitted too often in run %s", id,
                        s->run->id);
    } else {
        p->unit = unit_of(s, p, deps, err);
        rc = p->unit ? 0 : -1;
    }
    json_decref(deps);
    if (rc < 0) {
        free(p->members);
        return -1;
    }
    if (s->batch_count == s->batch_cap) {
        s->batch_cap = s->batch_cap ? s->batch_cap * 2 : 64;
        s->batch = repx_grow(s->batch, s->batch_cap, sizeof(*s->batch));
    }
    p->h = handover_begin(p->members || pending_is_step(p) ? p->array : 0);
    s->batch[s->batch_count++] = *p;
    intend(s, p, generation);
    return 0;
}

int submission_add(struct submission *s, size_t job, const char *phase, size_t array,
                   json_t *deps, struct repx_err *err)
{
    struct pending p = {.job = job, .phase = phase, .array = array};

    return add(s, &p, deps, err);
}

int submission_add_branches(struct submission *s, size_t job, const char *phase,
                            const size_t span[2], json_t *deps, struct repx_err *err)
{
    struct pending p = {.job = job, .phase = phase, .first = span[0], .array = span[1]};

    return add(s, &p, deps, err);
}

int submission_add_array(struct submission *s, const size_t *members, size_t count,
                         json_t *deps, struct repx_err *err)
{
    struct pending p = {.job = members[0], .phase = "main", .array = count};

    p.members = repx_array(count, sizeof(*p.members));
    memcpy(p.members, members, count * sizeof(*p.members));
    return add(s, &p, deps, err);
}

int submission_add_feeder(struct submission *s, json_t *deps, struct repx_err *err)
{
    struct pending p = {.phase = "feed"};

    while (p.job + 1 < s->run->count && s->jobs[p.job].what != DECIDE_NEW &&
           s->jobs[p.job].what != DECIDE_LATER)
        p.job++;
    return add(s, &p, deps, err);
}
