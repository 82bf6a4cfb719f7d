/* SPDX-License-Identifier: MIT */
#include "meta.h"

#include <string.h>

#include <kit/alloc.h>

#include "core/json/json.h"

#include "jobid.h"

/* The path of the run's metadata in the Lab. Caller frees. */
static char *meta_run_path(const struct def_run *run)
{
    return repx_format("revision/metadata-%s.json", run->name);
}

char *meta_script_name(const struct def_stage *s, const struct def_phase *p)
{
    return strcmp(p->name, "main") == 0 ? repx_strdup(s->name)
                                        : repx_format("%s-%s", s->name, p->name);
}

static void put_key(struct repx_buf *to, const char *key)
{
    if (to->len && to->data[to->len - 1] != '{')
        repx_buf_char(to, ',');
    json_put_string(to, key);
    repx_buf_char(to, ':');
}

static void put_text(struct repx_buf *to, const char *key, const char *value)
{
    put_key(to, key);
    json_put_string(to, value);
}

static void put_names(struct repx_buf *to, const struct def_names *names)
{
    repx_buf_char(to, '[');
    for (size_t i = 0; i < names->count; i++) {
        if (i)
            repx_buf_char(to, ',');
        json_put_string(to, names->at[i]);
    }
    repx_buf_char(to, ']');
}

void meta_put_params(struct repx_buf *to, const struct stage_jobs *s,
                     const struct job *j)
{
    repx_buf_char(to, '{');
    for (size_t i = 0; i < s->names.count; i++) {
        const char *name = s->names.at[i];
        if (!def_param_find(s->stage, name) && !def_names_has(&s->stage->inherit, name))
            continue;
        put_key(to, name);
        repx_buf_str(to, j->values[i]);
    }
    repx_buf_char(to, '}');
}

static void put_hints(struct repx_buf *to, const struct def_hints *h)
{
    if (!h->set)
        return;
    put_key(to, "resource_hints");
    repx_buf_char(to, '{');
    if (h->mem)
        put_text(to, "mem", h->mem);
    if (h->cpus) {
        put_key(to, "cpus");
        repx_buf_fmt(to, "%ld", h->cpus);
    }
    if (h->time)
        put_text(to, "time", h->time);
    if (h->partition)
        put_text(to, "partition", h->partition);
    if (h->sbatch_opts.count) {
        put_key(to, "sbatch_opts");
        put_names(to, &h->sbatch_opts);
    }
    repx_buf_char(to, '}');
}

/* ---- inputs ---- */

static void mapping_begin(struct repx_buf *to, const char *target_input)
{
    repx_buf_str(to, to->data[to->len - 1] == '[' ? "{" : ",{");
    put_text(to, "target_input", target_input);
}

/* One of the job's inputs; a reduction is one mapping for each member of its group. */
static void put_job_input(struct repx_buf *to, const struct job *j, size_t i)
{
    const struct def_input *in = &j->stage->inputs[i];
    struct pool names = {0};

    if (in->from != DEF_FROM_STAGE) {
        mapping_begin(to, in->name);
        put_text(to, "type", in->from == DEF_FROM_BASE ? "global" : "inter-run");
        if (in->from == DEF_FROM_RUN) {
            put_text(to, "source_run", in->source);
            put_text(to, "dependency_type", "soft");
        }
        repx_buf_char(to, '}');
        return;
    }
    for (size_t k = 0; k < j->inputs[i]->count; k++) {
        mapping_begin(to, job_input_name(&names, in, j->inputs[i], k));
        put_text(to, "type", "intra-pipeline");
        put_text(to, "job_id", j->inputs[i]->members[k]->id);
        put_text(to, "source_output", in->output);
        repx_buf_char(to, '}');
    }
    pool_free(&names);
}

