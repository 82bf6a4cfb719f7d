/* SPDX-License-Identifier: MIT */
#include "fields.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/value.h>

#include "core/config/nearest.h"

/* What a key has in the end. */
struct value {
    struct repx_field field;
    const char *const *texts; /* of the table, or &initial */
    const char *initial;
    size_t count; /* 0: unset */
    int64_t number;
};

struct fields {
    struct value *values;
    size_t count;
};

/* What a text that is no number of the field's type should be. */
static const char *wanted(uint32_t type)
{
    switch (type) {
    case REPX_FIELD_INT:
        return "a whole number";
    case REPX_FIELD_BOOL:
        return "true or false";
    case REPX_FIELD_DURATION:
        return "a time such as \"30s\" (units ms, s, m, h, d)";
    default:
        return "a size such as \"2G\"";
    }
}

static int check_range(const struct repx_field *f, int64_t number, const char *where,
                       struct repx_err *err)
{
    if ((!f->min && !f->max) || (number >= f->min && number <= f->max))
        return 0;
    REPX_AUTO_FREE char *is = f->flags & REPX_FIELD_SECRET
                                  ? repx_strdup("...")
                                  : repx_format("%" PRId64, number);
    return repx_fail(err, REPX_E_USAGE,
                     "%s: %s: is %s, must be %" PRId64 " to %" PRId64 "%s", where,
                     f->name, is, f->min, f->max,
                     f->type == REPX_FIELD_DURATION ? " milliseconds"
                     : f->type == REPX_FIELD_SIZE   ? " bytes"
                                                    : "");
}

static int is_number(uint32_t type)
{
    return type != REPX_FIELD_STRING && type != REPX_FIELD_LIST;
}

static int set(struct value *v, const struct config_value *from, struct repx_err *err)
{
    const struct repx_field *f = &v->field;

    if (from->is_array && f->type != REPX_FIELD_LIST) {
        return repx_fail(err, REPX_E_USAGE, "%s: %s: is a list, must be one value",
                         from->where, f->name);
    }
    v->texts = from->texts;
    v->count = from->count;
    if (!is_number(f->type) && from->other) {
        return repx_fail(err, REPX_E_USAGE, "%s: %s: %s %s, must be a text",
                         from->where, f->name, from->is_array ? "holds" : "is",
                         from->other);
    }
    if (!is_number(f->type))
        return 0;
    if (!repx_value_number(f->type, from->texts[0], &v->number)) {
        return repx_fail(
            err, REPX_E_USAGE, "%s: %s: is \"%.64s\", must be %s", from->where, f->name,
            f->flags & REPX_FIELD_SECRET ? "..." : from->texts[0], wanted(f->type));
    }
    return check_range(f, v->number, from->where, err);
}

static int set_initial(struct value *v, const struct plugin *plugin,
                       struct repx_err *err)
{
    if (!v->field.initial)
        return 0;
    v->initial = v->field.initial;
    v->count = 1;
    if (!is_number(v->field.type) ||
        repx_value_number(v->field.type, v->initial, &v->number))
        return 0;
    return repx_fail(
        err, REPX_E_UNSUPPORTED, "%s: its default for %s is \"%.64s\", must be %s",
        plugin->info.file, v->field.name,
        v->field.flags & REPX_FIELD_SECRET ? "..." : v->initial, wanted(v->field.type));
}

static struct value *find(const struct fields *f, const char *key)
{
    for (size_t i = 0; i < f->count; i++) {
        if (strcmp(f->values[i].field.name, key) == 0)
            return &f->values[i];
    }
    return NULL;
}

static int unknown(const struct fields *f, const struct config_value *v,
                   const struct plugin *plugin, struct repx_err *err)
{
    const char **names = repx_array(f->count + 1, sizeof(*names));

    for (size_t i = 0; i < f->count; i++)
        names[i] = f->values[i].field.name;
    const char *near = nearest_word(v->key, names, f->count);
    (void)repx_fail(err, REPX_E_USAGE, "%s: %s: %s-%s has no such key%s%s%s", v->where,
                    v->key, plugin_kind_word(plugin->info.kind), plugin->info.name,
                    near ? "; did you mean \"" : "", near ? near : "",
                    near ? "\"?" : "");
    free(names);
    return -1;
}

/* Two keys of scheduler tables are the core's own, whatever the plugin declares. */
static int is_core_key(const struct plugin *plugin, const char *key)
{
    return plugin->info.kind == REPX_KIND_SCHEDULER &&
           (strcmp(key, "execution_types") == 0 ||
            strcmp(key, "local_concurrency") == 0);
}

static int fill(struct fields *f, const struct plugin *plugin,
                const struct config_table *table, struct repx_err *err)
{
    for (size_t i = 0; i < f->count; i++) {
        f->values[i].field = descriptor_field(plugin->descriptor, i);
        if (set_initial(&f->values[i], plugin, err) < 0)
            return -1;
    }
    for (size_t i = 0; table && i < table->count; i++) {
        const struct config_value *from = &table->values[i];
        struct value *v = find(f, from->key);
        if (v ? set(v, from, err) < 0
              : !is_core_key(plugin, from->key) && unknown(f, from, plugin, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < f->count; i++) {
        const struct repx_field *field = &f->values[i].field;
        if (!(field->flags & REPX_FIELD_REQUIRED) || f->values[i].count)
            continue;
        return repx_fail(err, REPX_E_USAGE, "%s: %s-%s needs the key %s (%s)",
                         table && table->where ? table->where : "configuration",
                         plugin_kind_word(plugin->info.kind), plugin->info.name,
                         field->name, field->help);
    }
    return 0;
}

struct fields *fields_create(const struct plugin *plugin,
                             const struct config_table *table, struct repx_err *err)
{
    struct fields *f = REPX_NEW(struct fields);

    f->count = (size_t)plugin->descriptor->field_count;
    f->values = repx_array(f->count + 1, sizeof(*f->values));
    if (fill(f, plugin, table, err) == 0)
        return f;
    fields_destroy(f);
    return NULL;
}

void fields_destroy(struct fields *f)
{
    if (!f)
        return;
    free(f->values);
    free(f);
}

const char *fields_text(const struct fields *f, const char *key, uint64_t index)
{
    const struct value *v = find(f, key);

    if (!v || index >= v->count)
        return NULL;
    return v->texts ? v->texts[index] : v->initial;
}

int fields_number(const struct fields *f, const char *key, int64_t *value)
{
    const struct value *v = find(f, key);

    if (!v || !v->count || !is_number(v->field.type))
        return 0;
    *value = v->number;
    return 1;
}
