/* SPDX-License-Identifier: MIT */
#include "core/agent/submit_steps.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/agent/state_check.h"
#include "core/agent/units_end.h"

#define CANCEL_MS 60000

static const char *job_id(const struct steps *t)
{
    return state_text(t->s->plan[t->job], "id", "");
}

/* ---- the steps in order ---- */

static struct step *step_named(const struct steps *t, const char *name)
{
    for (size_t i = 0; name && i < t->count; i++) {
        if (strcmp(t->items[i].phase + strlen("step-"), name) == 0)
            return t->items + i;
    }
    return NULL;
}

/* All that it waits for is listed, and it is not. */
static int is_next(const struct steps *t, const char *phase, const json_t *exe)
{
    const json_t *after = json_object_get(exe, "deps");

    if (strncmp(phase, "step-", 5) != 0 || step_named(t, phase + 5))
        return 0;
    for (size_t i = 0; i < json_array_size(after); i++) {
        if (!step_named(t, json_string_value(json_array_get(after, i))))
            return 0;
    }
    return 1;
}

/* One more that nothing but listed ones come before; 0: there is none. */
static int list_next(struct steps *t, json_t *exes)
{
    for (void *at = json_object_iter(exes); at; at = json_object_iter_next(exes, at)) {
        const char *phase = json_object_iter_key(at);
        const json_t *exe = json_object_iter_value(at);
        if (is_next(t, phase, exe)) {
            t->items[t->count++] =
                (struct step){.phase = phase, .after = json_object_get(exe, "deps")};
            return 1;
        }
    }
    return 0;
}

static void list_steps(struct steps *t)
{
    json_t *exes = json_object_get(t->s->plan[t->job], "exes");

    t->items = repx_array(json_object_size(exes) + 1, sizeof(*t->items));
    while (list_next(t, exes))
        continue;
}

/* ---- what was taken before ---- */

/* Steals id. */
static void part_add(struct step *st, size_t count, const char *key, char *id)
{
    struct part p = {.first = st->given, .count = count, .id = id};

    memcpy(p.key, key, sizeof(p.key));
    st->parts = repx_grow(st->parts, st->count + 1, sizeof(p));
    st->parts[st->count++] = p;
    st->given += count;
}

/* A submitter died between the intent and the claim: is the unit there? */
static json_t *claim_late(struct submission *s, const char *key, struct repx_err *err)
{
    json_t *row, *claim = NULL;
    int found = submission_find_one(s, key, &row, err);
    const char *id = state_text(row, "id", NULL);

    if (found >= 0 && claim_make(s->site, key, id ? CLAIM_SUBMITTER : CLAIM_VOID,
                                 s->scheduler.name, id, &claim, err) == 1) {
        journal_line(s, id ? "accepted" : "void", key,
                     id ? json_pack("{s:s}", "id", id) : NULL);
    }
    json_decref(row);
    return claim;
}

/* 1 with the id of a key's unit, 0 when it has none and never will, -1. */
static int unit_of_key(struct submission *s, const char *key, char **id,
                       struct repx_err *err)
{
    struct repx_err why = {0};
    json_t *claim = claim_read(s->site, key, &why);

    if (!claim && why.code != REPX_E_NOENT)
        return repx_fail(err, why.code, "%s", why.text);
    if (!claim)
        claim = claim_late(s, key, err);
    if (!claim)
        return -1;
    const char *of = state_text(claim, "id", "");
    int there = strcmp(state_text(claim, "by", ""), "void") != 0 && *of;
    *id = there ? repx_strdup(of) : NULL;
    json_decref(claim);
    return there;
}

/* 1 when a part that begins with the first branch that is not given was taken. */
static int know_part(struct steps *t, struct step *st, struct repx_err *err)
{
    REPX_AUTO_FREE char *part = submission_part(st->phase, st->given);
    size_t left = t->branches - st->given;
    char key[27], *id = NULL;

    if (!sub_last_key(t->s->site, t->s->run->id, job_id(t), part, key))
        return 0;
    int rc = unit_of_key(t->s, key, &id, err);
    if (rc <= 0)
        return rc;
    size_t count = array_count(t->s->site, key);
    if (count == 0)
        count = t->most;
    part_add(st, count < left ? count : left, key, id);
    return 1;
}

