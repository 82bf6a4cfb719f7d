/* SPDX-License-Identifier: MIT */
/* line.c: a job of the plan as docs/state-format.md section 2 has it. */
#include <stdlib.h>
#include <string.h>

#include "core/json/json.h"
#include "input.h"
#include "plan.h"

/* ,"key": */
static void put_key(struct repx_buf *to, const char *key)
{
    if (to->len && !strchr("{[", to->data[to->len - 1]))
        repx_buf_char(to, ',');
    json_put_string(to, key);
    repx_buf_char(to, ':');
}

static void put_text(struct repx_buf *to, const char *key, const char *value)
{
    put_key(to, key);
    if (value) {
        json_put_string(to, value);
    } else {
        repx_buf_str(to, "null");
    }
}

static void put_if_text(struct repx_buf *to, const char *key, const char *value)
{
    if (value)
        put_text(to, key, value);
}

static void put_number(struct repx_buf *to, const char *key, int64_t value)
{
    put_key(to, key);
    repx_buf_fmt(to, "%lld", (long long)value);
}

static void put_if_number(struct repx_buf *to, const char *key, int64_t value)
{
    if (value != CONFIG_UNSET)
        put_number(to, key, value);
}

static void put_element(struct repx_buf *to, const char *text)
{
    if (to->data[to->len - 1] != '[')
        repx_buf_char(to, ',');
    json_put_string(to, text);
}

static void put_texts(struct repx_buf *to, const char *key, const char *const *texts,
                      size_t count)
{
    put_key(to, key);
    repx_buf_char(to, '[');
    for (size_t i = 0; i < count; i++)
        put_element(to, texts[i]);
    repx_buf_char(to, ']');
}

static void put_digest(struct repx_buf *to, const char *key,
                       const struct digest *digest)
{
    char hex[DIGEST_HEX];

    digest_hex(digest, hex);
    put_text(to, key, hex);
}

/* ---- inputs ---- */

static void put_input(struct repx_buf *to, const struct plan_input *input)
{
    REPX_AUTO_BUF struct repx_buf path = {0};

    repx_buf_char(to, '{');
    switch (input->kind) {
    case INPUT_JOB:
        put_text(to, "job", input->job);
        put_text(to, "template", input->template);
        break;
    case INPUT_SCATTER:
        put_text(to, "job", input->job);
        put_text(to, "scatter", input->template);
        break;
    case INPUT_REVISION:
        repx_buf_fmt(&path, "artifacts/revision/%s", input->file);
        put_text(to, "base", repx_buf_text(&path));
        break;
    default:
        put_text(to, "base", "");
    }
    repx_buf_char(to, '}');
}

/* Takes the array. Mappings were resolved when the plan was made, so none fails here. */
static void put_inputs(const struct plan *plan, const struct lab_job *job,
                       const struct lab_mapping **inputs, size_t count,
                       struct repx_buf *to)
{
    repx_buf_char(to, '{');
    for (size_t i = 0; i < count; i++) {
        struct plan_input input;

        if (input_resolve(plan->lab, job, inputs[i], &input, NULL) != 1)
            continue;
        put_key(to, inputs[i]->target_input);
        put_input(to, &input);
    }
    repx_buf_char(to, '}');
    free(inputs);
}

static void put_mappings(const struct lab_exe *exe, struct repx_buf *to)
{
    size_t count;
    const struct lab_mapping **inputs = input_sorted(exe, &count);

    put_key(to, "inputs");
    repx_buf_char(to, '[');
    for (size_t i = 0; i < count; i++) {
        repx_buf_str(to, i ? ",{" : "{");
        put_text(to, "target_input", inputs[i]->target_input);
        put_if_text(to, "source", inputs[i]->source);
        put_if_text(to, "source_output", inputs[i]->source_output);
        put_if_text(to, "job_id", inputs[i]->job_id);
        repx_buf_char(to, '}');
    }
    repx_buf_char(to, ']');
    free(inputs);
}

/* ---- executables ---- */

/* Options of the scheduler in use; sbatch_opts are Slurm's. */
static void put_native(const struct plan *plan, const struct lab_job *job,
                       const char *phase, const struct resource_rule *r,
                       struct repx_buf *to)
{
    const struct config_value *native = resolve_native(
        plan->resources, job, phase, plan->target->name, plan->scheduler);
    size_t slurm = strcmp(plan->scheduler, "slurm") == 0 ? r->sbatch_opt_count : 0;

    if (slurm == 0 && !native)
        return;
    put_key(to, "native");
    repx_buf_char(to, '[');
    for (size_t i = 0; i < slurm; i++)
        put_element(to, r->sbatch_opts[i]);
    for (size_t i = 0; native && i < native->count; i++)
        put_element(to, native->texts[i]);
    repx_buf_char(to, ']');
}

