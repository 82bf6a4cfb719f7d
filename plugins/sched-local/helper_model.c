/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE

#include "helper_model.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "helper_record.h"

#define INDICES_MAX 2000000 /* of all arrays in one batch */

/* ---- growing ---- */

#define MODEL_MORE(array, count, cap)                              \
    do {                                                           \
        if ((count) == (cap)) {                                    \
            (cap) = (cap) ? (cap)*2 : 16;                          \
            (array) = repx_grow((array), (cap), sizeof(*(array))); \
        }                                                          \
    } while (0)

static size_t hash(const char *s)
{
    size_t h = 1469598103u;

    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    return h;
}

static void slot_put(struct q_model *m, size_t unit)
{
    size_t i = hash(m->units[unit].id) & (m->slot_count - 1);

    while (m->slots[i])
        i = (i + 1) & (m->slot_count - 1);
    m->slots[i] = unit + 1;
}

static void slots_grow(struct q_model *m)
{
    if (m->slot_count > m->unit_count * 2)
        return;
    free(m->slots);
    m->slot_count = m->slot_count ? m->slot_count * 4 : 256;
    m->slots = repx_array(m->slot_count, sizeof(*m->slots));
    for (size_t i = 0; i < m->unit_count; i++)
        slot_put(m, i);
}

size_t model_find(const struct q_model *m, const char *id)
{
    if (!m->slot_count)
        return SIZE_MAX;
    for (size_t i = hash(id) & (m->slot_count - 1); m->slots[i];
         i = (i + 1) & (m->slot_count - 1)) {
        if (strcmp(m->units[m->slots[i] - 1].id, id) == 0)
            return m->slots[i] - 1;
    }
    return SIZE_MAX;
}

static void unit_finish(struct q_unit *u)
{
    for (size_t i = 0; i < u->argc; i++)
        free(u->argv[i]);
    free(u->argv);
    free(u->id);
    free(u->key);
    free(u->name);
    free(u->workdir);
    free(u->deps);
    free(u->users);
    free(u->index);
    free(u->reason);
}

void model_finish(struct q_model *m)
{
    for (size_t i = 0; i < m->unit_count; i++)
        unit_finish(m->units + i);
    for (size_t i = 0; i < m->batch_count; i++)
        free(m->batches[i].name);
    for (size_t i = 0; i < m->group_count; i++)
        free(m->groups[i].run);
    free(m->units);
    free(m->batches);
    free(m->groups);
    free(m->slots);
    free(m->host);
    free(m->boot);
    *m = (struct q_model){0};
}

static size_t group_of(struct q_model *m, const char *run)
{
    for (size_t i = m->group_count; i > 0; i--) {
        if (strcmp(m->groups[i - 1].run, run) == 0)
            return i - 1;
    }
    MODEL_MORE(m->groups, m->group_count, m->group_cap);
    m->groups[m->group_count] = (struct q_group){.run = repx_strdup(run)};
    return m->group_count++;
}

static void add_user(struct q_unit *u, size_t user)
{
    if (u->user_count && u->users[u->user_count - 1] == user)
        return;
    if ((u->user_count & (u->user_count - 1)) == 0) {
        u->users = repx_grow(u->users, u->user_count ? u->user_count * 2 : 1,
                             sizeof(*u->users));
    }
    u->users[u->user_count++] = user;
}

/* Replace the dependencies of a unit. */
static void model_set_deps(struct q_model *m, size_t unit, const struct q_dep *deps,
                           size_t n)
{
    struct q_unit *u = m->units + unit;

    free(u->deps);
    u->deps = repx_array(n + 1, sizeof(*deps));
    u->dep_count = 0;
    for (size_t i = 0; i < n; i++) {
        if (deps[i].unit == unit)
            continue; /* on itself: never to be met, so never meant */
        u->deps[u->dep_count++] = deps[i];
        if (deps[i].unit != SIZE_MAX)
            add_user(m->units + deps[i].unit, unit);
    }
}