static void forget(struct step *st)
{
    for (size_t i = 0; i < st->count; i++)
        free(st->parts[i].id);
    st->count = st->given = 0;
}

static json_t *keys_of(const struct steps *t)
{
    json_t *keys = json_array();

    for (size_t i = 0; i < t->count; i++) {
        for (size_t k = 0; k < t->items[i].count; k++)
            (void)json_array_append_new(keys, json_string(t->items[i].parts[k].key));
    }
    return keys;
}

/* Which of them does the scheduler still have? */
static int compare(struct steps *t, struct repx_err *err)
{
    json_t *keys = keys_of(t);
    json_t *rows = submission_find(t->s, keys, err);
    int rc = rows ? 0 : -1;

    for (size_t i = 0; rows && i < t->count; i++) {
        for (size_t k = 0; k < t->items[i].count; k++) {
            struct part *p = t->items[i].parts + k;
            p->gone = !row_is_alive(json_object_get(rows, p->key));
        }
    }
    json_decref(rows);
    json_decref(keys);
    return rc;
}

int steps_open(struct steps *t, int resumed, struct repx_err *err)
{
    int rc = 1;

    json_decref(t->s->steps);
    t->s->steps = json_object();
    t->most = submission_branches_max(t->s, t->branches);
    list_steps(t);
    for (size_t i = 0; rc >= 0 && i < t->count; i++) {
        do {
            rc = t->items[i].given < t->branches ? know_part(t, t->items + i, err) : 0;
        } while (rc > 0);
    }
    if (rc < 0 || compare(t, err) < 0)
        return -1;
    for (size_t i = 0; !resumed && !steps_alive(t) && i < t->count; i++)
        forget(t->items + i);
    return 0;
}

void steps_close(struct steps *t)
{
    for (size_t i = 0; i < t->count; i++) {
        forget(t->items + i);
        free(t->items[i].parts);
    }
    free(t->items);
}

int steps_alive(const struct steps *t)
{
    for (size_t i = 0; i < t->count; i++) {
        for (size_t k = 0; k < t->items[i].count; k++) {
            if (!t->items[i].parts[k].gone)
                return 1;
        }
    }
    return 0;
}

int steps_all_given(const struct steps *t)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->items[i].given < t->branches)
            return 0;
    }
    return 1;
}

/* ---- handing over ---- */

/* Where the next part, of at most so many branches, ends: not after what it waits for, and with it
 * if that is still on its way, so that both agree index by index. */
static size_t part_end(const struct steps *t, const struct step *st, size_t most)
{
    size_t at = st->given, end = t->branches - at < most ? t->branches : at + most;

    for (size_t i = 0; i < json_array_size(st->after); i++) {
        const struct step *before =
            step_named(t, json_string_value(json_array_get(st->after, i)));
        if (before->given < end)
            end = before->given;
        for (size_t k = 0; i == 0 && k < before->count; k++) {
            const struct part *p = before->parts + k;
            if (!p->gone && p->first <= at && at < p->first + p->count &&
                p->first + p->count < end)
                end = p->first + p->count;
        }
    }
    return end;
}

/* Its parts that the branches from..end-1 wait for. What is gone has ended: each branch sees
 * for itself how. */
static void deps_add(json_t *deps, const struct step *before, size_t from, size_t end)
{
    for (size_t k = 0; k < before->count; k++) {
        const struct part *p = before->parts + k;
        if (p->gone || p->first >= end || p->first + p->count <= from)
            continue;
        int corr = p->first == from && end <= p->first + p->count;
        (void)json_array_append_new(deps,
                                    submission_dep(corr ? "corr" : "any", p->id, NULL));
    }
}

static json_t *part_deps(const struct steps *t, const struct step *st, size_t from,
                         size_t end)
{
    json_t *deps = json_array();

    for (size_t i = 0; i < json_array_size(st->after); i++) {
        deps_add(deps, step_named(t, json_string_value(json_array_get(st->after, i))),
                 from, end);
    }
    return deps;
}

