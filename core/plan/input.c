/* SPDX-License-Identifier: MIT */
#include "input.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

const struct lab_exe *input_entry(const struct lab_job *job)
{
    return lab_exe_find(job, job->type == LAB_SCATTER_GATHER ? "scatter" : "main");
}

static const char *template_of(const struct lab_exe *exe, const char *output)
{
    for (size_t i = 0; exe && i < exe->output_count; i++) {
        if (strcmp(exe->outputs[i].name, output) == 0)
            return exe->outputs[i].value;
    }
    return NULL;
}

/* "self" is the scatter, seen from the gather of the same job. */
static int from_scatter(const struct lab_job *job, const struct lab_mapping *m,
                        struct plan_input *input, struct repx_err *err)
{
    input->kind = INPUT_SCATTER;
    input->job = job->id;
    input->template = template_of(lab_exe_find(job, "scatter"), m->source_output);
    if (input->template)
        return 1;
    return repx_fail(err, REPX_E_CORRUPT,
                     "input `%s` takes output `%s` of the scatter, which declares none "
                     "of that name; build the Lab again",
                     m->target_input, m->source_output);
}

static int from_job(const struct lab *lab, const struct lab_mapping *m,
                    struct plan_input *input, struct repx_err *err)
{
    const struct lab_job *producer = lab_job_find(lab, m->job_id);

    if (!producer) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "input `%s` comes from job `%s`, which the Lab does not have; "
                         "build the Lab again",
                         m->target_input, m->job_id);
    }
    const char *maker = producer->type == LAB_SCATTER_GATHER ? "gather" : "main";

    input->kind = INPUT_JOB;
    input->job = producer->id;
    input->template = template_of(lab_exe_find(producer, maker), m->source_output);
    if (input->template)
        return 1;
    return repx_fail(err, REPX_E_CORRUPT,
                     "input `%s` takes output `%s` of job `%s`, which declares no path "
                     "under that name; build the Lab again",
                     m->target_input, m->source_output, m->job_id);
}

static int from_run(const struct lab *lab, const struct lab_mapping *m,
                    struct plan_input *input, struct repx_err *err)
{
    const struct lab_run *run = lab_run_find(lab, m->source_run);

    if (!run) {
        return repx_fail(err, REPX_E_NOENT,
                         "input `%s` takes run `%s`, which the Lab does not have; add "
                         "that run to the Lab and build it again",
                         m->target_input, m->source_run);
    }
    const char *slash = strrchr(run->file, '/');

    input->kind = INPUT_REVISION;
    input->file = slash ? slash + 1 : run->file;
    return 1;
}

int input_resolve(const struct lab *lab, const struct lab_job *job,
                  const struct lab_mapping *mapping, struct plan_input *input,
                  struct repx_err *err)
{
    *input = (struct plan_input){0};
    if (mapping->job_id && mapping->source_output) {
        if (strcmp(mapping->job_id, "self") == 0 && job->type == LAB_SCATTER_GATHER)
            return from_scatter(job, mapping, input, err);
        return from_job(lab, mapping, input, err);
    }
    if ((mapping->type && strcmp(mapping->type, "global") == 0) ||
        strcmp(mapping->target_input, "store__base") == 0) {
        input->kind = INPUT_BASE;
        return 1;
    }
    if (mapping->source_run)
        return from_run(lab, mapping, input, err);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct lab_mapping *const *x = a, *const *y = b;
    int order = strcmp((*x)->target_input, (*y)->target_input);

    return order ? order : (*x > *y) - (*x < *y); /* one array: as it stands there */
}

const struct lab_mapping **input_sorted(const struct lab_exe *exe, size_t *count)
{
    const struct lab_mapping **list =
        repx_array(exe->input_count, sizeof(const struct lab_mapping *));
    size_t n = 0;

    for (size_t i = 0; i < exe->input_count; i++)
        list[i] = &exe->inputs[i];
    qsort(list, exe->input_count, sizeof(const struct lab_mapping *), by_name);
    for (size_t i = 0; i < exe->input_count; i++) {
        if (n && strcmp(list[n - 1]->target_input, list[i]->target_input) == 0)
            n--;
        list[n++] = list[i];
    }
    *count = n;
    return list;
}