/* ---- batches ---- */

/* Is every line of the batch one we know, and the last one "whole" with the right
 * number? Works on a copy, since reading changes the text. */
static int batch_valid(const char *text, size_t n, size_t *units)
{
    REPX_AUTO_FREE char *copy = repx_strndup(text, n);
    const char *f[RECORD_FIELDS];
    size_t at = 0, lines = 0;
    int64_t whole = -1, count, indices = 0;

    *units = 0;
    if (strlen(copy) != n)
        return 0;
    while (record_next(copy, n, &at, f)) {
        if (lines++ == 0) {
            if (strcmp(f[0], "batch") != 0 || strcmp(f[1], "1") != 0)
                return 0;
        } else if (strcmp(f[0], "unit") == 0) {
            count = record_number(f[5], -1);
            if (!*f[1] || count < 0 || count > INDICES_MAX)
                return 0;
            indices += count;
            (*units)++;
        } else if (strcmp(f[0], "whole") == 0) {
            whole = record_number(f[1], -1);
        } else if (*units == 0 ||
                   (strcmp(f[0], "arg") != 0 && strcmp(f[0], "dep") != 0)) {
            return 0;
        }
    }
    return at == n && *units > 0 && indices <= INDICES_MAX && whole == (int64_t)*units;
}

static void add_unit(struct q_model *m, const char *const *f)
{
    int64_t count = record_number(f[5], 0);

    MODEL_MORE(m->units, m->unit_count, m->unit_cap);
    struct q_unit *u = m->units + m->unit_count;
    *u = (struct q_unit){
        .id = repx_strdup(f[1]),
        .key = repx_strdup(f[2]),
        .name = repx_strdup(f[3]),
        .workdir = repx_strdup(f[4]),
        .is_array = count > 0,
        .count = count > 0 ? (size_t)count : 1,
        .cpus = record_number(f[6], 1),
        .memory = record_number(f[7], QUEUE_MEMORY_DEFAULT),
        .batch = m->batch_count,
    };
    u->cpus = u->cpus < 1 ? 1 : u->cpus;
    u->memory = u->memory < 0 ? QUEUE_MEMORY_DEFAULT : u->memory;
    u->left = u->count;
    u->index = repx_array(u->count, sizeof(*u->index));
    for (size_t i = 0; i < u->count; i++)
        u->index[i] = (struct q_index){.state = REPX_STATE_PENDING, .pidfd = -1};
    m->unit_count++;
    slots_grow(m);
    slot_put(m, m->unit_count - 1);
}

static void add_arg(struct q_unit *u, const char *text)
{
    if ((u->argc & (u->argc + 1)) == 0) /* always room for the NULL at the end */
        u->argv = repx_grow(u->argv, 2 * (u->argc + 1) + 1, sizeof(char *));
    u->argv[u->argc++] = repx_strdup(text);
    u->argv[u->argc] = NULL;
}

static void add_dep(struct q_model *m, size_t unit, const char *type, const char *id)
{
    struct q_unit *u = m->units + unit;
    struct q_dep d = {(uint32_t)record_number(type, REPX_DEP_OK), model_find(m, id)};

    if (d.unit == unit || d.unit == SIZE_MAX)
        return;
    u->deps = repx_grow(u->deps, u->dep_count + 1, sizeof(d));
    u->deps[u->dep_count++] = d;
    add_user(m->units + d.unit, unit);
}

/* One line of a valid batch. known: the unit whose lines come was there before. */
static void add_line(struct q_model *m, struct q_batch *b, const char *const *f,
                     int *known)
{
    if (strcmp(f[0], "batch") == 0) {
        b->group = group_of(m, f[2]);
        m->groups[b->group].jobs = record_number(f[3], 0);
        m->groups[b->group].memory = record_number(f[4], 0);
        m->groups[b->group].fail_fast = record_number(f[5], 0) == 1;
    } else if (strcmp(f[0], "unit") == 0) {
        *known = model_find(m, f[1]) != SIZE_MAX;
        if (!*known)
            add_unit(m, f);
    } else if (!*known && strcmp(f[0], "arg") == 0) {
        add_arg(m->units + m->unit_count - 1, f[1]);
    } else if (!*known && strcmp(f[0], "dep") == 0) {
        add_dep(m, m->unit_count - 1, f[1], f[2]);
    }
}

