/* SPDX-License-Identifier: MIT */
/* def_stage.c: the keys of a [stage]. */
#include <string.h>

#include <kit/file.h>

#include "def_internal.h"

#define PARTS 5

/* A key, cut at its dots. */
struct key {
    const char *part[PARTS];
    size_t count;
};

static int is(const struct key *k, size_t i, const char *word)
{
    return i < k->count && strcmp(k->part[i], word) == 0;
}

static int cut_key(struct pool *pool, const char *text, struct key *k)
{
    for (;;) {
        size_t n = strcspn(text, ".");
        if (k->count == PARTS)
            return -1;
        k->part[k->count++] = pool_strn(pool, text, n);
        if (!text[n])
            return 0;
        text += n + 1;
    }
}

static struct def_phase *phase(struct def *d, struct def_stage *s, const char *name,
                               int line)
{
    struct def_phase *p = def_phase_find(s, name);

    if (p)
        return p;
    s->phases = pool_grow(&d->pool, s->phases, s->phase_count, sizeof(*s->phases));
    p = &s->phases[s->phase_count++];
    *p = (struct def_phase){.name = pool_str(&d->pool, name), .line = line};
    return p;
}

/* Names that the runtime or a reduction gives are not for a stage's inputs. */
static int check_free(const char *name, struct repx_err *err)
{
    size_t n = strlen(name), digits = n;

    while (digits && name[digits - 1] >= '0' && name[digits - 1] <= '9')
        digits--;
    if (strncmp(name, "worker__", 8) == 0 ||
        (digits < n && digits > 2 && strncmp(name + digits - 2, "__", 2) == 0)) {
        return repx_fail(
            err, REPX_E_USAGE,
            "worker__... and ...__0 are names that inputs get by themselves");
    }
    return 0;
}

static int add_input(struct def *d, const char *name, const struct def_entry *e,
                     int is_step, struct def_input *to, struct repx_err *err)
{
    *to = (struct def_input){.name = name, .line = e->line};
    if (def_name_check(name, "an input", err) < 0 ||
        (!is_step && check_free(name, err) < 0))
        return -1;
    return is_step ? def_step_input_parse(&d->pool, e->value, to, err)
                   : def_stage_input_parse(&d->pool, e->value, to, err);
}

static int set_output(struct def_output *to, const char *name, const char *value,
                      struct repx_err *err)
{
    *to = (struct def_output){name, value};
    if (def_name_check(name, "an output", err) < 0)
        return -1;
    if (strcmp(value, "$out") != 0 &&
        (strncmp(value, "$out/", 5) != 0 || strchr(value + 5, '$') ||
         !repx_path_is_inside(value + 5))) {
        return repx_fail(err, REPX_E_USAGE,
                         "an output is $out or a path below it, as in $out/table.csv");
    }
    return 0;
}

static int set_param(struct def *d, struct def_stage *s, const char *name,
                     const struct def_entry *e, struct repx_err *err)
{
    if (def_name_check(name, "a parameter", err) < 0)
        return -1;
    s->params = pool_grow(&d->pool, s->params, s->param_count, sizeof(*s->params));
    struct def_param *p = &s->params[s->param_count++];
    *p = (struct def_param){.name = name, .line = e->line};
    return def_values_parse(&d->pool, e->value, p, err);
}

static int set_zip(struct def *d, struct def_stage *s, const struct def_entry *e,
                   struct repx_err *err)
{
    s->zips = pool_grow(&d->pool, s->zips, s->zip_count, sizeof(*s->zips));
    s->zips[s->zip_count] = (struct def_names){0};
    return def_names_parse(&d->pool, e->value, &s->zips[s->zip_count++], err);
}

/* step.NAME.KEY..., with k->part[2] as KEY */
static int set_step(struct def *d, struct def_phase *p, const struct key *k,
                    const struct def_entry *e, struct repx_err *err)
{
    struct pool *pool = &d->pool;

    if (k->count == 3 && is(k, 2, "after"))
        return def_names_parse(pool, e->value, &p->after, err) < 0 ? -1 : 1;
    if (k->count == 4 && is(k, 2, "input")) {
        p->inputs = pool_grow(pool, p->inputs, p->input_count, sizeof(*p->inputs));
        return add_input(d, k->part[3], e, 1, &p->inputs[p->input_count++], err) < 0
                   ? -1
                   : 1;
    }
    if (k->count == 4 && is(k, 2, "output")) {
        p->outputs = pool_grow(pool, p->outputs, p->output_count, sizeof(*p->outputs));
        return set_output(&p->outputs[p->output_count++], k->part[3], e->value, err) < 0
                   ? -1
                   : 1;
    }
    return k->count == 3 ? def_hint_set(pool, &p->hints, k->part[2], e->value, err) : 0;
}

