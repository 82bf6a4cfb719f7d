/* SPDX-License-Identifier: MIT */
/* hand.c: the handover of submission.h, executed; and what is handed over together. */
#include <string.h>

#include "sim.h"

struct parcel {
    int run, key, id;
    struct known *known;
    int count, jobs[JOBS_MAX]; /* 0: a feeder job */
    struct dep deps[JOBS_MAX];
    int dep_count;
};

/* ---- keys ---- */

/* The lowest generation that has no directory yet, as this host sees it. */
static int key_take(const struct parcel *p)
{
    int first = p->count ? p->jobs[0] : -1, generation = 0;

    sim_step("looks for a new key");
    for (int i = 0; i < fs.key_count; i++) {
        struct key *k = fs.keys + i;
        if (k->run != p->run || k->first != first || k->generation != generation)
            continue;
        if (!reg_read(&k->made))
            return i;
        generation++;
    }
    if (fs.key_count == KEYS_MAX) {
        violation("too many keys");
        return 0;
    }
    fs.keys[fs.key_count] =
        (struct key){.run = p->run, .first = first, .generation = generation};
    return fs.key_count++;
}

/* ---- actions ---- */

/* With the link that was judged renamed away, symlink(2) decides. */
static int link_swap(const struct parcel *p, int job)
{
    struct known *k = p->known + job;
    int there = reg_true(&fs.live[job]);

    sim_step("links job %d to key %d", job, p->key);
    if (swaps && there && there != k->link)
        return 0;
    reg_write(&fs.live[job], p->key + 1);
    k->link = p->key + 1;
    return 1;
}

static enum handover_saw prepare(const struct parcel *p)
{
    struct key *k = fs.keys + p->key;

    sim_step("makes the directory of key %d", p->key);
    reg_write(&k->made, 1);
    k->count = p->count;
    memcpy(k->jobs, p->jobs, sizeof(k->jobs));
    for (int i = 0; i < p->count; i++) {
        if (!link_swap(p, p->jobs[i]))
            return HANDOVER_SAW_FAILED;
    }
    return HANDOVER_SAW_OK;
}

static enum handover_saw submit(struct parcel *p)
{
    if (!fs.keys[p->key].intended)
        violation("key %d is submitted without an intent", p->key);
    return slurm_submit(p->key, p->deps, p->dep_count, &p->id);
}

static enum handover_saw look_up(struct parcel *p)
{
    enum facts_row row;
    int id = 0;

    if (slurm_find(&p->key, 1, &row, &id) < 0)
        return HANDOVER_SAW_FAILED;
    if (row == ROW_ABSENT)
        return HANDOVER_SAW_ABSENT;
    p->id = id;
    return HANDOVER_SAW_FOUND;
}

static enum handover_saw claim(struct parcel *p, enum facts_claim by)
{
    int id = 0, rc = claim_link(p->key, by, p->id);

    if (rc == 1)
        return HANDOVER_SAW_OK;
    enum facts_claim there = rc < 0 ? CLAIMED_NOT : claim_look(p->key, &id);
    if (there == CLAIMED_NOT)
        return HANDOVER_SAW_FAILED;
    if (there == CLAIMED_VOID)
        return HANDOVER_SAW_CLAIM_VOID;
    return id == p->id && by != CLAIMED_VOID ? HANDOVER_SAW_CLAIM_SAME
                                             : HANDOVER_SAW_CLAIM_OTHER;
}

/* There was no room for it: the next try may have the same key, unless it is claimed. */
static void give_back(int key, enum handover_state state)
{
    int id = 0;

    if (state != HANDOVER_NO_ROOM || claim_look(key, &id) != CLAIMED_NOT)
        return;
    sim_step("removes the directory of key %d", key);
    reg_write(&fs.keys[key].made, 0);
}

