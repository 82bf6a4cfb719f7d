/* SPDX-License-Identifier: MIT */
#include "expand.h"

#include <stdlib.h>
#include <string.h>

#include <kit/buf.h>

#include "relation.h"

const char *expand_value(const struct stage_jobs *s, const struct job *j,
                         const char *name)
{
    size_t i = names_index(&s->names, name);

    return i < s->names.count ? j->values[i] : NULL;
}

static const struct stage_jobs *find(const struct expansion *x, const char *stage)
{
    for (size_t i = 0; i < x->count; i++) {
        if (strcmp(x->stages[i].stage->name, stage) == 0)
            return &x->stages[i];
    }
    return NULL;
}

/* A combination of own values for which no producer has a job is a slip, not a wish. */
static int check_partners(struct pool *pool, const struct def_stage *s,
                          const struct relation *own, const struct relation *joined,
                          struct repx_err *err)
{
    char *seen = pool_array(pool, own->count, 1);

    for (size_t i = 0; i < joined->count; i++)
        seen[joined->rows[i].own] = 1;
    for (size_t i = 0; i < own->count; i++) {
        if (seen[i])
            continue;
        struct repx_buf text = {0};
        for (size_t k = 0; k < own->names.count; k++) {
            repx_buf_fmt(&text, "%s%s = %s", k ? ", " : " for ", own->names.at[k],
                         own->rows[i].values[k]);
        }
        int rc = repx_fail(err, REPX_E_USAGE,
                           "stage %s: its producers have no jobs that fit together%s; "
                           "parameters of one name must have the same values",
                           s->name, repx_buf_text(&text));
        repx_buf_free(&text);
        return rc;
    }
    return 0;
}

static int check_inherit(const struct def_stage *s, const struct def_names *names,
                         struct repx_err *err)
{
    for (size_t i = 0; i < s->inherit.count; i++) {
        if (!def_names_has(names, s->inherit.at[i]) ||
            def_param_find(s, s->inherit.at[i])) {
            return repx_fail(err, REPX_E_USAGE,
                             "stage %s: inherit: no producer varies with %s", s->name,
                             s->inherit.at[i]);
        }
    }
    return 0;
}

static int rows_to_jobs(struct pool *pool, struct relation *rel, struct stage_jobs *to,
                        struct repx_err *err)
{
    size_t inputs = to->stage->input_count;

    qsort(rel->rows, rel->count, sizeof(*rel->rows), row_compare);
    to->names = rel->names;
    to->count = rel->count;
    to->jobs = pool_array(pool, rel->count, sizeof(*to->jobs));
    for (size_t i = 0; i < rel->count; i++) {
        if (i && row_compare(&rel->rows[i - 1], &rel->rows[i]) == 0) {
            return repx_fail(err, REPX_E_USAGE,
                             "stage %s: the same combination of values stands twice",
                             to->stage->name);
        }
        to->jobs[i] =
            (struct job){to->stage, rel->rows[i].values, rel->rows[i].bound, NULL};
        if (!to->jobs[i].inputs)
            to->jobs[i].inputs = pool_array(pool, inputs, sizeof(struct job_group *));
    }
    return 0;
}

static int expand_stage(struct expansion *x, struct stage_jobs *to,
                        struct repx_err *err)
{
    const struct def_stage *s = to->stage;
    struct relation own, rel;

    if (relation_of_params(&x->pool, s, x->run, &own, err) < 0)
        return repx_wrap(err, "stage %s", s->name);
    rel = own;
    for (size_t i = 0; i < s->input_count; i++) {
        struct relation groups = {{NULL, 0}, NULL, 0}, joined;
        if (s->inputs[i].from == DEF_FROM_STAGE &&
            relation_of_groups(&x->pool, find(x, s->inputs[i].source), &s->inputs[i],
                               &groups, err) < 0)
            return repx_wrap(err, "stage %s: input.%s", s->name, s->inputs[i].name);
        if (s->inputs[i].from != DEF_FROM_STAGE) {
            /* joins with everything and binds nothing */
            static const struct job_group *nothing[1];
            groups.rows = pool_alloc(&x->pool, sizeof(*groups.rows));
            *groups.rows = (struct row){NULL, 0, 0, nothing};
            groups.count = 1;
        }
        if (relation_join(&x->pool, &rel, &groups, i, &joined, err) < 0)
            return repx_wrap(err, "stage %s: input.%s", s->name, s->inputs[i].name);
        rel = joined;
    }
    if (check_partners(&x->pool, s, &own, &rel, err) < 0 ||
        check_inherit(s, &rel.names, err) < 0)
        return -1;
    return rows_to_jobs(&x->pool, &rel, to, err);
}

/* The stage's producers and then the stage, each once. The graph has no cycle. */
static void add_stage(struct expansion *x, const struct def *d,
                      const struct def_stage *s)
{
    if (find(x, s->name))
        return;
    for (size_t i = 0; i < s->input_count; i++) {
        if (s->inputs[i].from == DEF_FROM_STAGE)
            add_stage(x, d, def_stage_find(d, s->inputs[i].source));
    }
    x->stages = pool_grow(&x->pool, x->stages, x->count, sizeof(*x->stages));
    x->stages[x->count++] = (struct stage_jobs){.stage = s};
}

int expand_run(struct expansion *x, const struct def *d, const struct def_run *run,
               struct repx_err *err)
{
    int rc = 0;

    *x = (struct expansion){.run = run};
    for (size_t i = 0; i < run->stages.count; i++)
        add_stage(x, d, def_stage_find(d, run->stages.at[i]));
    for (size_t i = 0; rc == 0 && i < x->count; i++)
        rc = expand_stage(x, &x->stages[i], err);
    if (rc < 0) {
        (void)repx_wrap(err, "run %s", run->name);
        expand_free(x);
    }
    return rc;
}

void expand_free(struct expansion *x)
{
    pool_free(&x->pool);
    *x = (struct expansion){0};
}
