/* SPDX-License-Identifier: MIT */
#include "def.h"

#include <string.h>

struct def_stage *def_stage_find(const struct def *d, const char *name)
{
    for (size_t i = 0; i < d->stage_count; i++) {
        if (strcmp(d->stages[i].name, name) == 0)
            return &d->stages[i];
    }
    return NULL;
}

struct def_run *def_run_find(const struct def *d, const char *name)
{
    for (size_t i = 0; i < d->run_count; i++) {
        if (strcmp(d->runs[i].name, name) == 0)
            return &d->runs[i];
    }
    return NULL;
}

struct def_phase *def_phase_find(const struct def_stage *s, const char *name)
{
    for (size_t i = 0; i < s->phase_count; i++) {
        if (strcmp(s->phases[i].name, name) == 0)
            return &s->phases[i];
    }
    return NULL;
}

struct def_param *def_param_find(const struct def_stage *s, const char *name)
{
    for (size_t i = 0; i < s->param_count; i++) {
        if (strcmp(s->params[i].name, name) == 0)
            return &s->params[i];
    }
    return NULL;
}

int def_is_step(const struct def_phase *p)
{
    return strncmp(p->name, "step-", 5) == 0;
}

int def_names_has(const struct def_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->at[i], name) == 0)
            return 1;
    }
    return 0;
}

void def_names_add(struct pool *p, struct def_names *names, const char *name)
{
    names->at = pool_grow(p, names->at, names->count, sizeof(*names->at));
    names->at[names->count++] = name;
}

const struct def_phase *def_sink(const struct def_stage *s)
{
    const struct def_phase *sink = NULL;

    for (size_t i = 0; i < s->phase_count; i++) {
        const struct def_phase *p = &s->phases[i];
        int awaited = !def_is_step(p);
        for (size_t k = 0; !awaited && k < s->phase_count; k++)
            awaited = def_names_has(&s->phases[k].after, p->name + 5);
        if (!awaited && sink)
            return NULL;
        if (!awaited)
            sink = p;
    }
    return sink;
}
