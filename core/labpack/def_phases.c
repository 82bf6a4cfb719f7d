/* SPDX-License-Identifier: MIT */
/* def_phases.c: the rules for scripts and steps of a stage. */
#include <string.h>

#include "def_internal.h"

static struct def_phase *step_find(const struct def_stage *s, const char *name)
{
    for (size_t i = 0; i < s->phase_count; i++) {
        if (def_is_step(&s->phases[i]) && strcmp(s->phases[i].name + 5, name) == 0)
            return &s->phases[i];
    }
    return NULL;
}

static int step_input(struct def *d, const struct def_stage *s, struct def_phase *p,
                      const struct def_input *in, struct repx_err *err)
{
    if (in->from == DEF_FROM_ITEM)
        return 0;
    if (in->from == DEF_FROM_JOB) {
        for (size_t i = 0; i < s->input_count; i++) {
            if (strcmp(s->inputs[i].name, in->name) == 0)
                return 0;
        }
        return repx_fail(err, REPX_E_USAGE, "the stage has no input.%s", in->name);
    }
    const struct def_phase *producer = step_find(s, in->source);
    if (!producer)
        return repx_fail(err, REPX_E_USAGE, "there is no step.%s", in->source);
    int found = 0;
    for (size_t i = 0; i < producer->output_count; i++)
        found |= strcmp(producer->outputs[i].name, in->output) == 0;
    if (!found) {
        return repx_fail(err, REPX_E_USAGE, "step %s has no output.%s", in->source,
                         in->output);
    }
    if (!def_names_has(&p->after, in->source))
        def_names_add(&d->pool, &p->after, in->source);
    return 0;
}

/* The work item goes to every step that waits for no other. */
static void add_item(struct def *d, struct def_phase *p)
{
    for (size_t i = 0; i < p->input_count; i++) {
        if (strcmp(p->inputs[i].name, "worker__item") == 0)
            return;
    }
    p->inputs = pool_grow(&d->pool, p->inputs, p->input_count, sizeof(*p->inputs));
    p->inputs[p->input_count++] = (struct def_input){
        .name = "worker__item", .from = DEF_FROM_ITEM, .line = p->line};
}

static int check_step(struct def *d, const struct def_stage *s, struct def_phase *p,
                      struct repx_err *err)
{
    for (size_t i = 0; i < p->input_count; i++) {
        if (step_input(d, s, p, &p->inputs[i], err) < 0)
            return repx_wrap(err, "input.%s", p->inputs[i].name);
    }
    for (size_t i = 0; i < p->after.count; i++) {
        if (!step_find(s, p->after.at[i])) {
            return repx_fail(err, REPX_E_USAGE, "after: there is no step.%s",
                             p->after.at[i]);
        }
    }
    if (!p->after.count)
        add_item(d, p);
    return 0;
}

/* Steps that wait only for steps already counted, until nothing changes. */
static int check_step_cycle(const struct def_stage *s, struct repx_err *err)
{
    struct def_names done = {0};
    struct pool pool = {0};
    size_t before, steps = 0;

    for (size_t i = 0; i < s->phase_count; i++)
        steps += (size_t)def_is_step(&s->phases[i]);
    do {
        before = done.count;
        for (size_t i = 0; i < s->phase_count; i++) {
            const struct def_phase *p = &s->phases[i];
            size_t ready = 0;
            for (size_t k = 0; k < p->after.count; k++)
                ready += (size_t)def_names_has(&done, p->after.at[k]);
            if (def_is_step(p) && ready == p->after.count &&
                !def_names_has(&done, p->name + 5))
                def_names_add(&pool, &done, p->name + 5);
        }
    } while (done.count > before);
    pool_free(&pool);
    return done.count == steps ? 0
                               : repx_fail(err, REPX_E_USAGE, "the steps form a cycle");
}

static int check_scatter_gather(struct def *d, struct def_stage *s,
                                struct repx_err *err)
{
    size_t steps = 0;

    if (!def_phase_find(s, "scatter") || !def_phase_find(s, "gather")) {
        return repx_fail(err, REPX_E_USAGE,
                         "a scatter-gather stage needs scatter and gather");
    }
    for (size_t i = 0; i < s->phase_count; i++) {
        struct def_phase *p = &s->phases[i];
        if (strcmp(p->name, "main") == 0)
            return repx_fail(err, REPX_E_USAGE, "a scatter-gather stage has no script");
        if (!def_is_step(p))
            continue;
        steps++;
        if (check_step(d, s, p, err) < 0)
            return repx_wrap(err, "%s", p->name);
    }
    if (!steps || steps > 200)
        return repx_fail(err, REPX_E_USAGE, "needs step.NAME = SCRIPT, 1 to 200 times");
    if (check_step_cycle(s, err) < 0)
        return -1;
    const struct def_phase *sink = def_sink(s);
    if (!sink) {
        return repx_fail(err, REPX_E_USAGE,
                         "several steps are last; one must come after all others");
    }
    if (sink->output_count != 1) {
        return repx_fail(err, REPX_E_USAGE,
                         "the last step, %s, must have exactly one output",
                         sink->name + 5);
    }
    return 0;
}

int def_check_phases(struct def *d, struct def_stage *s, struct repx_err *err)
{
    if (s->scatter_gather)
        return check_scatter_gather(d, s, err);
    if (s->phase_count == 1 && strcmp(s->phases[0].name, "main") == 0)
        return 0;
    return s->phase_count
               ? repx_fail(err, REPX_E_USAGE,
                           "steps, scatter and gather need type = scatter-gather")
               : repx_fail(err, REPX_E_USAGE, "needs script = PATH");
}
