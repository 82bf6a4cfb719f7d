/* SPDX-License-Identifier: MIT */
/* submit_backstop.c: the feeder job. It is handed over as any unit: intent, claim, record. */
#include <stdlib.h>
#include <string.h>

#include <repx/scheduler.h>

#include <kit/alloc.h>

#include "core/agent/state_check.h"
#include "core/agent/submit_feed.h"
#include "core/agent/units_end.h"
#include "core/agent/waiting.h"

#define CALL_MS 60000
#define DEPS_MAX 50 /* units that it waits for: the last ones */

int submission_fits(struct submission *s, size_t jobs)
{
    /* its own queue takes all there is */
    int64_t most = strcmp(s->scheduler.name, "local") == 0
                       ? -1
                       : submission_limit(s, "submit_max");
    int64_t refused = submission_limit_known(s, "refused");

    /* other jobs of the user count, too: half of it is what may be hoped for */
    if (most > 0 && jobs > (uint64_t)most / 2)
        return 0;
    return refused < 2 || jobs < (uint64_t)refused;
}

/* ---- is there one? ---- */

static int is_alive(struct submission *s, const char *key)
{
    json_t *keys = json_pack("[s]", key);
    json_t *rows = submission_find(s, keys, NULL);
    uint32_t state = scheduler_state(
        state_text(json_object_get(rows, key), "state", rows ? "ended" : ""));

    json_decref(rows);
    json_decref(keys);
    return state == REPX_STATE_PENDING || state == REPX_STATE_RUNNING;
}

/* The one that the record names, unless that is this process, or gone. */
static int is_there(struct submission *s, struct backstop *b)
{
    struct waiting w;
    int there = waiting_read(s->site, s->run->id, &w) && *w.feeder &&
                (!b->self || strcmp(b->self, w.feeder) != 0) && is_alive(s, w.feeder);

    free(b->key);
    b->key = there ? repx_strdup(w.feeder) : NULL;
    waiting_finish(&w);
    return there;
}

/* ---- a new one ---- */

/* A unit of the run that is in the scheduler, the last of the plan; NULL: none. */
static const char *last_unit(const struct submission *s)
{
    for (size_t i = s->run->count; i > 0; i--) {
        const struct decided *d = s->jobs + i - 1;
        if (d->what == DECIDE_OURS && d->unit && !s->state.terminal[i - 1])
            return d->unit;
    }
    return NULL;
}

/* A first job, so that the feeder job has something to follow. */
static int give_first(struct submission *s, struct repx_err *err)
{
    for (size_t i = 0; i < s->run->count; i++) {
        if (s->jobs[i].what != DECIDE_NEW)
            continue;
        int may = submit_may(s, i, err);
        if (may < 0)
            return -1;
        if (may)
            return submit_job(s, i, err) < 0 ? -1 : submission_flush(s, err);
    }
    return 0;
}

static int hand_over(struct submission *s, struct backstop *b, const char *after,
                     struct repx_err *err)
{
    json_t *deps = json_pack("[o]", submission_dep("any", after, NULL));
    char key[27];

    if (submission_add_feeder(s, deps, err) < 0)
        return -1;
    memcpy(key, s->batch[s->batch_count - 1].key, sizeof(key));
    int full = s->full;
    s->full = 0; /* a job may have ended meanwhile */
    int rc = submission_flush(s, err);
    const char *id = state_text(s->given, key, NULL);
    s->full = full; /* no room for this one says nothing of the next */
    if (rc < 0 || !id)
        return rc;
    free(b->key);
    free(b->id);
    b->key = repx_strdup(key);
    b->id = repx_strdup(id);
    (void)json_object_del(s->given, key); /* it does not wait for itself */
    return 1;
}

int backstop_place(struct submission *s, struct backstop *b, struct repx_err *err)
{
    if (is_there(s, b))
        return 1;
    if (!last_unit(s) && give_first(s, err) < 0)
        return -1;
    const char *after = last_unit(s);
    return after ? hand_over(s, b, after, err) : 0;
}

/* ---- afterwards ---- */

static json_t *given_deps(const struct submission *s)
{
    size_t count = json_object_size(s->given), i = 0;
    json_t *deps = json_array();

    for (void *at = json_object_iter(s->given); at;
         at = json_object_iter_next(s->given, at)) {
        const char *id = json_string_value(json_object_iter_value(at));
        if (i++ + DEPS_MAX >= count)
            (void)json_array_append_new(deps, submission_dep("any", id, NULL));
    }
    return deps;
}

void backstop_amend(struct submission *s, struct backstop *b)
{
    json_t *deps = given_deps(s);

    /* one that is not amended comes early, and places another */
    if (b->id && json_array_size(deps) > 0) {
        (void)scheduler_call(&s->scheduler, "amend",
                             json_pack("{s:s,s:O}", "id", b->id, "deps", deps), CALL_MS,
                             NULL, NULL, NULL);
    }
    json_decref(deps);
    free(b->id);
    b->id = NULL;
}

void backstop_remove(struct submission *s, struct backstop *b)
{
    if (!b->key)
        (void)is_there(s, b);
    json_t *claim = b->key ? claim_read(s->site, b->key, NULL) : NULL;
    const char *id = state_text(claim, "id", "");

    if (*id) {
        json_t *units = json_pack("[o]", unit_named(id, b->key));
        (void)units_end(&s->scheduler, units, CALL_MS, NULL);
    }
    json_decref(claim);
}

void backstop_finish(struct backstop *b)
{
    free(b->key);
    free(b->id);
    *b = (struct backstop){0};
}