int model_add_batch(struct q_model *m, const char *name, char *text, size_t n,
                    struct repx_err *err)
{
    const char *f[RECORD_FIELDS];
    size_t at = 0, units;
    int known = 0;

    for (size_t i = m->batch_count; i > 0; i--) {
        if (strcmp(m->batches[i - 1].name, name) == 0)
            return 0;
    }
    if (!batch_valid(text, n, &units))
        return repx_fail(err, REPX_E_CORRUPT, "%s: not a whole batch", name);
    MODEL_MORE(m->batches, m->batch_count, m->batch_cap);
    struct q_batch *b = m->batches + m->batch_count;
    *b = (struct q_batch){.name = repx_strdup(name), .first = m->unit_count};
    while (record_next(text, n, &at, f))
        add_line(m, b, f, &known);
    b->count = m->unit_count - b->first;
    m->batch_count++;
    return 0;
}

/* ---- journal ---- */

static void apply_run(struct q_index *x, const char *const *f)
{
    x->state = REPX_STATE_RUNNING;
    x->pid = (pid_t)record_number(f[3], 0);
    x->start = (uint64_t)record_number(f[4], 0);
    x->foreign = 1;
}

static void apply_end(struct q_unit *u, struct q_index *x, const char *const *f)
{
    int64_t state = record_number(f[3], REPX_STATE_ENDED);

    if (state < REPX_STATE_DONE || state > REPX_STATE_ENDED)
        state = REPX_STATE_ENDED;
    if (state_ended(x->state))
        return;
    u->left--;
    u->bad += state != REPX_STATE_DONE && state != REPX_STATE_ENDED;
    x->state = (uint8_t)state;
    x->exit = (int32_t)record_number(f[4], -1);
    u->last_s = record_number(f[5], 0);
    if (*f[6]) {
        free(u->reason);
        u->reason = repx_strdup(f[6]);
    }
}

static void apply_amend(struct q_model *m, size_t unit, const char *const *f)
{
    struct q_dep deps[RECORD_FIELDS / 2];
    size_t n = 0;

    for (size_t i = 2; i + 1 < RECORD_FIELDS && *f[i]; i += 2) {
        deps[n++] = (struct q_dep){(uint32_t)record_number(f[i], REPX_DEP_OK),
                                   model_find(m, f[i + 1])};
    }
    model_set_deps(m, unit, deps, n);
}

static void apply(struct q_model *m, const char *const *f)
{
    if (strcmp(f[0], "queue") == 0) {
        free(m->host);
        free(m->boot);
        m->host = repx_strdup(f[1]);
        m->boot = repx_strdup(f[2]);
        return;
    }
    size_t unit = model_find(m, f[1]);
    if (unit == SIZE_MAX)
        return;
    struct q_unit *u = m->units + unit;
    int64_t i = record_number(f[2], -1);
    struct q_index *x = i >= 0 && (size_t)i < u->count ? u->index + i : NULL;
    if (strcmp(f[0], "run") == 0 && x && !state_ended(x->state)) {
        apply_run(x, f);
    } else if (strcmp(f[0], "end") == 0 && x) {
        apply_end(u, x, f);
    } else if (strcmp(f[0], "cancel") == 0) {
        u->canceled = 1;
    } else if (strcmp(f[0], "amend") == 0) {
        apply_amend(m, unit, f);
    }
}

void model_apply_journal(struct q_model *m, char *text, size_t n)
{
    const char *f[RECORD_FIELDS];
    size_t at = 0;

    while (record_next(text, n, &at, f))
        apply(m, f);
}