/* script, scatter, gather, step.NAME and what stands below them. 0: none of these */
static int set_phase(struct def *d, struct def_stage *s, const struct key *k,
                     const struct def_entry *e, struct repx_err *err)
{
    int is_step = is(k, 0, "step") && k->count > 1;
    size_t own = is_step ? 2 : 1;

    if (!is_step && !is(k, 0, "scatter") && !is(k, 0, "gather") &&
        !(is(k, 0, "script") && k->count == 1))
        return 0;
    if (is_step && def_name_check(k->part[1], "a step", err) < 0)
        return -1;
    const char *name = is_step ? pool_format(&d->pool, "step-%s", k->part[1])
                       : is(k, 0, "script") ? "main"
                                            : k->part[0];
    struct def_phase *p = phase(d, s, name, e->line);
    if (k->count == own) {
        p->script = e->value;
        p->line = e->line;
        return 1;
    }
    if (is_step)
        return set_step(d, p, k, e, err);
    return k->count == 2 ? def_hint_set(&d->pool, &p->hints, k->part[1], e->value, err)
                         : 0;
}

static int set_type(struct def_stage *s, const char *value, struct repx_err *err)
{
    s->scatter_gather = strcmp(value, "scatter-gather") == 0;
    if (!s->scatter_gather && strcmp(value, "simple") != 0) {
        return repx_fail(err, REPX_E_USAGE, "type is simple or scatter-gather, not %s",
                         value);
    }
    return 0;
}

static int set_version(struct def_stage *s, const char *value, struct repx_err *err)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-";

    if (!*value || strlen(value) > DEF_NAME_MAX || value[strspn(value, allowed)]) {
        return repx_fail(err, REPX_E_USAGE,
                         "\"%s\" is no version: use letters, digits "
                         "and . _ + -",
                         value);
    }
    s->version = value;
    return 0;
}

/* input.NAME, output.NAME, param.NAME, zip, zip.LABEL; 1 done, 0 none of these */
static int set_named(struct def *d, struct def_stage *s, const struct key *k,
                     const struct def_entry *e, struct repx_err *err)
{
    struct pool *pool = &d->pool;
    int is_zip = is(k, 0, "zip") && k->count <= 2;
    int rc;

    if (!is_zip && k->count != 2)
        return 0;
    if (is_zip) {
        rc = set_zip(d, s, e, err);
    } else if (is(k, 0, "param")) {
        rc = set_param(d, s, k->part[1], e, err);
    } else if (is(k, 0, "input")) {
        s->inputs = pool_grow(pool, s->inputs, s->input_count, sizeof(*s->inputs));
        rc = add_input(d, k->part[1], e, 0, &s->inputs[s->input_count++], err);
    } else if (is(k, 0, "output")) {
        s->outputs = pool_grow(pool, s->outputs, s->output_count, sizeof(*s->outputs));
        rc = set_output(&s->outputs[s->output_count++], k->part[1], e->value, err);
    } else {
        return 0;
    }
    return rc < 0 ? -1 : 1;
}

/* Keys without a dot; 1 done, 0 none of these */
static int set_plain(struct def *d, struct def_stage *s, const struct key *k,
                     const struct def_entry *e, struct repx_err *err)
{
    int rc;

    if (k->count != 1)
        return 0;
    if (is(k, 0, "type")) {
        rc = set_type(s, e->value, err);
    } else if (is(k, 0, "version")) {
        rc = set_version(s, e->value, err);
    } else if (is(k, 0, "files")) {
        rc = def_texts_parse(&d->pool, e->value, &s->files, err);
    } else if (is(k, 0, "inherit")) {
        rc = def_names_parse(&d->pool, e->value, &s->inherit, err);
    } else {
        return def_hint_set(&d->pool, &s->hints, k->part[0], e->value, err);
    }
    return rc < 0 ? -1 : 1;
}

int def_stage_set(struct def *d, struct def_stage *s, const struct def_entry *e,
                  struct repx_err *err)
{
    static int (*const setters[])(struct def *, struct def_stage *, const struct key *,
                                  const struct def_entry *, struct repx_err *) = {
        set_plain, set_named, set_phase};
    struct key k = {{NULL}, 0};
    int rc = 0;

    if (cut_key(&d->pool, e->key, &k) == 0) {
        for (size_t i = 0; rc == 0 && i < sizeof(setters) / sizeof(setters[0]); i++)
            rc = setters[i](d, s, &k, e, err);
    }
    if (rc == 0) {
        return repx_fail(err, REPX_E_USAGE,
                         "a [stage] knows no %s; see docs/lab-definition.md", e->key);
    }
    return rc < 0 ? repx_wrap(err, "%s", e->key) : 0;
}