/* What came of it is written for each job; what is not in the queue is no longer live. */
static void record(struct parcel *p, enum handover_state state)
{
    sim_step("journal: key %d, %s", p->key,
             state == HANDOVER_CLAIMED || state == HANDOVER_KNOWN ? "accepted"
                                                                  : "not accepted");
    for (int i = 0; i < p->count; i++) {
        if (state == HANDOVER_CLAIMED || state == HANDOVER_KNOWN) {
            event_add(p->run, p->jobs[i], E_SUBMITTED, (struct said){.key = p->key});
            continue;
        }
        if (state == HANDOVER_NOT_WANTED)
            event_add(p->run, p->jobs[i], E_REFUSED, (struct said){.key = p->key});
        live_drop(p->jobs[i], p->run, p->key);
    }
    give_back(p->key, state);
}

static enum handover_saw perform(struct parcel *p, const struct handover *h,
                                 enum handover_act act)
{
    enum handover_saw saw;

    switch (act) {
    case HANDOVER_DO_INTEND:
        sim_step("journal: intends key %d", p->key);
        fs.keys[p->key].intended = 1;
        return HANDOVER_SAW_OK;
    case HANDOVER_DO_PREPARE:
        return prepare(p);
    case HANDOVER_DO_HOLD:
        return lease_hold() ? HANDOVER_SAW_OK : HANDOVER_SAW_FAILED;
    case HANDOVER_DO_SUBMIT:
        return submit(p);
    case HANDOVER_DO_LOOK_UP:
        return look_up(p);
    case HANDOVER_DO_WAIT:
        sim_sleep(HANDOVER_LOOK_MS);
        return HANDOVER_SAW_OK;
    case HANDOVER_DO_CLAIM:
        return claim(p, CLAIMED_BY_SUBMITTER);
    case HANDOVER_DO_VOID:
        saw = claim(p, CLAIMED_VOID);
        return saw;
    case HANDOVER_DO_WITHDRAW:
        slurm_cancel(p->id);
        return HANDOVER_SAW_OK;
    case HANDOVER_DO_RECORD:
        if (h->instead || h->state == HANDOVER_CLAIMED)
            (void)claim_look(p->key, &p->id); /* the claim's id counts */
        record(p, h->state);
        return HANDOVER_SAW_OK;
    case HANDOVER_DO_NOTHING:
        break;
    }
    return HANDOVER_SAW_FAILED;
}

static enum handover_state hand_over(struct parcel *p)
{
    struct handover h = handover_begin((size_t)p->count);

    p->key = key_take(p);
    while (!handover_over(&h) && !violated[0]) {
        enum handover_act act = handover_next(rules, &h);
        handover_saw(rules, &h, perform(p, &h, act));
    }
    return h.state;
}

/* ---- what goes together ---- */

/* A producer's dependency; 0: it has ended well, -1: it has not been handed over. */
static int dep_of(const struct known *producer, struct dep *d)
{
    if (producer->wanted)
        return -1;
    *d = (struct dep){DEP_OK, producer->unit, producer->element};
    return producer->unit != 0;
}

static int deps_of(struct parcel *p, const struct known *known, int job)
{
    p->dep_count = 0;
    for (int k = 0; k < plan.dep_count[job]; k++) {
        struct dep d;
        int rc = dep_of(known + plan.deps[job][k], &d);
        if (rc < 0)
            return -1;
        if (rc)
            p->deps[p->dep_count++] = d;
    }
    return 0;
}

/* Each waits for one element of one array, all of which are waited for, in order. */
static int follows(const struct parcel *p, const struct known *known, struct dep *corr)
{
    int key = -1;

    for (int i = 0; i < p->count; i++) {
        if (plan.dep_count[p->jobs[i]] != 1)
            return 0;
        const struct known *k = known + plan.deps[p->jobs[i]][0];
        if (k->wanted || !k->unit || k->element != i || (i && k->key != key))
            return 0;
        key = k->key;
        *corr = (struct dep){DEP_CORR, k->unit, -1};
    }
    return fs.keys[key].count == p->count;
}

static int same_deps(int a, int b)
{
    return plan.dep_count[a] == plan.dep_count[b] &&
           memcmp(plan.deps[a], plan.deps[b], sizeof(plan.deps[a])) == 0;
}

/* ---- handing out ---- */

enum gave { GAVE, GAVE_NOT, GAVE_FAILED };

