/* SPDX-License-Identifier: MIT */
/* submit_ask.c: what the scheduler is asked for units of the batch, and what it answers. */
#include <stdlib.h>
#include <string.h>

#include <repx/scheduler.h>

#include <kit/alloc.h>

#include "core/agent/state_check.h"
#include "core/agent/submit_own.h"

#define SUBMIT_MS 300000
#define FIND_MS 60000

static const struct submission_rules *const rules = &submission_rules_all;

/* ---- find ---- */

static void on_found(void *ctx, const json_t *answer)
{
    const char *key = json_string_value(json_object_get(answer, "key"));

    if (key && json_is_string(json_object_get(answer, "id")))
        (void)json_object_set(ctx, key, (json_t *)(uintptr_t)answer);
}

json_t *submission_find(struct submission *s, json_t *keys, struct repx_err *err)
{
    json_t *found = json_object();
    json_t *request = json_pack("{s:O}", "keys", keys);

    if (json_array_size(keys) == 0) {
        json_decref(request);
        return found;
    }
    if (scheduler_call(&s->scheduler, "find", request, FIND_MS, on_found, found, err) <
        0) {
        json_decref(found);
        return NULL;
    }
    return found;
}

int submission_find_one(struct submission *s, const char *key, json_t **row,
                        struct repx_err *err)
{
    json_t *keys = json_pack("[s]", key);
    json_t *rows = submission_find(s, keys, err);
    int rc = rows ? 0 : -1;

    *row = json_incref(json_object_get(rows, key));
    json_decref(rows);
    json_decref(keys);
    return *row ? 1 : rc;
}

int row_is_alive(const json_t *row)
{
    uint32_t state = scheduler_state(state_text(row, "state", ""));

    return state == REPX_STATE_PENDING || state == REPX_STATE_RUNNING;
}

static int is_next(const struct pending *p, enum handover_act act)
{
    return handover_next(rules, &p->h) == act;
}

static json_t *doubtful_keys(const struct submission *s)
{
    json_t *keys = json_array();

    for (size_t i = 0; i < s->batch_count; i++) {
        if (is_next(s->batch + i, HANDOVER_DO_LOOK_UP))
            (void)json_array_append_new(keys, json_string(s->batch[i].key));
    }
    return keys;
}

static void saw_found(struct pending *p, const json_t *row)
{
    const char *id = state_text(row, "id", NULL);

    if (id) {
        free(p->id);
        p->id = repx_strdup(id);
    }
    handover_saw(rules, &p->h, id ? HANDOVER_SAW_FOUND : HANDOVER_SAW_ABSENT);
}

void submission_look_up(struct submission *s, struct repx_err *err)
{
    json_t *keys = doubtful_keys(s);
    json_t *found = submission_find(s, keys, err);

    if (!found) {
        (void)repx_wrap(err,
                        "whether %zu units were submitted is not known; run again to "
                        "find out",
                        json_array_size(keys));
    }
    for (size_t i = 0; i < s->batch_count; i++) {
        struct pending *p = s->batch + i;
        if (!is_next(p, HANDOVER_DO_LOOK_UP))
            continue;
        if (found) {
            saw_found(p, json_object_get(found, p->key));
        } else {
            handover_saw(rules, &p->h, HANDOVER_SAW_FAILED);
        }
    }
    json_decref(found);
    json_decref(keys);
}

/* ---- submit ---- */

static void on_answer(void *ctx, const json_t *answer)
{
    struct submission *s = ctx;
    int64_t i = json_integer_value(json_object_get(answer, "i"));
    const char *id = json_string_value(json_object_get(answer, "id"));
    const char *text = json_string_value(json_object_get(answer, "text"));
    const char *result = json_string_value(json_object_get(answer, "result"));

    if (i < 0 || (size_t)i >= s->asked_count || !result)
        return;
    struct pending *p = s->batch + s->asked[i];
    p->result = scheduler_result(result);
    if (p->result == REPX_SUBMIT_ACCEPTED && !id)
        p->result = REPX_SUBMIT_PERHAPS;
    free(p->id);
    free(p->text);
    p->id = repx_strdup(id);
    p->text = repx_strdup(text);
}

