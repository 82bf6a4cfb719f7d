/* SPDX-License-Identifier: MIT */
#include "relation.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int is_number(const char *s)
{
    return *s == '-' || isdigit((unsigned char)*s);
}

/* Numbers by their value, everything else as text. */
static int value_compare(const char *a, const char *b)
{
    if (a == b)
        return 0;
    if (is_number(a) && is_number(b)) {
        double x = strtod(a, NULL), y = strtod(b, NULL);
        if (x < y || x > y)
            return x < y ? -1 : 1;
    }
    return strcmp(a, b);
}

int row_compare(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    for (size_t i = 0; i < x->width && i < y->width; i++) {
        int c = value_compare(x->values[i], y->values[i]);
        if (c)
            return c;
    }
    return 0;
}

size_t names_index(const struct def_names *names, const char *name)
{
    size_t i = 0;

    while (i < names->count && strcmp(names->at[i], name) != 0)
        i++;
    return i;
}

static struct row *add_row(struct pool *pool, struct relation *to, size_t own)
{
    to->rows = pool_grow(pool, to->rows, to->count, sizeof(*to->rows));
    struct row *r = &to->rows[to->count++];
    *r = (struct row){pool_array(pool, to->names.count, sizeof(char *)),
                      to->names.count, own, NULL};
    return r;
}

static void add_sorted(struct pool *pool, struct def_names *names, const char *name)
{
    def_names_add(pool, names, name);
    for (size_t i = names->count - 1; i > 0 && strcmp(names->at[i - 1], name) > 0;
         i--) {
        names->at[i] = names->at[i - 1];
        names->at[i - 1] = name;
    }
}

/* ---- parameters ---- */

/* Parameters that advance together; most axes hold one. */
struct axis {
    const struct def_param *params[32];
    size_t count, length;
};

static const struct def_param *
in_run(const struct def_stage *s, const struct def_run *run, const struct def_param *p)
{
    for (size_t i = 0; i < run->override_count; i++) {
        if (strcmp(run->overrides[i].stage, s->name) == 0 &&
            strcmp(run->overrides[i].param.name, p->name) == 0)
            return &run->overrides[i].param;
    }
    return p;
}

static int axis_add(struct axis *a, const struct def_param *p, struct repx_err *err)
{
    if (a->count == sizeof(a->params) / sizeof(a->params[0])) {
        return repx_fail(err, REPX_E_USAGE, "more than %zu parameters in a zip",
                         a->count);
    }
    if (a->count && p->count != a->length) {
        return repx_fail(err, REPX_E_USAGE,
                         "zip: %s has %zu values and %s %zu; they must have as many",
                         a->params[0]->name, a->length, p->name, p->count);
    }
    a->params[a->count++] = p;
    a->length = p->count;
    return 0;
}

static size_t zip_of(const struct def_stage *s, const char *name)
{
    size_t z = 0;

    while (z < s->zip_count && !def_names_has(&s->zips[z], name))
        z++;
    return z;
}

/* One axis for each zip, then one for each other parameter. */
static int make_axes(const struct def_stage *s, const struct def_run *run,
                     struct axis *axes, struct repx_err *err)
{
    size_t next = s->zip_count;

    for (size_t i = 0; i < s->param_count; i++) {
        size_t z = zip_of(s, s->params[i].name);
        struct axis *a = &axes[z < s->zip_count ? z : next++];
        if (axis_add(a, in_run(s, run, &s->params[i]), err) < 0)
            return -1;
    }
    return 0;
}

static void combination(const struct axis *axes, size_t axis_count, size_t at,
                        const struct def_names *names, struct row *row)
{
    for (size_t i = 0; i < axis_count; i++) {
        size_t k = axes[i].count ? at % axes[i].length : 0;
        for (size_t p = 0; p < axes[i].count; p++) {
            row->values[names_index(names, axes[i].params[p]->name)] =
                axes[i].params[p]->values[k];
        }
        at /= axes[i].count ? axes[i].length : 1;
    }
}

int relation_of_params(struct pool *pool, const struct def_stage *s,
                       const struct def_run *run, struct relation *to,
                       struct repx_err *err)
{
    size_t axis_count = s->zip_count + s->param_count, total = 1;
    struct axis *axes = pool_array(pool, axis_count, sizeof(*axes));

    *to = (struct relation){{NULL, 0}, NULL, 0};
    if (make_axes(s, run, axes, err) < 0)
        return -1;
    for (size_t i = 0; i < s->param_count; i++)
        add_sorted(pool, &to->names, s->params[i].name);
    for (size_t i = 0; i < axis_count; i++) {
        total *= axes[i].count ? axes[i].length : 1;
        if (total > DEF_COMBINATIONS_MAX) {
            return repx_fail(err, REPX_E_USAGE, "more than %d combinations of values",
                             DEF_COMBINATIONS_MAX);
        }
    }
    for (size_t at = 0; at < total; at++)
        combination(axes, axis_count, at, &to->names, add_row(pool, to, at));
    return 0;
}

/* ---- groups ---- */

static int remaining_names(struct pool *pool, const struct stage_jobs *producer,
                           const struct def_input *in, struct def_names *to,
                           struct repx_err *err)
{
    for (size_t i = 0; i < in->over.count; i++) {
        if (!def_names_has(&producer->names, in->over.at[i])) {
            return repx_fail(
                err, REPX_E_USAGE,
                "stage %s does not vary with %s, so nothing can be reduced "
                "over it",
                in->source, in->over.at[i]);
        }
    }
    for (size_t i = 0; i < producer->names.count; i++) {
        const char *name = producer->names.at[i];
        if (!in->reduce || (in->over.count && !def_names_has(&in->over, name)))
            def_names_add(pool, to, name);
    }
    return 0;
}

