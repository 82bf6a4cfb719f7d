/* SPDX-License-Identifier: MIT */
#include "helper_queue.h"

#include <stdlib.h>
#include <time.h>

#include <kit/alloc.h>

#include "helper_record.h"

#define PASSED_MAX 256 /* then the first of the list waits no longer for smaller ones */
#define LOOK_PAST 256  /* how many that do not fit are looked past at a time */
#define RUNNING_MAX 4096

void list_add(struct q_list *l, size_t unit, size_t index)
{
    if (l->head == l->count)
        l->head = l->count = 0;
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->at = repx_grow(l->at, l->cap, sizeof(*l->at));
    }
    l->at[l->count++] = (struct q_place){unit, index};
}

/* How one dependency stands: 1 met, 0 open, -1 never to be met. How a unit ended that
 * nobody saw ending is left to its users to find out: it counts as met. */
static int dep_stands(const struct q_model *m, const struct q_unit *u, size_t index,
                      const struct q_dep *d)
{
    if (d->unit == SIZE_MAX)
        return 1;
    const struct q_unit *t = m->units + d->unit;
    if (d->type == REPX_DEP_ANY)
        return t->left == 0;
    if (d->type == REPX_DEP_CORR && t->is_array && u->is_array && index < t->count) {
        uint8_t s = t->index[index].state;
        if (!state_ended(s))
            return 0;
        return s == REPX_STATE_DONE || s == REPX_STATE_ENDED ? 1 : -1;
    }
    if (t->bad)
        return -1;
    return t->left == 0;
}

static int index_stands(const struct q_model *m, const struct q_unit *u, size_t index)
{
    int all = 1;

    for (size_t i = 0; i < u->dep_count; i++) {
        int one = dep_stands(m, u, index, u->deps + i);
        if (one < 0)
            return -1;
        all = all && one;
    }
    return all;
}

static void order_index(struct queue *q, size_t unit, size_t index)
{
    struct q_unit *u = q->m.units + unit;
    struct q_index *x = u->index + index;

    if (x->state != REPX_STATE_PENDING)
        return;
    int stands = u->canceled ? -1 : index_stands(&q->m, u, index);
    if (stands < 0) {
        order_end(q, unit, index, REPX_STATE_CANCELED, -1,
                  u->canceled ? "cancelled" : "dependency");
    } else if (stands > 0 && !x->queued) {
        x->queued = 1;
        list_add(&q->ready, unit, index);
    }
}

void order_unit(struct queue *q, size_t unit)
{
    for (size_t i = 0; i < q->m.units[unit].count; i++)
        order_index(q, unit, i);
}

void order_end(struct queue *q, size_t unit, size_t index, uint8_t state, int exit,
               const char *reason)
{
    struct repx_buf line REPX_AUTO_BUF = {0};
    struct q_unit *u = q->m.units + unit;
    struct q_index *x = u->index + index;

    if (state_ended(x->state))
        return;
    x->state = state;
    x->exit = exit;
    u->left--;
    u->bad += state != REPX_STATE_DONE && state != REPX_STATE_ENDED;
    q->left--;
    u->last_s = (int64_t)time(NULL);
    if (*reason) {
        free(u->reason);
        u->reason = repx_strdup(reason);
    }
    record_line(&line, "ssnnnns", "end", u->id, (int64_t)index, (int64_t)state,
                (int64_t)exit, u->last_s, reason);
    journal_add(q, &line);
    list_add(&q->settled, unit, index);
}

/* Must all indices of `user` be looked at because index of `unit` ended? */
static int concerns_all(const struct q_model *m, size_t user, size_t unit)
{
    const struct q_unit *w = m->units + user, *u = m->units + unit;

    for (size_t i = 0; i < w->dep_count; i++) {
        if (w->deps[i].unit == unit &&
            (w->deps[i].type != REPX_DEP_CORR || !w->is_array || !u->is_array))
            return u->left == 0 || u->bad > 0;
    }
    return 0;
}

/* Fail-fast: what has not started of the same run does not start any more. */
static void stop_group(struct queue *q, size_t group)
{
    for (size_t i = 0; i < q->m.unit_count; i++) {
        struct q_unit *u = q->m.units + i;
        if (q->m.batches[u->batch].group != group || u->left == 0)
            continue;
        for (size_t k = 0; k < u->count; k++) {
            if (u->index[k].state == REPX_STATE_PENDING)
                order_end(q, i, k, REPX_STATE_CANCELED, -1, "another job failed");
        }
    }
}

static void order_user(struct queue *q, size_t user, struct q_place ended)
{
    if (concerns_all(&q->m, user, ended.unit)) {
        order_unit(q, user);
    } else if (ended.index < q->m.units[user].count) {
        order_index(q, user, ended.index);
    }
}

void order_settle(struct queue *q)
{
    while (q->settled.head < q->settled.count) {
        struct q_place p = q->settled.at[q->settled.head++];
        const struct q_unit *u = q->m.units + p.unit;
        size_t group = q->m.batches[u->batch].group;
        if (u->index[p.index].state == REPX_STATE_FAILED &&
            q->m.groups[group].fail_fast)
            stop_group(q, group);
        for (size_t i = 0; i < q->m.units[p.unit].user_count; i++)
            order_user(q, q->m.units[p.unit].users[i], p);
    }
    q->settled.head = q->settled.count = 0;
}

/* ---- room ---- */

/* 1 fits, 0 not now. A unit larger than everything runs when nothing else does. */
static int fits(const struct queue *q, size_t unit)
{
    const struct q_unit *u = q->m.units + unit;
    const struct q_group *g = q->m.groups + q->m.batches[u->batch].group;
    int64_t jobs = g->jobs > 0 ? g->jobs : q->cpus;
    int64_t cpus = jobs > q->cpus ? jobs : q->cpus;
    int64_t memory = g->memory > 0 ? g->memory : q->memory;

    if (q->own_count == 0)
        return 1;
    if ((int64_t)g->running >= jobs || q->cpus_used + u->cpus > cpus)
        return 0;
    return u->memory <= memory && g->memory_used <= memory - u->memory &&
           (g->memory > q->memory || q->memory_used <= q->memory - u->memory);
}

/* Drop from the front of the list what may not start any more. */
static void trim(struct queue *q)
{
    struct q_list *l = &q->ready;

    while (l->head < l->count && l->at[l->head].unit == SIZE_MAX)
        l->head++;
}

int order_next(struct queue *q, struct q_place *next)
{
    struct q_list *l = &q->ready;
    size_t large = 0;

    trim(q);
    for (size_t i = l->head; i < l->count && large < LOOK_PAST; i++) {
        struct q_place p = l->at[i];
        if (p.unit == SIZE_MAX)
            continue;
        struct q_index *x = q->m.units[p.unit].index + p.index;
        /* it may have been cancelled or amended since it came here */
        if (x->state != REPX_STATE_PENDING ||
            index_stands(&q->m, q->m.units + p.unit, p.index) != 1) {
            x->queued = 0;
            l->at[i].unit = SIZE_MAX;
            continue;
        }
        if (fits(q, p.unit)) {
            q->passed = i == l->head ? 0 : q->passed + 1;
            x->queued = 0;
            l->at[i].unit = SIZE_MAX;
            trim(q);
            *next = p;
            return 1;
        }
        if (q->passed > PASSED_MAX || q->own_count >= RUNNING_MAX)
            return 0;
        large++;
    }
    return 0;
}