static void put_step_input(struct repx_buf *to, const struct job *j,
                           const struct def_input *in)
{
    if (in->from == DEF_FROM_JOB) {
        for (size_t i = 0; i < j->stage->input_count; i++) {
            if (strcmp(j->stage->inputs[i].name, in->name) == 0)
                put_job_input(to, j, i);
        }
        return;
    }
    mapping_begin(to, in->name);
    if (in->from == DEF_FROM_ITEM) {
        put_text(to, "source", "scatter:work_item");
    } else {
        put_key(to, "source");
        repx_buf_fmt(to, "\"step:%s\"", in->source);
        put_text(to, "source_output", in->output);
    }
    repx_buf_char(to, '}');
}

static void put_inputs(struct repx_buf *to, const struct job *j,
                       const struct def_phase *p)
{
    put_key(to, "inputs");
    repx_buf_char(to, '[');
    if (strcmp(p->name, "gather") == 0) {
        mapping_begin(to, "worker__outs");
        put_text(to, "source", "runner:worker_outputs");
        put_text(to, "source_key", def_sink(j->stage)->outputs[0].name);
        repx_buf_char(to, '}');
    } else if (def_is_step(p)) {
        for (size_t i = 0; i < p->input_count; i++)
            put_step_input(to, j, &p->inputs[i]);
    } else {
        for (size_t i = 0; i < j->stage->input_count; i++)
            put_job_input(to, j, i);
    }
    repx_buf_char(to, ']');
}

/* ---- executables ---- */

static void put_outputs(struct repx_buf *to, const struct def_stage *s,
                        const struct def_phase *p)
{
    const struct def_output *outputs = def_is_step(p) ? p->outputs : s->outputs;
    size_t count = def_is_step(p) ? p->output_count : s->output_count;

    put_key(to, "outputs");
    repx_buf_char(to, '{');
    if (strcmp(p->name, "scatter") == 0) {
        put_text(to, "work__items", "$out/work_items.json");
        put_key(to, "worker__arg");
        repx_buf_str(to, "{}");
        count = 0;
    }
    for (size_t i = 0; i < count; i++)
        put_text(to, outputs[i].name, outputs[i].value);
    repx_buf_char(to, '}');
}

static void put_executable(struct repx_buf *to, const struct job *j,
                           const struct def_phase *p)
{
    REPX_AUTO_FREE char *name = meta_script_name(j->stage, p);
    REPX_AUTO_FREE char *path = repx_format("jobs/%s/bin/%s", j->id, name);

    put_key(to, p->name);
    repx_buf_char(to, '{');
    put_text(to, "path", path);
    put_inputs(to, j, p);
    put_outputs(to, j->stage, p);
    if (def_is_step(p)) {
        put_key(to, "deps");
        put_names(to, &p->after);
    }
    put_hints(to, &p->hints);
    repx_buf_char(to, '}');
}

static void put_job(struct repx_buf *to, const struct stage_jobs *s,
                    const struct job *j)
{
    REPX_AUTO_FREE char *name = repx_format("%s-%s", s->stage->name, s->stage->version);

    put_key(to, j->id);
    repx_buf_char(to, '{');
    put_text(to, "name", name);
    put_text(to, "stage_type", s->stage->scatter_gather ? "scatter-gather" : "simple");
    put_key(to, "params");
    meta_put_params(to, s, j);
    put_key(to, "executables");
    repx_buf_char(to, '{');
    for (size_t i = 0; i < s->stage->phase_count; i++)
        put_executable(to, j, &s->stage->phases[i]);
    repx_buf_char(to, '}');
    put_hints(to, &s->stage->hints);
    repx_buf_char(to, '}');
}

/* ---- files ---- */

/* RepX keeps the runs that a run's jobs look at beside its jobs. */
static void put_dependencies(struct repx_buf *to, const struct expansion *x)
{
    struct pool pool = {0};
    struct def_names seen = {0};

    put_key(to, "dependencies");
    repx_buf_char(to, '{');
    for (size_t i = 0; i < x->count; i++) {
        for (size_t k = 0; k < x->stages[i].stage->input_count; k++) {
            const struct def_input *in = &x->stages[i].stage->inputs[k];
            if (in->from != DEF_FROM_RUN || def_names_has(&seen, in->source))
                continue;
            def_names_add(&pool, &seen, in->source);
            put_text(to, pool_format(&pool, "revision/metadata-%s.json", in->source),
                     "soft");
        }
    }
    repx_buf_char(to, '}');
    pool_free(&pool);
}