/* What was accepted of it, perhaps less than was asked for. */
static void take_given(struct steps *t, struct step *st)
{
    REPX_AUTO_FREE char *part = submission_part(st->phase, st->given);
    const json_t *got = json_object_get(t->s->steps, part);

    if (got) {
        part_add(st, (size_t)state_int(got, "n", 1), state_text(got, "key", ""),
                 repx_strdup(state_text(got, "id", "")));
    }
}

/* One part after the other: only what comes right after what is there may be asked for, or
 * a submitter that comes later would not find it, and hand it over once more. */
static int step_give(struct steps *t, struct step *st, struct repx_err *err)
{
    size_t most = t->most;

    for (size_t end = part_end(t, st, most); end > st->given;
         end = part_end(t, st, most)) {
        const size_t span[2] = {st->given, end - st->given};
        if (submission_add_branches(t->s, t->job, st->phase, span,
                                    part_deps(t, st, span[0], end), err) < 0 ||
            submission_flush(t->s, err) < 0)
            return -1;
        take_given(t, st);
        if (st->given == span[0])
            break;
        if (st->given < end)
            most = st->given - span[0]; /* there was no room for more */
    }
    return 0;
}

int steps_give(struct steps *t, struct repx_err *err)
{
    int again = t->s->again, rc = 0;

    for (unsigned tries = 0; rc == 0 && tries < HANDOVER_TRIES; tries++) {
        t->s->again = 0;
        for (size_t i = 0; rc == 0 && !t->s->full && !t->s->again && i < t->count; i++)
            rc = step_give(t, t->items + i, err);
        if (!t->s->again)
            break;
    }
    t->s->again = again;
    return rc;
}

json_t *steps_units(const struct steps *t)
{
    json_t *units = json_array();

    for (size_t i = 0; i < t->count; i++) {
        for (size_t k = 0; k < t->items[i].count; k++) {
            const struct part *p = t->items[i].parts + k;
            if (!p->gone)
                (void)json_array_append_new(units, unit_named(p->id, p->key));
        }
    }
    return units;
}

json_t *steps_sink(const struct steps *t)
{
    const struct step *sink = step_named(t, state_text(t->s->plan[t->job], "sink", ""));
    json_t *deps = json_array();

    for (size_t k = 0; sink && k < sink->count; k++) {
        if (!sink->parts[k].gone) {
            (void)json_array_append_new(deps,
                                        submission_dep("any", sink->parts[k].id, NULL));
        }
    }
    return deps;
}

/* ---- of another run ---- */

/* 1 there may be a part after it, which begins with branch *first then; 0; -1. */
static int leave_part(struct submission *s, const char *key, json_t *units,
                      size_t *first, struct repx_err *err)
{
    json_t *claim = NULL;
    size_t count = array_count(s->site, key);
    int rc = claim_make(s->site, key, CLAIM_VOID, s->scheduler.name, "", &claim, err);
    const char *id = state_text(claim, "id", "");

    if (rc == 0 && *id)
        (void)json_array_append_new(units, unit_named(id, key));
    json_decref(claim);
    *first += count;
    return rc < 0 ? -1 : count > 0;
}

static int leave_step(struct submission *s, const char *run, size_t job,
                      const char *phase, json_t *units, struct repx_err *err)
{
    const char *id = state_text(s->plan[job], "id", "");
    size_t first = 0;
    char key[27];
    int more = 1;

    while (more > 0) {
        REPX_AUTO_FREE char *part = submission_part(phase, first);
        more = sub_last_key(s->site, run, id, part, key)
                   ? leave_part(s, key, units, &first, err)
                   : 0;
    }
    return more;
}

int steps_end(struct submission *s, const char *run, size_t job, struct repx_err *err)
{
    json_t *exes = json_object_get(s->plan[job], "exes"), *units = json_array();
    int rc = 0;

    for (void *at = json_object_iter(exes); rc == 0 && at;
         at = json_object_iter_next(exes, at)) {
        if (strncmp(json_object_iter_key(at), "step-", 5) == 0)
            rc = leave_step(s, run, job, json_object_iter_key(at), units, err);
    }
    if (rc == 0)
        return units_end(&s->scheduler, units, CANCEL_MS, err);
    json_decref(units);
    return rc;
}