/* A row for each job: the values that remain, and the job's place as `own`. */
static struct row *project(struct pool *pool, const struct stage_jobs *producer,
                           const struct def_names *names)
{
    struct row *rows = pool_array(pool, producer->count, sizeof(*rows));

    for (size_t i = 0; i < producer->count; i++) {
        const struct job *j = &producer->jobs[i];
        rows[i] = (struct row){pool_array(pool, names->count, sizeof(char *)),
                               names->count, i, NULL};
        for (size_t k = 0; k < names->count; k++)
            rows[i].values[k] = expand_value(producer, j, names->at[k]);
    }
    return rows;
}

static int project_compare(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int c = row_compare(a, b);

    return c ? c : (x->own > y->own) - (x->own < y->own);
}

int relation_of_groups(struct pool *pool, const struct stage_jobs *producer,
                       const struct def_input *in, struct relation *to,
                       struct repx_err *err)
{
    *to = (struct relation){{NULL, 0}, NULL, 0};
    if (remaining_names(pool, producer, in, &to->names, err) < 0)
        return -1;
    struct row *rows = project(pool, producer, &to->names);
    qsort(rows, producer->count, sizeof(*rows), project_compare);
    for (size_t i = 0, end; i < producer->count; i = end) {
        for (end = i + 1;
             end < producer->count && row_compare(&rows[i], &rows[end]) == 0; end++) {
        }
        struct job_group *g = pool_alloc(pool, sizeof(*g));
        g->members = pool_array(pool, end - i, sizeof(struct job *));
        g->count = end - i;
        for (size_t k = i; k < end; k++)
            g->members[k - i] = &producer->jobs[rows[k].own];
        struct row *r = add_row(pool, to, 0);
        memcpy(r->values, rows[i].values, r->width * sizeof(char *));
        r->bound = pool_array(pool, 1, sizeof(struct job_group *));
        r->bound[0] = g;
    }
    return 0;
}

/* ---- join ---- */

/* b's rows by what it shares with a: `own` is the place in b. */
static struct row *index_shared(struct pool *pool, const struct relation *b,
                                const struct def_names *shared)
{
    struct row *index = pool_array(pool, b->count, sizeof(*index));

    for (size_t i = 0; i < b->count; i++) {
        index[i] = (struct row){pool_array(pool, shared->count, sizeof(char *)),
                                shared->count, i, NULL};
        for (size_t k = 0; k < shared->count; k++) {
            index[i].values[k] =
                b->rows[i].values[names_index(&b->names, shared->at[k])];
        }
    }
    qsort(index, b->count, sizeof(*index), project_compare);
    return index;
}

static size_t first_equal(const struct row *index, size_t count, const struct row *key)
{
    size_t lo = 0, hi = count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (row_compare(&index[mid], key) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

struct join {
    const struct relation *a, *b;
    struct def_names shared;
    struct row *index; /* b by what is shared */
    size_t input;
};

static void add_pair(struct pool *pool, const struct join *j, const struct row *x,
                     const struct row *y, struct relation *to)
{
    struct row *r = add_row(pool, to, x->own);

    for (size_t i = 0; i < to->names.count; i++) {
        const char *name = to->names.at[i];
        size_t at = names_index(&j->a->names, name);
        r->values[i] = at < j->a->names.count
                           ? x->values[at]
                           : y->values[names_index(&j->b->names, name)];
    }
    r->bound = pool_array(pool, j->input + 1, sizeof(struct job_group *));
    for (size_t i = 0; x->bound && i < j->input; i++)
        r->bound[i] = x->bound[i];
    r->bound[j->input] = y->bound[0];
}

/* Every row of b that goes with row i of a. */
static int join_one(struct pool *pool, const struct join *j, size_t i, struct row *key,
                    struct relation *to)
{
    for (size_t k = 0; k < key->width; k++) {
        key->values[k] =
            j->a->rows[i].values[names_index(&j->a->names, j->shared.at[k])];
    }
    for (size_t k = first_equal(j->index, j->b->count, key);
         k < j->b->count && row_compare(&j->index[k], key) == 0; k++) {
        add_pair(pool, j, &j->a->rows[i], &j->b->rows[j->index[k].own], to);
        if (to->count > DEF_COMBINATIONS_MAX)
            return -1;
    }
    return 0;
}

int relation_join(struct pool *pool, const struct relation *a, const struct relation *b,
                  size_t input, struct relation *to, struct repx_err *err)
{
    struct join j = {a, b, {NULL, 0}, NULL, input};

    *to = (struct relation){{NULL, 0}, NULL, 0};
    for (size_t i = 0; i < a->names.count; i++) {
        add_sorted(pool, &to->names, a->names.at[i]);
        if (def_names_has(&b->names, a->names.at[i]))
            def_names_add(pool, &j.shared, a->names.at[i]);
    }
    for (size_t i = 0; i < b->names.count; i++) {
        if (!def_names_has(&a->names, b->names.at[i]))
            add_sorted(pool, &to->names, b->names.at[i]);
    }
    j.index = index_shared(pool, b, &j.shared);
    struct row key = {pool_array(pool, j.shared.count, sizeof(char *)), j.shared.count,
                      0, NULL};
    for (size_t i = 0; i < a->count; i++) {
        if (join_one(pool, &j, i, &key, to) < 0) {
            return repx_fail(err, REPX_E_USAGE, "more than %d combinations",
                             DEF_COMBINATIONS_MAX);
        }
    }
    return 0;
}
