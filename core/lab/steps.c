/* SPDX-License-Identifier: MIT */
/* Scatter, steps, gather: the steps of a job form a graph with one sink. */
#include <string.h>

#include <kit/alloc.h>

#include "state.h"

static const char step_prefix[] = "step-";
#define STEP_PREFIX (sizeof(step_prefix) - 1)

static int is_step(const struct lab_exe *exe)
{
    return strncmp(exe->name, step_prefix, STEP_PREFIX) == 0;
}

/* Index of the step with that name (without prefix) in job->exes, or exe_count. */
static size_t step_find(const struct lab_job *j, const char *name)
{
    size_t i = 0;

    while (i < j->exe_count &&
           !(is_step(&j->exes[i]) && strcmp(j->exes[i].name + STEP_PREFIX, name) == 0))
        i++;
    return i;
}

/* "step:NAME" must name a step that declares the output. */
static int check_source(struct lab_state *s, size_t job, const struct lab_job *j,
                        const struct lab_exe *exe, const struct lab_mapping *m)
{
    const struct lab_output *output = NULL;

    if (!m->source || strncmp(m->source, "step:", 5) != 0)
        return 0;
    size_t at = step_find(j, m->source + 5);
    if (at == j->exe_count) {
        return state_fail(s, job,
                          ".executables.%s.inputs.%s: there is no step '%s'; correct "
                          "its source",
                          exe->name, m->target_input, m->source + 5);
    }
    if (m->source_output)
        output = state_output(&j->exes[at], m->source_output);
    if (!output || !output->value) {
        return state_fail(s, job,
                          ".executables.%s.inputs.%s: the output '%s' is not declared "
                          "by step '%s'; declare it there or correct the name",
                          exe->name, m->target_input,
                          m->source_output ? m->source_output : "", m->source + 5);
    }
    return 0;
}

static int check_step(struct lab_state *s, size_t job, const struct lab_job *j,
                      const struct lab_exe *exe, unsigned char *used)
{
    const char *bad = doc_bad_name(exe->name + STEP_PREFIX);

    if (bad) {
        return state_fail(s, job,
                          ".executables.%s: the step's name %s; give it a name that is "
                          "safe in a path",
                          exe->name, bad);
    }
    for (size_t i = 0; i < exe->dep_count; i++) {
        size_t at = step_find(j, exe->deps[i]);
        if (at == j->exe_count) {
            return state_fail(
                s, job,
                ".executables.%s.deps: there is no step '%s'; correct the "
                "name, without step- in front",
                exe->name, exe->deps[i]);
        }
        used[at] = 1;
    }
    for (size_t i = 0; i < exe->input_count; i++) {
        if (check_source(s, job, j, exe, &exe->inputs[i]) < 0)
            return -1;
    }
    return 0;
}

/* The one step that no other lists in deps. */
static int find_sink(struct lab_state *s, size_t job, struct lab_job *j,
                     const unsigned char *used)
{
    size_t steps = 0;
    const char *other = NULL;

    for (size_t i = 0; i < j->exe_count; i++) {
        if (!is_step(&j->exes[i]))
            continue;
        steps++;
        if (used[i])
            continue;
        other = j->sink;
        j->sink = j->exes[i].name + STEP_PREFIX;
        if (other) {
            return state_fail(
                s, job,
                ".executables: both steps '%s' and '%s' are last; let one "
                "depend on the other, there must be one sink",
                other, j->sink);
        }
    }
    if (steps == 0) {
        return state_fail(s, job,
                          ".executables: no step; add step-NAME with the work of one "
                          "item");
    }
    if (!j->sink) {
        return state_fail(s, job,
                          ".executables: no step is last: their deps go in circles; "
                          "break the circle, there must be one sink");
    }
    return 0;
}

enum { NOT_SEEN, BELOW_US, CLEAR };

/* From a step down its deps, each step once. Returns a step that needs itself, or
 * exe_count. As deep as there are steps, and those are counted (job.c). */
static size_t find_circle(const struct lab_job *j, size_t at, unsigned char *seen)
{
    const struct lab_exe *exe = &j->exes[at];
    size_t found = j->exe_count;

    seen[at] = BELOW_US;
    for (size_t i = 0; i < exe->dep_count && found == j->exe_count; i++) {
        size_t dep = step_find(j, exe->deps[i]);
        if (seen[dep] == BELOW_US)
            return dep;
        if (seen[dep] == NOT_SEEN)
            found = find_circle(j, dep, seen);
    }
    seen[at] = CLEAR;
    return found;
}

static int check_circles(struct lab_state *s, size_t job, const struct lab_job *j,
                         unsigned char *seen)
{
    for (size_t i = 0; i < j->exe_count; i++) {
        if (!is_step(&j->exes[i]) || seen[i] != NOT_SEEN)
            continue;
        size_t found = find_circle(j, i, seen);
        if (found < j->exe_count) {
            return state_fail(s, job,
                              ".executables.%s.deps: the step needs its own result; "
                              "break the circle",
                              j->exes[found].name);
        }
    }
    return 0;
}

int steps_check(struct lab_state *s, size_t job, struct lab_job *j)
{
    static const char *const needed[] = {"scatter", "gather"};

    for (size_t i = 0; i < 2; i++) {
        if (!lab_exe_find(j, needed[i])) {
            return state_fail(s, job,
                              ".executables: '%s' is missing; add it or correct "
                              "stage_type",
                              needed[i]);
        }
    }
    REPX_AUTO_FREE unsigned char *used = repx_alloc(j->exe_count + 1);
    REPX_AUTO_FREE unsigned char *seen = repx_alloc(j->exe_count + 1);
    for (size_t i = 0; i < j->exe_count; i++) {
        if (is_step(&j->exes[i]) && check_step(s, job, j, &j->exes[i], used) < 0)
            return -1;
    }
    if (find_sink(s, job, j, used) < 0)
        return -1;
    return check_circles(s, job, j, seen);
}
