/* SPDX-License-Identifier: MIT */
/* def_check.c: does everything that is named exist, and does it fit together? */
#include <string.h>

#include <kit/file.h>

#include "def_internal.h"

/* Words that commands take for a state. */
static const char *const reserved[] = {"missing", "pending"};

static int check_stage_input(struct def *d, struct def_stage *s,
                             const struct def_input *in, struct repx_err *err)
{
    if (in->from == DEF_FROM_BASE)
        return 0;
    if (in->from == DEF_FROM_RUN) {
        return def_run_find(d, in->source)
                   ? 0
                   : repx_fail(err, REPX_E_USAGE, "there is no [run %s]", in->source);
    }
    const struct def_stage *producer = def_stage_find(d, in->source);
    if (!producer)
        return repx_fail(err, REPX_E_USAGE, "there is no [stage %s]", in->source);
    if (producer == s)
        return repx_fail(err, REPX_E_USAGE, "a stage cannot read its own output");
    for (size_t i = 0; i < producer->output_count; i++) {
        if (strcmp(producer->outputs[i].name, in->output) == 0)
            return 0;
    }
    return repx_fail(err, REPX_E_USAGE, "stage %s has no output.%s", in->source,
                     in->output);
}

static int check_zips(struct def_stage *s, struct repx_err *err)
{
    struct def_names seen = {0};

    for (size_t i = 0; i < s->zip_count; i++) {
        for (size_t k = 0; k < s->zips[i].count; k++) {
            const char *name = s->zips[i].at[k];
            if (!def_param_find(s, name))
                return repx_fail(err, REPX_E_USAGE, "zip: there is no param.%s", name);
            for (size_t m = 0; m < i; m++)
                seen = def_names_has(&s->zips[m], name) ? s->zips[m] : seen;
        }
    }
    return seen.count ? repx_fail(err, REPX_E_USAGE, "a parameter is in two zips") : 0;
}

static int check_paths(const struct def_stage *s, struct repx_err *err)
{
    for (size_t i = 0; i < s->files.count; i++) {
        if (!repx_path_is_inside(s->files.at[i])) {
            return repx_fail(err, REPX_E_USAGE,
                             "files: %s does not lie below the definition",
                             s->files.at[i]);
        }
    }
    for (size_t i = 0; i < s->phase_count; i++) {
        if (!s->phases[i].script || !repx_path_is_inside(s->phases[i].script)) {
            return repx_fail(err, REPX_E_USAGE,
                             "%s needs a script, a path below the definition",
                             s->phases[i].name);
        }
    }
    return 0;
}

static int check_stage(struct def *d, const char *path, struct def_stage *s,
                       struct repx_err *err)
{
    for (size_t i = 0; i < s->input_count; i++) {
        if (check_stage_input(d, s, &s->inputs[i], err) < 0) {
            return repx_wrap(err, "%s:%d: input.%s", path, s->inputs[i].line,
                             s->inputs[i].name);
        }
    }
    if (check_zips(s, err) < 0 || def_check_phases(d, s, err) < 0 ||
        check_paths(s, err) < 0)
        return repx_wrap(err, "%s:%d: stage %s", path, s->line, s->name);
    return 0;
}

/* Depth first: mark 1 is on the way, 2 is done. */
static int check_cycle(struct def *d, struct def_stage *s, int depth,
                       struct repx_err *err)
{
    if (s->mark == 2)
        return 0;
    if (s->mark == 1)
        return repx_fail(err, REPX_E_USAGE, "stage %s needs its own result", s->name);
    if (depth > 500)
        return repx_fail(err, REPX_E_USAGE, "more than 500 stages in a row");
    s->mark = 1;
    for (size_t i = 0; i < s->input_count; i++) {
        struct def_stage *producer = s->inputs[i].from == DEF_FROM_STAGE
                                         ? def_stage_find(d, s->inputs[i].source)
                                         : NULL;
        if (producer && check_cycle(d, producer, depth + 1, err) < 0)
            return -1;
    }
    s->mark = 2;
    return 0;
}

static int check_override(const struct def *d, const struct def_run *r,
                          const struct def_override *o, struct repx_err *err)
{
    const struct def_stage *s = def_stage_find(d, o->stage);

    (void)r;
    if (!s)
        return repx_fail(err, REPX_E_USAGE, "there is no [stage %s]", o->stage);
    if (!def_param_find(s, o->param.name)) {
        return repx_fail(err, REPX_E_USAGE, "stage %s has no param.%s", o->stage,
                         o->param.name);
    }
    return 0;
}

static int check_run(const struct def *d, const char *path, const struct def_run *r,
                     struct repx_err *err)
{
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (strcmp(r->name, reserved[i]) == 0) {
            return repx_fail(
                err, REPX_E_USAGE,
                "%s:%d: a run cannot be called %s: commands take that word "
                "for something else",
                path, r->line, r->name);
        }
    }
    if (!r->stages.count) {
        return repx_fail(err, REPX_E_USAGE, "%s:%d: run %s names no stages", path,
                         r->line, r->name);
    }
    for (size_t i = 0; i < r->stages.count; i++) {
        if (!def_stage_find(d, r->stages.at[i])) {
            return repx_fail(err, REPX_E_USAGE, "%s:%d: run %s: there is no [stage %s]",
                             path, r->line, r->name, r->stages.at[i]);
        }
    }
    for (size_t i = 0; i < r->override_count; i++) {
        if (check_override(d, r, &r->overrides[i], err) < 0) {
            return repx_wrap(err, "%s:%d: run %s", path, r->overrides[i].param.line,
                             r->name);
        }
    }
    return 0;
}

static int check_group(const struct def *d, const char *path, const struct def_group *g,
                       struct repx_err *err)
{
    for (size_t i = 0; i < g->runs.count; i++) {
        if (!def_run_find(d, g->runs.at[i])) {
            return repx_fail(err, REPX_E_USAGE, "%s:%d: group %s: there is no [run %s]",
                             path, g->line, g->name, g->runs.at[i]);
        }
    }
    return 0;
}

int def_check(struct def *d, const char *path, struct repx_err *err)
{
    if (!d->run_count) {
        return repx_fail(err, REPX_E_USAGE, "%s: needs a [run NAME] with stages = ...",
                         path);
    }
    for (size_t i = 0; i < d->stage_count; i++) {
        if (check_stage(d, path, &d->stages[i], err) < 0)
            return -1;
    }
    for (size_t i = 0; i < d->stage_count; i++) {
        if (check_cycle(d, &d->stages[i], 0, err) < 0)
            return repx_wrap(err, "%s:%d", path, d->stages[i].line);
    }
    for (size_t i = 0; i < d->run_count; i++) {
        if (check_run(d, path, &d->runs[i], err) < 0)
            return -1;
    }
    for (size_t i = 0; i < d->group_count; i++) {
        if (check_group(d, path, &d->groups[i], err) < 0)
            return -1;
    }
    return 0;
}
