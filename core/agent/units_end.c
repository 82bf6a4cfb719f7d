/* SPDX-License-Identifier: MIT */
#include "core/agent/units_end.h"

#include <string.h>

#include <kit/alloc.h>

#include "core/agent/queue_ask.h"
#include "core/agent/state_check.h"

#define STATUS_MS 30000

/* What goes on in the queue. */
struct present {
    json_t *keys; /* key -> {id: true} */
    json_t *ids;  /* id -> key */
};

static void on_row(void *ctx, const json_t *row)
{
    struct present *p = ctx;
    const char *key = state_text(row, "key", NULL), *id = state_text(row, "id", NULL);

    if (!key || !id || queue_over(scheduler_state(state_text(row, "state", ""))))
        return;
    json_t *ids = json_object_get(p->keys, key);
    if (!ids) {
        ids = json_object();
        (void)json_object_set_new(p->keys, key, ids);
    }
    (void)json_object_set_new(ids, id, json_true());
    (void)json_object_set_new(p->ids, id, json_string(key));
}

/* Rows name whole units, units may name one index: "12_3". */
static int is_ours(const struct present *p, const json_t *unit)
{
    const char *id = state_text(unit, "id", ""), *key = state_text(unit, "key", "");
    const json_t *ids = json_object_get(p->keys, key);
    REPX_AUTO_FREE char *whole = repx_strndup(id, strcspn(id, "_"));

    if (!*id || !ids)
        return 0;
    if (json_object_get(ids, id) || json_object_get(ids, whole))
        return 1;
    /* its key goes on, told with an id of another form; unless that id is another's */
    return !json_object_get(p->ids, id) && !json_object_get(p->ids, whole);
}

static json_t *ids_of(const json_t *units, const struct present *p)
{
    json_t *ids = json_array();

    for (size_t i = 0; i < json_array_size(units); i++) {
        const json_t *unit = json_array_get(units, i);
        if (!p || is_ours(p, unit))
            (void)json_array_append(ids, json_object_get(unit, "id"));
    }
    return ids;
}

static int end_ids(struct scheduler *s, json_t *ids, int64_t timeout_ms,
                   struct repx_err *err)
{
    if (json_array_size(ids) == 0) {
        json_decref(ids);
        return 0;
    }
    return scheduler_call(s, "cancel", json_pack("{s:o}", "ids", ids), timeout_ms, NULL,
                          NULL, err);
}

static int end_present(struct scheduler *s, const json_t *units, int64_t timeout_ms,
                       struct repx_err *err)
{
    struct present p = {json_object(), json_object()};

    s->noted = "cancel"; /* a part of that: no question that the budget refuses */
    int rc = scheduler_call(s, "status", json_object(), STATUS_MS, on_row, &p, err);

    s->noted = NULL;
    if (rc == 0)
        rc = end_ids(s, ids_of(units, &p), timeout_ms, err);
    json_decref(p.keys);
    json_decref(p.ids);
    return rc;
}

json_t *unit_named(const char *id, const char *key)
{
    return json_pack("{s:s,s:s}", "id", id, "key", key);
}

int units_end(struct scheduler *s, json_t *units, int64_t timeout_ms,
              struct repx_err *err)
{
    struct repx_err unheard = {0};
    int rc = 0;

    err = err ? err : &unheard;
    if (json_array_size(units) && strcmp(s->name, "local") == 0) {
        rc = end_ids(s, ids_of(units, NULL), timeout_ms, err);
    } else if (json_array_size(units)) {
        rc = end_present(s, units, timeout_ms, err);
    }
    json_decref(units);
    return rc;
}