/* Keys of units that have an id by now become ids. */
static void resolve_key(const struct submission *s, json_t *dep)
{
    const char *key = json_string_value(json_object_get(dep, "key"));
    const char *id = key ? state_text(s->given, key, NULL) : NULL;

    if (!id)
        return;
    (void)json_object_set_new(dep, "id", json_string(id));
    (void)json_object_del(dep, "key");
}

static void put_unit(struct submission *s, size_t at, json_t *units)
{
    struct pending *p = s->batch + at;
    json_t *deps = json_object_get(p->unit, "deps"), *dep;
    size_t k;

    json_array_foreach(deps, k, dep)
    {
        resolve_key(s, dep);
    }
    p->result = 0;
    s->asked[s->asked_count++] = at;
    (void)json_array_append(units, p->unit);
}

/* Where jobs of a target may not submit is found out by the first that tries: what it was
 * told says nothing about the unit. */
static int node_refused(struct submission *s, const struct pending *p)
{
    if (!s->on_node || s->nodes == NODES_YES || p->result != REPX_SUBMIT_REFUSED)
        return 0;
    s->nodes = NODES_NO;
    s->full = 1;
    submission_limit_keep(s, "node_submits", 0);
    return 1;
}

static void node_accepted(struct submission *s)
{
    if (!s->on_node || s->nodes != NODES_UNKNOWN)
        return;
    s->nodes = NODES_YES;
    submission_limit_keep(s, "node_submits", 1);
}

/* stop: a unit before it got no room or no answer. */
static enum handover_saw answer_of(struct submission *s, const struct pending *p,
                                   int stop)
{
    if (p->result == REPX_SUBMIT_ACCEPTED) {
        node_accepted(s);
        return HANDOVER_SAW_ACCEPTED;
    }
    if (p->result == REPX_SUBMIT_ROOM && stop)
        return HANDOVER_SAW_NOT_TRIED;
    if (p->result == REPX_SUBMIT_ROOM || node_refused(s, p))
        return HANDOVER_SAW_ROOM;
    return p->result == REPX_SUBMIT_REFUSED ? HANDOVER_SAW_REFUSED
                                            : HANDOVER_SAW_NO_ANSWER;
}

static void remember_why(struct submission *s, struct pending *p, const char *failed)
{
    if (!p->text || !*p->text) {
        free(p->text);
        p->text = repx_strdup(failed);
    }
    free(s->room);
    s->room = repx_strdup(*p->text ? p->text : "the queue is full");
}

void submission_ask(struct submission *s, struct repx_err *err)
{
    json_t *units = json_array();
    struct repx_err failed = {0};
    int stop = 0;

    (void)err;
    free(s->asked);
    s->asked = repx_array(s->batch_count + 1, sizeof(*s->asked));
    s->asked_count = 0;
    for (size_t i = 0; i < s->batch_count; i++) {
        if (is_next(s->batch + i, HANDOVER_DO_SUBMIT))
            put_unit(s, i, units);
    }
    /* a call that failed is answered by its units: those without an answer are in doubt */
    (void)scheduler_call(&s->scheduler, "submit", json_pack("{s:o}", "units", units),
                         SUBMIT_MS, on_answer, s, &failed);
    for (size_t i = 0; i < s->asked_count; i++) {
        struct pending *p = s->batch + s->asked[i];
        enum handover_saw saw = answer_of(s, p, stop);
        if (saw == HANDOVER_SAW_ACCEPTED)
            (void)json_object_set_new(s->given, p->key, json_string(p->id));
        if (saw == HANDOVER_SAW_ROOM || saw == HANDOVER_SAW_NO_ANSWER)
            remember_why(s, p, failed.text);
        stop |= saw == HANDOVER_SAW_ROOM || saw == HANDOVER_SAW_NO_ANSWER;
        handover_saw(rules, &p->h, saw);
    }
}