int meta_write_run(struct tree *t, const struct expansion *x, const char *image,
                   struct repx_err *err)
{
    struct repx_buf text = {0};
    REPX_AUTO_FREE char *path = meta_run_path(x->run);

    repx_buf_char(&text, '{');
    put_text(&text, "type", "run");
    put_text(&text, "name", x->run->name);
    put_text(&text, "gitHash", "none");
    put_dependencies(&text, x);
    put_key(&text, "image");
    if (image) {
        json_put_string(&text, image);
    } else {
        repx_buf_str(&text, "null");
    }
    put_key(&text, "jobs");
    repx_buf_char(&text, '{');
    for (size_t i = 0; i < x->count; i++) {
        for (size_t k = 0; k < x->stages[i].count; k++)
            put_job(&text, &x->stages[i], &x->stages[i].jobs[k]);
    }
    repx_buf_str(&text, "}}\n");
    int rc = tree_write(t, path, repx_buf_text(&text), text.len, err);
    repx_buf_free(&text);
    return rc;
}

static void put_groups(struct repx_buf *to, const struct def *d)
{
    put_key(to, "groups");
    repx_buf_char(to, '{');
    for (size_t i = 0; i < d->group_count; i++) {
        put_key(to, d->groups[i].name);
        put_names(to, &d->groups[i].runs);
    }
    repx_buf_char(to, '}');
}

int meta_write_top(struct tree *t, const struct def *d, struct repx_err *err)
{
    struct repx_buf text = {0};

    repx_buf_str(&text,
                 "{\"type\":\"root\",\"repx_version\":\"0.5.0\","
                 "\"gitHash\":\"none\",\"runs\":[");
    for (size_t i = 0; i < d->run_count; i++) {
        REPX_AUTO_FREE char *path = meta_run_path(&d->runs[i]);
        if (i)
            repx_buf_char(&text, ',');
        json_put_string(&text, path);
    }
    repx_buf_char(&text, ']');
    if (d->group_count)
        put_groups(&text, d);
    repx_buf_str(&text, "}\n");
    int rc = tree_write(t, "revision/metadata-top.json", repx_buf_text(&text), text.len,
                        err);
    repx_buf_free(&text);
    return rc;
}

int meta_write_manifest(struct tree *t, const struct def *d, char *lab_id,
                        struct repx_err *err)
{
    struct repx_buf list = {0}, text = {0};
    char hex[DIGEST_HEX];
    struct digest id;

    tree_sort(t);
    repx_buf_str(&text, "\"files\":[");
    for (size_t i = 0; i < t->count; i++) {
        digest_hex(&t->files[i].digest, hex);
        repx_buf_fmt(&list, "%s %s\n", hex, t->files[i].path);
        repx_buf_str(&text, i ? ",\n {" : "\n {");
        put_text(&text, "path", t->files[i].path);
        put_text(&text, "sha256", hex);
        repx_buf_char(&text, '}');
    }
    digest_of(repx_buf_text(&list), list.len, &id);
    base32_id(&id, lab_id);
    list.len = 0;
    repx_buf_char(&list, '{');
    put_text(&list, "labId", lab_id);
    put_text(&list, "lab_version", d->version);
    if (d->name)
        put_text(&list, "name", d->name);
    put_text(&list, "made_by", META_MADE_BY);
    put_text(&list, "metadata", "revision/metadata-top.json");
    repx_buf_fmt(&list, ",\n%s]}\n", repx_buf_text(&text));
    int rc =
        tree_write(t, "lab/lab-metadata.json", repx_buf_text(&list), list.len, err);
    repx_buf_free(&list);
    repx_buf_free(&text);
    return rc;
}
