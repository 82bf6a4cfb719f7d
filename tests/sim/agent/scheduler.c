/* SPDX-License-Identifier: MIT */
/* scheduler.c: a scheduler in memory, with the habits of a real one: answers get lost on
 * the way back, or on the way there; it has no room; it does not answer; it forgets what
 * ended, and takes an id that it does not know for a satisfied dependency. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agent/scheduler_call.h"
#include "core/agent/state_check.h"
#include "sim/agent/world.h"

#define KILL_WAIT_MS 30000

static const char *const state_names[] = {"pending", "running",  "done",
                                          "failed",  "canceled", "node"};

static int number(const char *text)
{
    return (int)strtol(text, NULL, 10);
}

/* ---- units ---- */

static int is_over(const struct element *e)
{
    return e->state >= U_DONE;
}

static int unit_over(const struct queued *u)
{
    for (int k = 0; k < u->count; k++) {
        if (!is_over(u->e + k))
            return 0;
    }
    return 1;
}

static int is_forgotten(const struct queued *u)
{
    int64_t last = 0;

    for (int k = 0; k < u->count; k++)
        last = u->e[k].ended > last ? u->e[k].ended : last;
    return unit_over(u) && world->now - last > world->remembers;
}

static struct queued *unit_of(int id)
{
    return id > 0 && id <= world->unit_count ? world->units + id : NULL;
}

static int taken_room(void)
{
    int n = 0;

    for (int i = 1; i <= world->unit_count; i++) {
        for (int k = 0; k < world->units[i].count; k++)
            n += !is_over(world->units[i].e + k);
    }
    return n;
}

/* ---- dependencies ---- */

static void end_element(struct element *e, enum unit_state state)
{
    e->state = state;
    e->ended = world->now;
}

/* 1 satisfied, 0 not yet, -1 never. */
static int dep_state(const struct dep *d, int element)
{
    const struct queued *u = unit_of(d->unit);
    int ok = strcmp(d->type, "any") != 0, all = 1;

    if (!u || is_forgotten(u))
        return 1;
    int only = strcmp(d->type, "corr") == 0 ? element : d->element;
    for (int k = 0; k < u->count; k++) {
        if (only >= 0 && k != only)
            continue;
        if (ok && is_over(u->e + k) && u->e[k].state != U_DONE)
            return -1;
        all &= is_over(u->e + k);
    }
    return all;
}

static int deps_state(const struct queued *u, int element)
{
    int all = 1;

    for (int i = 0; i < u->deps_count; i++) {
        int state = dep_state(u->deps + i, element);
        if (state < 0)
            return -1;
        all &= state;
    }
    return all;
}

static int start_main(void)
{
    return job_start(self->unit, self->element);
}

static void start(int id, int element)
{
    struct queued *u = world->units + id;

    struct proc *p = proc_start(JOB, 0, start_main);
    if (!p)
        return;
    p->unit = id;
    p->element = element;
    if (one_in(world->killing))
        p->kill_at = 1 + chance(150);
    if (one_in(4))
        p->stop_at = 1 + chance(150);
    u->e[element].state = U_RUNNING;
    u->e[element].proc = (int)(p - world->procs);
    say("%d_%d starts as p%d: %s %s", id, element, u->e[element].proc, u->job,
        u->phase);
}

static int64_t tick_element(int id, int element)
{
    struct queued *u = world->units + id;
    struct element *e = u->e + element;
    int state = e->state == U_PENDING ? deps_state(u, element) : 0;

    if (e->state != U_PENDING || state == 0)
        return INT64_MAX;
    if (state < 0) {
        say("%d_%d can never start", id, element);
        end_element(e, U_CANCELED);
        return world->now; /* others may follow that */
    }
    if (!e->begin)
        e->begin = world->now + between(1, 5000);
    if (e->begin > world->now)
        return e->begin;
    start(id, element);
    return INT64_MAX;
}

int64_t scheduler_tick(void)
{
    int64_t next = INT64_MAX;

    for (int i = 1; i <= world->unit_count; i++) {
        for (int k = 0; k < world->units[i].count; k++) {
            int64_t at = tick_element(i, k);
            next = at < next ? at : next;
        }
    }
    return next;
}

void scheduler_over(struct proc *p)
{
    struct element *e = world->units[p->unit].e + p->element;

    for (int i = 0; i < world->execution_count; i++) {
        struct execution *x = world->executions + i;
        if (x->proc != (int)(p - world->procs))
            continue;
        x->over = 1;
        x->ok = !p->killed && p->status == 0;
    }
    if (p->killed && !p->asked && one_in(world->requeues)) {
        say("%d_%d is put back", p->unit, p->element);
        *e = (struct element){.begin = world->now + between(1000, 60000)};
        return;
    }
    say("%d_%d has ended: %s", p->unit, p->element,
        p->killed ? "killed" : (p->status ? "badly" : "well"));
    if (p->asked) {
        end_element(e, U_CANCELED);
    } else if (p->killed) {
        end_element(e, U_NODE);
    } else {
        end_element(e, p->status ? U_FAILED : U_DONE);
    }
}

