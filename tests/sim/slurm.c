/* SPDX-License-Identifier: MIT */
/* slurm.c: a scheduler with the manners that were seen on a real one: it answers too late or
 * not at all, forgets what it accepted and gives the id away again, takes a purged id for a
 * satisfied dependency, runs a unit again while its first process goes on. */
#include <string.h>

#include <repx/scheduler.h>

#include "sim.h"

#define DEAF_MS 20000 /* how long a call waits for an answer */
#define KILL_MS 30000 /* from TERM to KILL */
#define FRESH_MS 1000 /* what is younger may be forgotten in a crash */

struct unit units[UNITS_MAX];
int unit_count;

static int first_id, next_id;
static int64_t deaf_until;

void slurm_reset(void)
{
    unit_count = 0;
    first_id = next_id = 1 + (int)chance(3);
    deaf_until = 0;
}

/* ---- what is there ---- */

static int over(const struct unit *u)
{
    for (int i = 0; i < u->count; i++) {
        if (u->e[i].state != U_OVER)
            return 0;
    }
    return 1;
}

static int64_t over_since(const struct unit *u)
{
    int64_t last = 0;

    for (int i = 0; i < u->count; i++)
        last = u->e[i].over_at > last ? u->e[i].over_at : last;
    return last;
}

static int forgotten(const struct unit *u)
{
    return u->forgotten || u->seen_at > now ||
           (over(u) && now - over_since(u) > weather.min_age);
}

/* As dependencies see it: newest first, since ids come again. */
static struct unit *by_id(int id)
{
    for (int i = unit_count - 1; i >= 0; i--) {
        if (units[i].id == id && !forgotten(units + i))
            return units + i;
    }
    return NULL;
}

static int elements_left(void)
{
    int n = 0;

    for (int i = 0; i < unit_count; i++) {
        for (int k = 0; k < units[i].count && !units[i].forgotten; k++)
            n += units[i].e[k].state != U_OVER;
    }
    return n;
}

/* ---- calls: each takes its time, and the caller may be killed in the middle ---- */

/* 0: there will be no answer. */
static int answers(void)
{
    if (now < deaf_until) {
        sim_sleep(DEAF_MS);
        return 0;
    }
    sim_sleep(between(5, 200));
    return now >= weather.calm || !one_in(weather.fail_query);
}

/* An id that is not known now counts as satisfied for ever. */
static void deps_take(struct unit *u, const struct dep *deps, int count)
{
    u->dep_count = 0;
    for (int i = 0; i < count; i++) {
        const struct unit *on = by_id(deps[i].id);
        if (on && on != u)
            u->deps[u->dep_count++] = deps[i];
    }
}

static struct unit *unit_make(int key, const struct dep *deps, int count,
                              int64_t seen_at)
{
    struct unit *u = units + unit_count;

    if (unit_count == UNITS_MAX) {
        violation("too many units");
        return units;
    }
    unit_count++;
    memset(u, 0, sizeof(*u));
    u->used = 1;
    u->id = next_id++;
    u->key = key;
    u->count = fs.keys[key].count ? fs.keys[key].count : 1;
    u->seen_at = seen_at;
    deps_take(u, deps, count);
    for (int i = 0; i < u->count; i++)
        u->e[i].begin_at = seen_at + between(100, 3000);
    say("the scheduler has unit %d of key %d, %d elements, at %.3f", u->id, key,
        u->count, (double)seen_at / 1000);
    for (int i = 0; i < u->dep_count; i++) {
        say("unit %d waits for unit %d_%d, type %d", u->id, u->deps[i].id,
            u->deps[i].element, (int)u->deps[i].type);
    }
    return u;
}

static enum handover_saw no_answer(void)
{
    sim_sleep(DEAF_MS);
    say("no answer");
    return HANDOVER_SAW_NO_ANSWER;
}

enum handover_saw slurm_submit(int key, const struct dep *deps, int count, int *id)
{
    int calm = now >= weather.calm, n = fs.keys[key].count ? fs.keys[key].count : 1;

