/* SPDX-License-Identifier: MIT */
/* One job object of a run file, with its executables, mappings and hints. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

/* Far more than anybody has; equal names are looked for one by one. */
#define EXES_MAX 500
#define OUTPUTS_MAX 10000

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int read_cpus(struct doc *d, void *slot)
{
    struct json_text raw;
    int64_t value = 0;

    if (json_read_number(&d->r, &raw) < 0)
        return doc_fail(d, "%s; make the Lab again", d->r.problem);
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.at[i];
        if (c < '0' || c > '9' || value > UINT32_MAX) {
            value = (int64_t)UINT32_MAX + 1;
        } else {
            value = value * 10 + (c - '0');
        }
    }
    if (value > UINT32_MAX) {
        return doc_fail(d,
                        "is %.*s and must be a whole number from 0 to 4294967295; "
                        "correct it",
                        (int)(raw.len > 40 ? 40 : raw.len), raw.at);
    }
    *(int64_t *)slot = value;
    return 0;
}

static int read_options(struct doc *d, void *slot)
{
    struct lab_hints *hints = slot;
    struct doc_strings list = {0};
    int rc = doc_strings(d, &list);

    hints->sbatch_opts = list.items;
    hints->sbatch_opt_count = list.count;
    return rc;
}

static int read_hints(struct doc *d, void *slot)
{
    static const struct doc_field fields[] = {
        {"mem", JSON_STRING, DOC_NULLABLE, offsetof(struct lab_hints, mem), doc_string},
        {"cpus", JSON_NUMBER, DOC_NULLABLE, offsetof(struct lab_hints, cpus),
         read_cpus},
        {"time", JSON_STRING, DOC_NULLABLE, offsetof(struct lab_hints, time),
         doc_string},
        {"partition", JSON_STRING, DOC_NULLABLE, offsetof(struct lab_hints, partition),
         doc_string},
        {"sbatch_opts", JSON_ARRAY, 0, 0, read_options},
    };
    struct lab_hints *hints = arena_alloc(d->arena, sizeof(*hints));

    hints->cpus = -1;
    if (doc_object(d, fields, COUNT(fields), hints) < 0)
        return -1;
    *(const struct lab_hints **)slot = hints;
    return 0;
}

static int read_type(struct doc *d, void *slot)
{
    static const char *const known[] = {"intra-pipeline", "inter-run", "global"};
    const char *type;

    if (doc_string(d, &type) < 0)
        return -1;
    for (size_t i = 0; i < COUNT(known); i++) {
        if (strcmp(type, known[i]) == 0) {
            *(const char **)slot = type;
            return 0;
        }
    }
    return doc_fail(d, "is '%s'; known are intra-pipeline, inter-run and global", type);
}

static int read_dependency_type(struct doc *d, void *slot)
{
    const char *type;

    (void)slot;
    if (doc_string(d, &type) < 0)
        return -1;
    if (strcmp(type, "hard") == 0 || strcmp(type, "soft") == 0)
        return 0;
    return doc_fail(d, "is '%s'; known are hard and soft", type);
}

static int read_mapping(struct doc *d, void *ctx)
{
#define AT(member) offsetof(struct lab_mapping, member)
    static const struct doc_field fields[] = {
        {"target_input", JSON_STRING, DOC_REQUIRED, AT(target_input), doc_string},
        {"job_id", JSON_STRING, DOC_NULLABLE, AT(job_id), doc_string},
        {"source_output", JSON_STRING, DOC_NULLABLE, AT(source_output), doc_string},
        {"type", JSON_STRING, DOC_NULLABLE, AT(type), read_type},
        {"source_run", JSON_STRING, DOC_NULLABLE, AT(source_run), doc_string},
        {"source", JSON_STRING, DOC_NULLABLE, AT(source), doc_string},
        {"dependency_type", JSON_STRING, DOC_NULLABLE, 0, read_dependency_type},
    };
#undef AT
    struct lab_mapping mapping = {0};

    if (doc_object(d, fields, COUNT(fields), &mapping) < 0)
        return -1;
    repx_buf_add(ctx, &mapping, sizeof(mapping));
    return 0;
}

static int read_inputs(struct doc *d, void *slot)
{
    struct lab_exe *exe = slot;
    struct repx_buf list = {0};
    int rc = doc_list(d, read_mapping, &list);

    exe->input_count = list.len / sizeof(struct lab_mapping);
    if (list.len)
        exe->inputs = arena_copy(d->arena, list.data, list.len);
    repx_buf_free(&list);
    return rc;
}

static int read_output(struct doc *d, const char *key, void *ctx)
{
    struct repx_buf *list = ctx;
    struct lab_output output = {.name = key}, *all = (void *)list->data;
    int type = json_peek(&d->r);

    if (type == JSON_STRING ? doc_string(d, &output.value) < 0 : json_skip(&d->r) < 0) {
        return d->r.problem ? doc_fail(d, "byte %zu: %s; make the Lab again", d->r.pos,
                                       d->r.problem)
                            : -1;
    }
    for (size_t i = 0; i < list->len / sizeof(output); i++) {
        if (all[i].name == key) { /* the last of equal keys counts */
            all[i] = output;
            return 0;
        }
    }
    if (list->len / sizeof(output) >= OUTPUTS_MAX)
        return doc_fail(d, "more than %d outputs of one executable", OUTPUTS_MAX);
    repx_buf_add(list, &output, sizeof(output));
    return 0;
}

