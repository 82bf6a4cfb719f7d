/* SPDX-License-Identifier: MIT */
/* submit_backstop.c: the feeder job. It is handed over as any unit: intent, claim, record. */
#include <stdlib.h>
#include <string.h>

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
    json_t *row;

    (void)submission_find_one(s, key, &row, NULL);
    int alive = row_is_alive(row);
    json_decref(row);
    return alive;
}

/* The feeder job of a run that waits, unless that is this process, or gone. */
static char *feeder_of(struct submission *s, const char *run, const char *self)
{
    struct waiting w;
    int there = waiting_read(s->site, run, &w) && *w.feeder &&
                (!self || strcmp(self, w.feeder) != 0) && is_alive(s, w.feeder);
    char *key = there ? repx_strdup(w.feeder) : NULL;

    waiting_finish(&w);
    return key;
}

struct looking {
    struct submission *s;
    struct backstop *b;
};

static int share(void *ctx, const char *run)
{
    const struct looking *l = ctx;

    if (strcmp(run, l->s->run->id) != 0)
        l->b->key = feeder_of(l->s, run, l->b->self);
    return l->b->key != NULL;
}

/* The one that the record names; or else that of another run, since a feeder job feeds all
 * runs that wait: so they do not fill the queue themselves. */
static int is_there(struct submission *s, struct backstop *b)
{
    struct looking l = {s, b};

    free(b->key);
    b->key = feeder_of(s, s->run->id, b->self);
    if (!b->key)
        (void)waiting_each(s->site, share, &l);
    return b->key != NULL;
}

struct naming {
    struct site *site;
    const char *run, *key;
};

int backstop_serves(struct site *site, const char *run, const char *key)
{
    struct waiting w;
    int served = waiting_read(site, run, &w) && strcmp(w.feeder, key) == 0;

    waiting_finish(&w);
    return served;
}

static int names_it(void *ctx, const char *run)
{
    const struct naming *n = ctx;

    return strcmp(run, n->run) != 0 && backstop_serves(n->site, run, n->key);
}

int backstop_shared(struct site *site, const char *run, const char *key)
{
    struct naming n = {site, run, key};

    return waiting_each(site, names_it, &n);
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

/* What a feeder job may follow: a unit of the run, this very job, or what was handed over
 * just now; NULL: nothing. */
static const char *to_follow(const struct submission *s)
{
    const char *unit = last_unit(s);

    if (!unit && s->on_node)
        unit = getenv("REPX_UNIT");
    for (void *at = json_object_iter(s->given); !unit && at;
         at = json_object_iter_next(s->given, at))
        unit = json_string_value(json_object_iter_value(at));
    return unit && *unit ? unit : NULL;
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
    if (!to_follow(s) && give_first(s, err) < 0)
        return -1;
    REPX_AUTO_FREE char *after = repx_strdup(to_follow(s));
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
    int only = b->key && !backstop_shared(s->site, s->run->id, b->key);
    json_t *claim = only ? claim_read(s->site, b->key, NULL) : NULL;
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