static void put_resources(const struct plan *plan, const struct lab_job *job,
                          const char *phase, struct repx_buf *to)
{
    const struct resource_rule r =
        resolve_resources(plan->resources, job, phase, plan->target->name);

    put_key(to, "res");
    repx_buf_char(to, '{');
    put_if_number(to, "cpus", r.cpus);
    put_if_number(to, "mem", r.mem);
    put_if_number(to, "time", r.time);
    put_if_text(to, "queue", r.partition);
    put_native(plan, job, phase, &r, to);
    put_if_text(to, "mem_text", r.mem_text);
    put_if_text(to, "time_text", r.time_text);
    repx_buf_char(to, '}');
}

static void put_exe(const struct plan *plan, const struct lab_job *job,
                    const struct lab_exe *exe, struct repx_buf *to)
{
    put_key(to, exe->name);
    repx_buf_char(to, '{');
    put_text(to, "path", exe->path);
    put_key(to, "outputs");
    repx_buf_char(to, '{');
    for (size_t i = 0; i < exe->output_count; i++)
        put_if_text(to, exe->outputs[i].name, exe->outputs[i].value);
    repx_buf_char(to, '}');
    if (strncmp(exe->name, "step-", 5) == 0) {
        put_mappings(exe, to);
        put_texts(to, "deps", exe->deps, exe->dep_count);
    }
    put_resources(plan, job, exe->name, to);
    repx_buf_char(to, '}');
}

/* Of a job that is not scatter-gather only `main` is ever run. */
static void put_exes(const struct plan *plan, const struct lab_job *job,
                     struct repx_buf *to)
{
    put_key(to, "exes");
    repx_buf_char(to, '{');
    for (size_t i = 0; i < job->exe_count; i++) {
        if (job->type == LAB_SCATTER_GATHER || &job->exes[i] == input_entry(job))
            put_exe(plan, job, &job->exes[i], to);
    }
    repx_buf_char(to, '}');
}

/* ---- the line ---- */

static void put_mounts(const struct config_target *target, struct repx_buf *to)
{
    const char *policy = target->mount_host_paths   ? "host"
                         : target->mount_path_count ? "specific"
                                                    : "isolated";
    size_t count = strcmp(policy, "specific") == 0 ? target->mount_path_count : 0;

    put_key(to, "mounts");
    repx_buf_char(to, '{');
    put_text(to, "policy", policy);
    put_texts(to, "paths", target->mount_paths, count);
    repx_buf_char(to, '}');
}

static void put_deps(const struct plan_job *job, struct repx_buf *to)
{
    put_key(to, "deps");
    repx_buf_char(to, '[');
    for (size_t d = 0; d < job->dep_count; d++)
        repx_buf_fmt(to, "%s%zu", d ? "," : "", job->deps[d]);
    repx_buf_char(to, ']');
}

static void put_what(const struct plan *plan, const struct lab_job *job,
                     struct repx_buf *to)
{
    int scatters = job->type == LAB_SCATTER_GATHER;
    const struct lab_mapping **inputs;
    size_t count;

    put_text(to, "type", scatters ? "scatter-gather" : "simple");
    put_key(to, "params");
    repx_buf_str(to, job->params ? job->params : "null");
    put_key(to, "inputs");
    inputs = input_of_job(job, &count);
    put_inputs(plan, job, inputs, count, to);
    if (scatters) {
        put_key(to, "gather_inputs");
        inputs = input_sorted(lab_exe_find(job, "gather"), &count);
        put_inputs(plan, job, inputs, count, to);
    }
    put_exes(plan, job, to);
    if (scatters)
        put_text(to, "sink", job->sink);
}

void plan_line(const struct plan *plan, size_t i, struct repx_buf *to)
{
    const struct plan_job *job = &plan->jobs[i];

    /* A buffer of its own: what stands before a key decides whether a comma does. */
    REPX_AUTO_BUF struct repx_buf line = {0};

    repx_buf_char(&line, '{');
    put_number(&line, "v", 1);
    put_text(&line, "id", job->job->id);
    put_digest(&line, "key", &job->key);
    put_digest(&line, "pkg", &job->package);
    put_text(&line, "run", job->run ? job->run->name : NULL);
    put_what(plan, job->job, &line);
    put_deps(job, &line);
    put_key(&line, "wanted");
    repx_buf_str(&line, job->wanted ? "true" : "false");
    put_text(&line, "runtime", job->runtime);
    put_text(&line, "image", job->image);
    put_mounts(plan->target, &line);
    put_text(&line, "node_local", plan->target->node_local_path);
    if (strcmp(plan->artifact_store, "node-local") == 0)
        put_text(&line, "store", plan->artifact_store);
    put_text(&line, "host_tools", plan->lab->host_tools);
    repx_buf_str(&line, "}\n");
    repx_buf_add(to, line.data, line.len);
}