    sim_step("asks to submit key %d, %d elements", key, n);
    if (now < deaf_until) {
        /* it lies in the socket, and may be read when all is well again */
        if (one_in(2))
            (void)unit_make(key, deps, count, deaf_until + between(0, 500));
        return no_answer();
    }
    sim_sleep(between(5, 50));
    if (weather.room && elements_left() + n > weather.room)
        return HANDOVER_SAW_ROOM;
    if (!calm && one_in(weather.refuse))
        return HANDOVER_SAW_REFUSED;
    if (!calm && one_in(weather.nothing))
        return no_answer();
    if (!calm && one_in(weather.late)) {
        (void)unit_make(key, deps, count, now + between(0, 90000));
        return no_answer();
    }
    struct unit *u = unit_make(key, deps, count, now);
    *id = u->id;
    if (!calm && one_in(weather.twice))
        (void)unit_make(key, deps, count, now + between(0, 2000));
    if (!calm && one_in(weather.lost_answer))
        return no_answer();
    sim_sleep(between(1, 20));
    return HANDOVER_SAW_ACCEPTED;
}

/* Accounting forgets nothing, but learns of things late. */
static int told_of(const struct unit *u)
{
    if (!forgotten(u))
        return 1;
    return !u->forgotten && weather.accounting && u->seen_at + 5000 < now;
}

int slurm_find(const int *keys, int count, enum facts_row *rows, int *ids)
{
    sim_step("asks for %d keys, the first is %d", count, keys[0]);
    if (!answers())
        return -1;
    for (int i = 0; i < count; i++) {
        rows[i] = ROW_ABSENT;
        for (int k = 0; k < unit_count; k++) {
            struct unit *u = units + k;
            if (u->key != keys[i] || !told_of(u) || rows[i] == ROW_ALIVE)
                continue;
            rows[i] = over(u) ? ROW_OVER : ROW_ALIVE;
            ids[i] = u->id;
        }
        say("key %d: %s", keys[i],
            rows[i] == ROW_ABSENT ? "unknown"
                                  : (rows[i] == ROW_ALIVE ? "alive" : "over"));
    }
    return 0;
}

int slurm_status(void)
{
    sim_step("asks for the queue");
    return answers() ? 0 : -1;
}

static uint32_t element_state(const struct element *e)
{
    if (e->state != U_OVER)
        return e->state == U_PENDING ? REPX_STATE_PENDING : REPX_STATE_RUNNING;
    if (e->killed)
        return REPX_STATE_NODE;
    if (!e->pid)
        return REPX_STATE_CANCELED;
    return e->ok ? REPX_STATE_DONE : REPX_STATE_FAILED;
}

uint32_t slurm_state_of(int key, int element)
{
    uint32_t state = 0;

    for (int k = 0; k < unit_count; k++) {
        const struct unit *u = units + k;
        if (u->key != key || forgotten(u) || element >= u->count)
            continue;
        if (state != REPX_STATE_PENDING && state != REPX_STATE_RUNNING)
            state = element_state(u->e + element);
    }
    return state;
}

static void element_over(struct unit *u, int i, int ok)
{
    u->e[i].state = U_OVER;
    u->e[i].ok = ok;
    u->e[i].over_at = now;
    say("unit %d_%d is over: %s", u->id, i, ok ? "well" : "not well");
}

void slurm_cancel(int id)
{
    sim_step("cancels unit %d", id);
    if (!answers())
        return;
    struct unit *u = by_id(id);
    for (int i = 0; u && i < u->count; i++) {
        if (u->e[i].state == U_PENDING)
            element_over(u, i, 0);
        for (int k = 0; k < PROCS; k++) {
            if (u->e[i].state == U_RUNNING && procs[k].used &&
                procs[k].pid == u->e[i].pid)
                procs[k].term_at = now;
        }
    }
}

void slurm_amend(int id, const struct dep *deps, int count)
{
    sim_step("amends unit %d", id);
    struct unit *u = answers() ? by_id(id) : NULL;
    if (!u || u->e[0].state != U_PENDING)
        return;
    deps_take(u, deps, count);
}

/* ---- what it does by itself ---- */

/* 1 satisfied, 0 not yet, -1 never. An id that it does not know is satisfied. */
static int dep_state(const struct dep *d, int element)
{
    const struct unit *u = by_id(d->id);

    if (!u)
        return 1;
    for (int i = 0; i < u->count; i++) {
        const struct element *e = u->e + i;
        int meant = d->type == DEP_CORR ? element : d->element;
        if (meant >= 0 && i != meant)
            continue;
        if (e->state != U_OVER)
            return 0;
        if (d->type != DEP_ANY && !e->ok)
            return -1;
    }
    return 1;
}