const char *scheduler_left(void)
{
    static char text[160];

    for (int i = 1; i <= world->unit_count; i++) {
        const struct queued *u = world->units + i;
        if (!unit_over(u)) {
            (void)snprintf(text, sizeof(text), "%d: %s %s of run %s", i, u->job,
                           u->phase, u->run);
            return text;
        }
    }
    return NULL;
}

/* ---- submit ---- */

static void copy(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from);
}

static int unit_by_key(const char *key)
{
    for (int i = world->unit_count; i > 0; i--) {
        if (strcmp(world->units[i].key, key) == 0)
            return i;
    }
    return 0;
}

static void deps_set(struct queued *u, const json_t *deps)
{
    u->deps_count = 0;
    for (size_t i = 0; i < json_array_size(deps) && i < DEPS; i++) {
        const json_t *d = json_array_get(deps, i);
        const char *id = state_text(d, "id", NULL),
                   *under = id ? strchr(id, '_') : NULL;
        struct dep *to = u->deps + u->deps_count++;
        copy(to->type, sizeof(to->type), state_text(d, "type", ""));
        to->unit = id ? number(id) : unit_by_key(state_text(d, "key", ""));
        to->element = under ? number(under + 1) : -1;
    }
}

static int unit_make(const json_t *from)
{
    const json_t *argv = json_object_get(from, "argv");
    struct queued *u = world->units + world->unit_count + 1;

    if (world->unit_count == UNITS) {
        violation("more than %d units", UNITS);
        return 0;
    }
    memset(u, 0, sizeof(*u));
    copy(u->key, sizeof(u->key), state_text(from, "key", ""));
    copy(u->run, sizeof(u->run), json_string_value(json_array_get(argv, 3)));
    copy(u->job, sizeof(u->job), json_string_value(json_array_get(argv, 4)));
    copy(u->phase, sizeof(u->phase), json_string_value(json_array_get(argv, 5)));
    u->array = (int)state_int(from, "array", 0);
    u->count = u->array ? u->array : 1;
    deps_set(u, json_object_get(from, "deps"));
    if (unit_by_key(u->key))
        say("WATCH: key %s a second time", u->key);
    world->unit_count++;
    say("has %d now: %s %s x%d, %d dependencies, %s", world->unit_count, u->job,
        u->phase, u->array, u->deps_count, u->key);
    return world->unit_count;
}

struct listener {
    void (*line)(void *ctx, const json_t *answer);
    void *ctx;
};

static void answer(const struct listener *l, json_t *row)
{
    (void)json_object_set_new(row, "v", json_integer(1));
    if (l->line)
        l->line(l->ctx, row);
    json_decref(row);
}

/* It follows one of the same request that was not accepted. */
static int hangs_in_the_air(const json_t *unit)
{
    const json_t *deps = json_object_get(unit, "deps");

    for (size_t i = 0; i < json_array_size(deps); i++) {
        const char *key = state_text(json_array_get(deps, i), "key", NULL);
        if (key && !unit_by_key(key))
            return 1;
    }
    return 0;
}

enum taken { TAKEN, TAKEN_NOT, TAKEN_PERHAPS };

static enum taken take(const json_t *unit, char id[16])
{
    int n = (int)state_int(unit, "array", 0);
    const char *name = state_text(unit, "name", "");

    step();
    if (hangs_in_the_air(unit))
        return TAKEN_NOT;
    if (world->room && taken_room() + (n ? n : 1) > world->room) {
        say("no room for %s", name);
        return TAKEN_NOT;
    }
    if (!is_calm() && one_in(world->nothing)) {
        say("%s gets lost", name);
        return TAKEN_PERHAPS;
    }
    (void)snprintf(id, 16, "%d", unit_make(unit));
    step();
    return !is_calm() && one_in(world->lost) ? TAKEN_PERHAPS : TAKEN;
}

/* After one that found no room, or was not answered, most helpers try no more. */
static int submit(const json_t *request, const struct listener *l)
{
    static const char *const results[] = {"accepted", "room", "perhaps"};
    const json_t *units = json_object_get(request, "units");
    int stopped = 0;

    for (size_t i = 0; i < json_array_size(units); i++) {
        char id[16] = "";
        enum taken taken = stopped ? TAKEN_NOT : take(json_array_get(units, i), id);
        if (!is_calm() && one_in(world->breaks))
            return -1;
        stopped |= taken != TAKEN && !world->stubborn;
        answer(l, json_pack("{s:i,s:s,s:s*}", "i", (int)i, "result", results[taken],
                            "id", taken == TAKEN ? id : NULL));
    }
    return 0;
}

