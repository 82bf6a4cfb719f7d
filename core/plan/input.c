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

/* ---- lists ---- */

/* A mapping and where it stood, so that of two with one name the later can win. */
struct ranked {
    const struct lab_mapping *mapping;
    size_t rank;
};

struct list {
    struct ranked *items;
    size_t count;
};

static void list_add(struct list *list, const struct lab_mapping *mapping)
{
    if ((list->count & (list->count - 1)) == 0) {
        list->items = repx_grow(list->items, list->count ? list->count * 2 : 1,
                                sizeof(*list->items));
    }
    list->items[list->count] = (struct ranked){mapping, list->count};
    list->count++;
}

static void list_add_exe(struct list *list, const struct lab_exe *exe)
{
    for (size_t i = 0; i < exe->input_count; i++)
        list_add(list, &exe->inputs[i]);
}

/* Does a step take this from another job? */
static int from_another_job(const struct lab_mapping *m)
{
    return !m->source && m->job_id && m->source_output &&
           strcmp(m->job_id, "self") != 0;
}

/* Steps look up what they take from other jobs among the inputs of the job. */
static void list_add_steps(struct list *list, const struct lab_job *job)
{
    for (size_t i = 0; i < job->exe_count; i++) {
        const struct lab_exe *exe = &job->exes[i];
        int is_step = strncmp(exe->name, "step-", 5) == 0;

        for (size_t k = 0; is_step && k < exe->input_count; k++) {
            if (from_another_job(&exe->inputs[k]))
                list_add(list, &exe->inputs[k]);
        }
    }
}

static int by_name(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int order = strcmp(x->mapping->target_input, y->mapping->target_input);

    return order ? order : (x->rank > y->rank) - (x->rank < y->rank);
}

static void list_sort(struct list *list)
{
    if (list->count)
        qsort(list->items, list->count, sizeof(*list->items), by_name);
}

/* Ends the list. */
static const struct lab_mapping **list_finish(struct list *list, size_t *count)
{
    const struct lab_mapping **result =
        repx_array(list->count, sizeof(const struct lab_mapping *));
    size_t n = 0;

    list_sort(list);
    for (size_t i = 0; i < list->count; i++) {
        const struct lab_mapping *m = list->items[i].mapping;

        if (n && strcmp(result[n - 1]->target_input, m->target_input) == 0)
            n--;
        result[n++] = m;
    }
    free(list->items);
    *count = n;
    return result;
}

const struct lab_mapping **input_sorted(const struct lab_exe *exe, size_t *count)
{
    struct list list = {0};

    list_add_exe(&list, exe);
    return list_finish(&list, count);
}

const struct lab_mapping **input_of_job(const struct lab_job *job, size_t *count)
{
    struct list list = {0};

    if (job->type == LAB_SCATTER_GATHER)
        list_add_steps(&list, job);
    list_add_exe(&list, input_entry(job)); /* later: so it wins */
    return list_finish(&list, count);
}

static int takes(const struct lab_exe *exe, const char *name)
{
    for (size_t i = 0; i < exe->input_count; i++) {
        if (strcmp(exe->inputs[i].target_input, name) == 0)
            return 1;
    }
    return 0;
}

static int differ(const struct lab_mapping *a, const struct lab_mapping *b)
{
    return strcmp(a->target_input, b->target_input) == 0 &&
           (strcmp(a->job_id, b->job_id) != 0 ||
            strcmp(a->source_output, b->source_output) != 0);
}

int input_check_steps(const struct lab *lab, const struct lab_job *job,
                      struct repx_err *err)
{
    struct list list = {0};
    struct plan_input input;
    int rc = 0;

    if (job->type == LAB_SCATTER_GATHER)
        list_add_steps(&list, job);
    list_sort(&list);
    for (size_t i = 0; rc >= 0 && i < list.count; i++) {
        const struct lab_mapping *m = list.items[i].mapping;

        rc = input_resolve(lab, job, m, &input, err);
        if (rc >= 0 && i && differ(list.items[i - 1].mapping, m) &&
            !takes(input_entry(job), m->target_input)) {
            rc = repx_fail(err, REPX_E_CORRUPT,
                           "two steps take different things as input `%s`; give one of "
                           "them another name",
                           m->target_input);
        }
    }
    free(list.items);
    return rc < 0 ? repx_wrap(err, "job %s", job->id) : 0;
}
