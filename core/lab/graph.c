/* SPDX-License-Identifier: MIT */
/* Who needs whom: producers of each job, outputs that are named, and no circles. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "state.h"

static int by_index(const void *a, const void *b)
{
    const size_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

const struct lab_output *state_output(const struct lab_exe *exe, const char *name)
{
    for (size_t i = 0; i < exe->output_count; i++) {
        if (strcmp(exe->outputs[i].name, name) == 0)
            return &exe->outputs[i];
    }
    return NULL;
}

static int is_producer(const struct lab_mapping *m)
{
    return m->job_id && strcmp(m->job_id, "self") != 0;
}

/* The producer must declare what the mapping wants of it. */
static int check_output(struct lab_state *s, size_t job, const char *where,
                        const struct lab_mapping *m, const struct lab_job *producer)
{
    const char *name = producer->type == LAB_SCATTER_GATHER ? "gather" : "main";
    const struct lab_exe *exe = lab_exe_find(producer, name);
    const struct lab_output *output = exe ? state_output(exe, m->source_output) : NULL;

    if (!output) {
        return state_fail(s, job,
                          "%s: the output '%s' is not declared by '%s' of job %s; "
                          "declare it there or correct the name",
                          where, m->source_output, name, producer->id);
    }
    if (!output->value) {
        return state_fail(s, job,
                          "%s: the output '%s' of job %s is no text with $out; correct "
                          "it there",
                          where, m->source_output, producer->id);
    }
    return 0;
}

static int check_mapping(struct lab_state *s, size_t job, const struct lab_exe *exe,
                         size_t i, struct repx_buf *deps)
{
    const struct lab_mapping *m = &exe->inputs[i];
    const struct lab_job *producer = lab_job_find(&s->lab, m->job_id);
    REPX_AUTO_FREE char *where =
        repx_format(".executables.%s.inputs[%zu]", exe->name, i);

    if (!producer) {
        return state_fail(s, job,
                          "%s.job_id: there is no job %s in the Lab; add its run or "
                          "make the Lab again",
                          where, m->job_id);
    }
    size_t at = (size_t)(producer - s->lab.jobs);
    repx_buf_add(deps, &at, sizeof(at));
    if (!m->source_output || (m->source && strcmp(exe->name, "main") != 0 &&
                              strcmp(exe->name, "scatter") != 0))
        return 0; /* a step's source comes before its job_id */
    return check_output(s, job, where, m, producer);
}

static int find_deps(struct lab_state *s, size_t job, struct lab_job *j,
                     struct repx_buf *deps)
{
    size_t n = 0;

    deps->len = 0;
    for (size_t e = 0; e < j->exe_count; e++) {
        for (size_t i = 0; i < j->exes[e].input_count; i++) {
            if (is_producer(&j->exes[e].inputs[i]) &&
                check_mapping(s, job, &j->exes[e], i, deps) < 0)
                return -1;
        }
    }
    size_t count = deps->len / sizeof(size_t), *all = (void *)deps->data;
    if (count == 0)
        return 0;
    qsort(all, count, sizeof(*all), by_index);
    for (size_t i = 0; i < count; i++) {
        if (n == 0 || all[n - 1] != all[i])
            all[n++] = all[i];
    }
    j->deps = arena_copy(&s->arena, all, n * sizeof(*all));
    j->dep_count = n;
    return 0;
}

static int check_exes(struct lab_state *s, size_t job, struct lab_job *j)
{
    if (j->type == LAB_SCATTER_GATHER)
        return steps_check(s, job, j);
    if (!lab_exe_find(j, "main")) {
        return state_fail(s, job,
                          ".executables: 'main' is missing; add it or correct "
                          "stage_type");
    }
    return 0;
}

/* Who uses each job: users of i are users[first[i]] to users[first[i + 1]]. */
struct reverse {
    size_t *first, *users;
};

static struct reverse reverse_of(const struct lab *lab)
{
    size_t n = lab->job_count, edges = 0;
    struct reverse r = {.first = repx_array(n + 2, sizeof(size_t))};

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < lab->jobs[i].dep_count; k++, edges++)
            r.first[lab->jobs[i].deps[k] + 2]++;
    }
    for (size_t i = 2; i < n + 2; i++)
        r.first[i] += r.first[i - 1];
    r.users = repx_array(edges + 1, sizeof(size_t));
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < lab->jobs[i].dep_count; k++)
            r.users[r.first[lab->jobs[i].deps[k] + 1]++] = i;
    }
    return r;
}

/* From a job that waits for ever up to its producers that do: n steps later we stand on
 * the circle. */
static int fail_circle(struct lab_state *s, const size_t *waits, size_t job)
{
    for (size_t n = 0; n < s->lab.job_count; n++) {
        const struct lab_job *j = &s->lab.jobs[job];
        size_t k = 0;
        while (k < j->dep_count && !waits[j->deps[k]])
            k++;
        job = k < j->dep_count ? j->deps[k] : job;
    }
    return state_fail(s, job,
                      ".executables: the job needs its own result, through the inputs "
                      "of other jobs; break the circle");
}

/* Jobs whose producers are all done are done; what is left over goes in circles. */
static int check_circles(struct lab_state *s)
{
    size_t n = s->lab.job_count, queued = 0, left = 0;
    size_t *waits = repx_array(n + 1, sizeof(*waits));
    size_t *queue = repx_array(n + 1, sizeof(*queue));
    struct reverse r = reverse_of(&s->lab);

    for (size_t i = 0; i < n; i++) {
        waits[i] = s->lab.jobs[i].dep_count;
        if (waits[i] == 0)
            queue[queued++] = i;
    }
    for (size_t done = 0; done < queued; done++) {
        for (size_t k = r.first[queue[done]]; k < r.first[queue[done] + 1]; k++) {
            if (--waits[r.users[k]] == 0)
                queue[queued++] = r.users[k];
        }
    }
    while (left < n && waits[left] == 0)
        left++;
    int rc = left < n ? fail_circle(s, waits, left) : 0;
    free(waits);
    free(queue);
    free(r.first);
    free(r.users);
    return rc;
}

int graph_check(struct lab_state *s, struct repx_err *err)
{
    struct repx_buf deps = {0};
    int rc = 0;

    s->err = err;
    for (size_t i = 0; rc == 0 && i < s->lab.job_count; i++)
        rc = check_exes(s, i, &s->jobs[i]);
    for (size_t i = 0; rc == 0 && i < s->lab.job_count; i++)
        rc = find_deps(s, i, &s->jobs[i], &deps);
    repx_buf_free(&deps);
    return rc < 0 ? rc : check_circles(s);
}