/* ---- questions ---- */

static void find(const json_t *request, const struct listener *l)
{
    const json_t *keys = json_object_get(request, "keys");

    for (size_t i = 0; i < json_array_size(keys); i++) {
        const char *key = json_string_value(json_array_get(keys, i));
        int id = unit_by_key(key);
        char text[16];
        if (!id || is_forgotten(world->units + id))
            continue;
        const struct queued *u = world->units + id;
        const struct element *e = u->e;
        for (int k = 0; k < u->count; k++)
            e = is_over(e) ? u->e + k : e;
        (void)snprintf(text, sizeof(text), "%d", id);
        answer(l, json_pack("{s:s,s:s,s:s}", "key", key, "id", text, "state",
                            state_names[e->state]));
    }
}

static void status(const struct listener *l)
{
    char id[16];

    for (int i = 1; i <= world->unit_count; i++) {
        const struct queued *u = world->units + i;
        if (is_forgotten(u))
            continue;
        (void)snprintf(id, sizeof(id), "%d", i);
        for (int k = 0; k < u->count; k++) {
            answer(l,
                   json_pack("{s:s,s:s,s:i,s:s}", "key", u->key, "id", id, "index",
                             u->array ? k : -1, "state", state_names[u->e[k].state]));
        }
    }
}

/* ---- orders ---- */

static void cancel_element(int id, int element)
{
    struct element *e = world->units[id].e + element;

    if (e->state == U_PENDING) {
        say("cancels %d_%d", id, element);
        end_element(e, U_CANCELED);
    } else if (e->state == U_RUNNING) {
        struct proc *p = world->procs + e->proc;
        say("asks %d_%d to end", id, element);
        /* one that is no script yet, or no more, is as if it hung, and is killed */
        p->asked = world->now + (p->in_script ? KILL_WAIT_MS : 0);
        p->wake = world->now;
    }
}

static void cancel(const json_t *request)
{
    const json_t *ids = json_object_get(request, "ids");

    for (size_t i = 0; i < json_array_size(ids); i++) {
        const char *id = json_string_value(json_array_get(ids, i));
        const char *under = strchr(id, '_');
        struct queued *u = unit_of(number(id));
        for (int k = 0; u && k < u->count; k++) {
            if (!under || number(under + 1) == k)
                cancel_element(number(id), k);
        }
    }
}

static void amend(const json_t *request)
{
    struct queued *u = unit_of(number(state_text(request, "id", "0")));

    if (!u || u->e[0].state != U_PENDING)
        return;
    deps_set(u, json_object_get(request, "deps"));
    u->e[0].begin = 0;
    say("amends %s: %d dependencies", state_text(request, "id", ""), u->deps_count);
}

/* ---- the call ---- */

/* NOLINTBEGIN(readability-function-size,bugprone-reserved-identifier,readability-identifier-naming):
 * as the function in whose place it is */
int __wrap_scheduler_call(struct scheduler *s, const char *verb, json_t *request,
                          int64_t timeout_ms,
                          void (*line)(void *ctx, const json_t *answer), void *ctx,
                          struct repx_err *err);

int __wrap_scheduler_call(struct scheduler *s, const char *verb, json_t *request,
                          int64_t timeout_ms,
                          void (*line)(void *ctx, const json_t *answer), void *ctx,
                          struct repx_err *err)
{
    const struct listener l = {line, ctx};
    struct repx_err unheard;
    int rc = 0;

    (void)s, (void)timeout_ms;
    rest(between(1, 300));
    step();
    if (!is_calm() && one_in(world->deaf)) {
        rc = -1;
    } else if (strcmp(verb, "limits") == 0) {
        answer(&l, json_pack("{s:i,s:i,s:i,s:i}", "array_max", ELEMENTS, "index_ids", 1,
                             "submit_max", world->room ? world->room : -1,
                             "node_submits", 1));
    } else if (strcmp(verb, "submit") == 0) {
        rc = submit(request, &l);
    } else if (strcmp(verb, "find") == 0) {
        find(request, &l);
    } else if (strcmp(verb, "status") == 0) {
        status(&l);
    } else if (strcmp(verb, "cancel") == 0) {
        cancel(request);
    } else if (strcmp(verb, "amend") == 0) {
        amend(request);
    } else {
        rc = -2;
    }
    json_decref(request);
    rest(between(1, 300));
    if (rc == 0)
        return 0;
    return repx_fail(err ? err : &unheard,
                     rc == -1 ? REPX_E_TIMEOUT : REPX_E_UNSUPPORTED,
                     "scheduler: %s: no answer", verb);
}
/* NOLINTEND(readability-function-size,bugprone-reserved-identifier,readability-identifier-naming) */
