/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "core/json/utf8.h"

#include "def_internal.h"

/* JSON takes nothing else. */
static int is_utf8(const char *text, size_t n)
{
    size_t length = 1;

    for (size_t i = 0; i < n && length; i += length)
        length = json_utf8_length((const unsigned char *)text + i, n - i);
    return length != 0;
}

static int lab_set(struct def *d, const char *name, const struct def_entry *e,
                   struct repx_err *err)
{
    (void)name;
    if (strcmp(e->key, "version") == 0) {
        d->version = e->value;
        return 0;
    }
    if (strcmp(e->key, "name") != 0) {
        return repx_fail(err, REPX_E_USAGE, "[lab] knows name and version, no %s",
                         e->key);
    }
    d->name = e->value;
    return def_name_check(e->value, "a Lab", err);
}

static int tool_set(struct def *d, const char *name, const struct def_entry *e,
                    struct repx_err *err)
{
    size_t n = 0;

    (void)name;
    while (e->key[n] > ' ' && e->key[n] <= '~' && e->key[n] != '/')
        n++;
    if (!n || e->key[n] || *e->key == '.')
        return repx_fail(err, REPX_E_USAGE, "\"%s\" is no name for a program", e->key);
    if (!*e->value)
        return repx_fail(err, REPX_E_USAGE, "%s has no path", e->key);
    d->tools = pool_grow(&d->pool, d->tools, d->tool_count, sizeof(*d->tools));
    d->tools[d->tool_count++] = (struct def_tool){e->key, e->value, e->line};
    return 0;
}

static int group_set(struct def *d, const char *name, const struct def_entry *e,
                     struct repx_err *err)
{
    if (strcmp(e->key, "runs") != 0)
        return repx_fail(err, REPX_E_USAGE, "a [group] knows runs, no %s", e->key);
    d->groups = pool_grow(&d->pool, d->groups, d->group_count, sizeof(*d->groups));
    struct def_group *g = &d->groups[d->group_count++];
    *g = (struct def_group){.name = name, .line = e->line};
    return def_names_parse(&d->pool, e->value, &g->runs, err);
}

/* param.STAGE.NAME = values */
static int override_set(struct def *d, struct def_run *r, const struct def_entry *e,
                        struct repx_err *err)
{
    const char *stage = e->key + strlen("param."), *dot = strchr(stage, '.');

    if (!dot)
        return repx_fail(err, REPX_E_USAGE, "write param.STAGE.NAME in a [run]");
    r->overrides =
        pool_grow(&d->pool, r->overrides, r->override_count, sizeof(*r->overrides));
    struct def_override *o = &r->overrides[r->override_count++];
    *o = (struct def_override){.stage =
                                   pool_strn(&d->pool, stage, (size_t)(dot - stage)),
                               .param = {.name = dot + 1, .line = e->line}};
    return def_values_parse(&d->pool, e->value, &o->param, err);
}

static int run_set(struct def *d, const char *name, const struct def_entry *e,
                   struct repx_err *err)
{
    struct def_run *r = def_run_find(d, name);

    if (!r) {
        d->runs = pool_grow(&d->pool, d->runs, d->run_count, sizeof(*d->runs));
        r = &d->runs[d->run_count++];
        *r = (struct def_run){.name = name, .line = e->line};
    }
    if (strcmp(e->key, "stages") == 0)
        return def_names_parse(&d->pool, e->value, &r->stages, err);
    if (strncmp(e->key, "param.", 6) == 0)
        return override_set(d, r, e, err);
    if (strcmp(e->key, "image") != 0) {
        return repx_fail(err, REPX_E_USAGE,
                         "a [run] knows stages, image and param.STAGE.NAME, no %s",
                         e->key);
    }
    r->image = e->value;
    return *e->value ? 0 : repx_fail(err, REPX_E_USAGE, "image is empty");
}

static int stage_set(struct def *d, const char *name, const struct def_entry *e,
                     struct repx_err *err)
{
    struct def_stage *s = def_stage_find(d, name);

    if (!s) {
        d->stages = pool_grow(&d->pool, d->stages, d->stage_count, sizeof(*d->stages));
        s = &d->stages[d->stage_count++];
        *s = (struct def_stage){.name = name, .version = "1.0", .line = e->line};
    }
    return def_stage_set(d, s, e, err);
}

static const struct section {
    const char *kind;
    int named; /* [KIND NAME] */
    int (*set)(struct def *d, const char *name, const struct def_entry *e,
               struct repx_err *err);
} sections[] = {
    {"lab", 0, lab_set},     {"run", 1, run_set},         {"stage", 1, stage_set},
    {"group", 1, group_set}, {"host-tools", 0, tool_set},
};

static int entry_set(struct def *d, const struct def_entry *e, struct repx_err *err)
{
    size_t n = strcspn(e->section, " \t");
    const char *name = e->section + n + strspn(e->section + n, " \t");

    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        const struct section *s = &sections[i];
        if (strlen(s->kind) != n || strncmp(s->kind, e->section, n) != 0 ||
            s->named != (*name != 0))
            continue;
        if (s->named && def_name_check(name, s->kind, err) < 0)
            return -1;
        return s->set(d, name, e, err);
    }
    return repx_fail(err, REPX_E_USAGE,
                     "[%s] is unknown; there are [lab], [run NAME], [stage NAME], "
                     "[group NAME] and [host-tools]",
                     e->section);
}

int def_read(struct def *d, const char *path, const char *text, size_t n,
             struct repx_err *err)
{
    struct def_entries entries = {NULL, 0};

    *d = (struct def){.version = "1"};
    int rc = def_entries(&d->pool, path, text, n, &entries, err);
    if (rc == 0 && !is_utf8(text, n))
        rc = repx_fail(err, REPX_E_USAGE, "%s: is not UTF-8 text", path);
    for (size_t i = 0; rc == 0 && i < entries.count; i++) {
        rc = entry_set(d, &entries.at[i], err);
        if (rc < 0)
            (void)repx_wrap(err, "%s:%d", path, entries.at[i].line);
    }
    if (rc == 0)
        rc = def_check(d, path, err);
    if (rc < 0)
        def_free(d);
    return rc;
}

void def_free(struct def *d)
{
    pool_free(&d->pool);
    *d = (struct def){0};
}