static void element_start(struct unit *u, int i)
{
    struct proc *p = proc_start(1 + (int)chance(HOSTS - 2), job_main, "a unit");

    if (!p)
        return;
    say("unit %d_%d of key %d starts", u->id, i, u->key);
    p->unit = (int)(u - units);
    p->element = i;
    if (now < weather.calm && one_in(40))
        p->kill_at = 1 + chance(60);
    u->e[i].state = U_RUNNING;
    u->e[i].pid = p->pid;
}

static void element_tick(struct unit *u, int i)
{
    int may = 1;

    for (int k = 0; k < u->dep_count && may == 1; k++)
        may = dep_state(u->deps + k, i);
    if (may < 0) {
        element_over(u, i, 0);
    } else if (may) {
        element_start(u, i);
    } else {
        u->e[i].begin_at = now + between(500, 1500);
    }
}

void slurm_tick(void)
{
    for (int i = 0; i < PROCS; i++) {
        if (procs[i].used && procs[i].term_at && now - procs[i].term_at > KILL_MS)
            proc_kill(procs + i);
    }
    if (now < deaf_until)
        return;
    for (int k = 0; k < unit_count; k++) {
        struct unit *u = units + k;
        for (int i = 0; i < u->count && !u->forgotten && u->seen_at <= now; i++) {
            if (u->e[i].state == U_PENDING && u->e[i].begin_at <= now)
                element_tick(u, i);
        }
    }
}

int64_t slurm_next(void)
{
    int64_t next = INT64_MAX;

    for (int k = 0; k < unit_count; k++) {
        const struct unit *u = units + k;
        for (int i = 0; i < u->count && !u->forgotten; i++) {
            if (u->e[i].state == U_PENDING && u->e[i].begin_at < next)
                next = u->e[i].begin_at;
        }
    }
    if (next < deaf_until)
        next = deaf_until;
    return next <= now ? now + 1 : next;
}

void slurm_process_over(struct proc *p)
{
    for (int k = 0; p->main == job_main && k < unit_count; k++) {
        for (int i = 0; i < units[k].count; i++) {
            if (units[k].e[i].pid == p->pid && units[k].e[i].state == U_RUNNING)
                element_over(units + k, i, p->dead == ENDED && p->status == 0);
        }
    }
}

/* ---- faults ---- */

void slurm_crash(void)
{
    int highest = first_id - 1;

    say("the controller crashes");
    for (int k = 0; k < unit_count; k++) {
        struct unit *u = units + k;
        int begun = 0;
        for (int i = 0; i < u->count; i++)
            begun |= u->e[i].state != U_PENDING;
        if (begun || now - u->seen_at > FRESH_MS || u->seen_at > now) {
            highest = !u->forgotten && u->id > highest ? u->id : highest;
            continue;
        }
        u->forgotten = 1;
        say("unit %d is forgotten", u->id);
    }
    next_id = highest + 1;
    slurm_hang(now + between(500, 15000));
}

void slurm_hang(int64_t until)
{
    if (until > deaf_until)
        deaf_until = until;
    say("the controller does not answer until %.3f", (double)deaf_until / 1000);
}

/* zombies: only its daemon died. What was running is given up or put back, and goes on. */
void slurm_node_fails(int host, int zombies)
{
    say("node %d fails%s", host, zombies ? ", as the scheduler believes" : "");
    for (int i = 0; i < PROCS; i++) {
        struct proc *p = procs + i;
        if (!p->used || p->dead || p->host != host || p->main != job_main)
            continue;
        struct unit *u = units + p->unit;
        struct element *e = u->e + p->element;
        p->zombie = 1;
        check_excuse(p->pid);
        if (!zombies)
            proc_kill(p);
        if (e->state != U_RUNNING || e->pid != p->pid)
            continue;
        e->pid = 0;
        if (one_in(2)) {
            say("unit %d_%d is put back", u->id, p->element);
            e->state = U_PENDING;
            e->begin_at = now + between(1000, 120000);
        } else {
            e->killed = 1;
            element_over(u, p->element, 0);
        }
    }
}