static void note(const struct parcel *p, enum handover_state state)
{
    for (int i = 0; i < p->count; i++) {
        struct known *k = p->known + p->jobs[i];
        k->wanted = state != HANDOVER_QUEUED && state != HANDOVER_REFUSED;
        k->bad = state == HANDOVER_REFUSED;
        k->by = p->jobs[i];
        k->unit = state == HANDOVER_QUEUED ? p->id : 0;
        k->key = p->key;
        k->element = p->count > 1 ? i : -1;
    }
}

static enum gave give(struct parcel *p);

static enum gave give_halves(const struct parcel *p)
{
    for (int half = 0; half < 2; half++) {
        struct parcel part = *p;
        int from = half ? p->count / 2 : 0, to = half ? p->count : p->count / 2;
        part.count = to - from;
        memcpy(part.jobs, p->jobs + from, (size_t)part.count * sizeof(int));
        for (int i = 0; i < part.dep_count; i++) {
            if (part.deps[i].type == DEP_CORR)
                part.deps[i].type = DEP_ANY;
        }
        enum gave gave = give(&part);
        if (gave != GAVE)
            return gave;
    }
    return GAVE;
}

static enum gave give(struct parcel *p)
{
    for (int i = 0; i < HANDOVER_TRIES; i++) {
        enum handover_state state = hand_over(p);
        if (state == HANDOVER_SPLIT)
            return give_halves(p);
        note(p, state);
        if (state == HANDOVER_QUEUED || state == HANDOVER_REFUSED)
            return GAVE;
        if (state == HANDOVER_LATER)
            return GAVE_NOT;
        if (state != HANDOVER_VOID)
            return GAVE_FAILED;
    }
    return GAVE_FAILED;
}

/* It cannot start any more: 1 with the event written. */
static int blocked(int run, struct known *known, int job)
{
    for (int k = 0; k < plan.dep_count[job]; k++) {
        const struct known *above = known + plan.deps[job][k];
        if (!above->bad)
            continue;
        known[job] = (struct known){.bad = 1, .by = above->by};
        event_add(run, job, E_BLOCKED, (struct said){.by = above->by});
        return 1;
    }
    return 0;
}

/* The array that begins with a job, or that job alone. */
static void gather(struct parcel *p, const struct known *known, int job)
{
    p->count = 0;
    for (int j = job; j < plan.jobs && plan.level[j] == plan.level[job]; j++) {
        if (known[j].wanted &&
            (j == job || plan.arrays == 1 || (plan.arrays == 2 && same_deps(j, job))))
            p->jobs[p->count++] = j;
    }
    struct dep corr;
    if (plan.arrays != 1 || p->count < 2 || plan.dep_count[job] == 0)
        return;
    if (follows(p, known, &corr)) {
        p->deps[0] = corr;
        p->dep_count = 1;
    } else {
        p->count = 1;
    }
}

enum feeder_saw hand_out(int run, struct known known[JOBS_MAX])
{
    int some = 0;

    for (int j = 0; j < plan.jobs; j++) {
        struct parcel p = {.run = run, .known = known};
        if (!known[j].wanted || blocked(run, known, j))
            continue;
        if (deps_of(&p, known, j) < 0)
            return some ? FEEDER_SAW_MORE : FEEDER_SAW_ROOM;
        gather(&p, known, j);
        enum gave gave = give(&p);
        if (gave == GAVE_FAILED)
            return FEEDER_SAW_FAILED;
        if (gave == GAVE_NOT)
            return some ? FEEDER_SAW_MORE : FEEDER_SAW_ROOM;
        some = 1;
    }
    return FEEDER_SAW_NONE;
}

enum feeder_saw hand_backstop(int run, const struct known known[JOBS_MAX], int *id)
{
    struct parcel p = {.run = run};

    for (int j = 0; j < plan.jobs; j++) {
        if (known[j].unit)
            p.deps[p.dep_count++] = (struct dep){DEP_ANY, known[j].unit, -1};
    }
    enum handover_state state = hand_over(&p);
    if (state == HANDOVER_QUEUED) {
        fs.runs[run].backstop = p.key + 1;
        *id = p.id;
        return FEEDER_SAW_OK;
    }
    return state == HANDOVER_LATER ? FEEDER_SAW_ROOM : FEEDER_SAW_FAILED;
}