static int read_outputs(struct doc *d, void *slot)
{
    struct lab_exe *exe = slot;
    struct repx_buf list = {0};
    int rc = doc_map(d, read_output, &list);

    exe->output_count = list.len / sizeof(struct lab_output);
    if (list.len)
        exe->outputs = arena_copy(d->arena, list.data, list.len);
    repx_buf_free(&list);
    return rc;
}

static int read_deps(struct doc *d, void *slot)
{
    struct lab_exe *exe = slot;
    struct doc_strings list = {0};
    int rc = doc_strings(d, &list);

    exe->deps = list.items;
    exe->dep_count = list.count;
    if (rc == 0 && list.count > EXES_MAX)
        return doc_fail(d, "more than %d steps; name each step once", EXES_MAX);
    return rc;
}

/* A file of the job's own directory. */
static int read_exe_path(struct doc *d, void *slot)
{
    struct lab_state *s = d->ctx;
    const char *id = s->reading, **path = slot;
    size_t n = strlen(id), at;

    if (doc_string(d, slot) < 0 || state_path(d, path, &at) < 0)
        return -1;
    if (strncmp(*path, "jobs/", 5) != 0 || strncmp(*path + 5, id, n) != 0 ||
        (*path)[5 + n] != '/')
        return doc_fail(d, "'%s' is not below jobs/%s/; put it there", *path, id);
    if (s->source.index.entries[at].kind != REPX_ENTRY_FILE)
        return doc_fail(d, "'%s' is no file; make the Lab again", *path);
    return 0;
}

static int read_exe(struct doc *d, const char *key, void *ctx)
{
#define AT(member) offsetof(struct lab_exe, member)
    static const struct doc_field fields[] = {
        {"path", JSON_STRING, DOC_REQUIRED, AT(path), read_exe_path},
        {"inputs", JSON_ARRAY, 0, 0, read_inputs},
        {"outputs", JSON_OBJECT, 0, 0, read_outputs},
        {"resource_hints", JSON_OBJECT, DOC_NULLABLE, AT(hints), read_hints},
        {"deps", JSON_ARRAY, 0, 0, read_deps},
    };
#undef AT
    struct repx_buf *list = ctx;
    struct lab_exe exe = {.name = key}, *all = (void *)list->data;

    if (doc_object(d, fields, COUNT(fields), &exe) < 0)
        return -1;
    for (size_t i = 0; i < list->len / sizeof(exe); i++) {
        if (all[i].name != key)
            continue;
        if (strncmp(key, "step-", 5) == 0)
            return doc_fail(d, "is there twice; give each step a name of its own");
        all[i] = exe; /* the last of equal keys counts */
        return 0;
    }
    if (list->len / sizeof(exe) >= EXES_MAX)
        return doc_fail(d, "more than %d executables in one job", EXES_MAX);
    repx_buf_add(list, &exe, sizeof(exe));
    return 0;
}

static int read_exes(struct doc *d, void *slot)
{
    struct lab_job *job = slot;
    struct repx_buf list = {0};
    int rc = doc_map(d, read_exe, &list);

    job->exe_count = list.len / sizeof(struct lab_exe);
    if (list.len)
        job->exes = arena_copy(d->arena, list.data, list.len);
    repx_buf_free(&list);
    return rc;
}

static int read_stage_type(struct doc *d, void *slot)
{
    static const char *const known[] = {
        [LAB_SIMPLE] = "simple",
        [LAB_SCATTER_GATHER] = "scatter-gather",
        [LAB_WORKER] = "worker",
        [LAB_GATHER] = "gather",
    };
    const char *type;

    if (doc_string(d, &type) < 0)
        return -1;
    for (size_t i = 0; i < COUNT(known); i++) {
        if (strcmp(type, known[i]) == 0) {
            *(int *)slot = (int)i;
            return 0;
        }
    }
    return doc_fail(d, "is '%s'; known are simple, scatter-gather, worker and gather",
                    type);
}

static int read_params(struct doc *d, void *slot)
{
    struct repx_buf text = {0};
    size_t start = d->r.pos;

    if (json_skip(&d->r) < 0)
        return doc_fail(d, "byte %zu: %s; make the Lab again", d->r.pos, d->r.problem);
    json_compact(&text, d->r.text + start, d->r.pos - start);
    *(const char **)slot = intern_text(d->names, text.data, text.len);
    repx_buf_free(&text);
    return 0;
}

int job_read(struct doc *d, const char *id, struct lab_job *job)
{
#define AT(member) offsetof(struct lab_job, member)
    static const struct doc_field fields[] = {
        {"name", JSON_STRING, DOC_NULLABLE, AT(name), doc_string},
        {"stage_type", JSON_STRING, 0, AT(type), read_stage_type},
        {"params", -1, 0, AT(params), read_params},
        {"executables", JSON_OBJECT, 0, 0, read_exes},
        {"resource_hints", JSON_OBJECT, DOC_NULLABLE, AT(hints), read_hints},
    };
#undef AT
    struct lab_state *s = d->ctx;
    const char *bad = doc_bad_name(id);

    if (bad) {
        return doc_fail(d, "the job's id %s; give it a name that is safe in a path",
                        bad);
    }
    *job = (struct lab_job){.id = id, .params = "null"};
    s->reading = id;
    return doc_object(d, fields, COUNT(fields), job);
}
