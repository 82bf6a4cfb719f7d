/* SPDX-License-Identifier: MIT */
/* facts.c: judging the jobs of a run: facts are gathered in the order that submission.h
 * asks for. */
#include <string.h>

#include "sim.h"

struct look {
    struct job_facts facts;
    enum verdict verdict;
    int key, id; /* of the claim, then of the row */
};

int element_of(int key, int job)
{
    for (int i = 0; i < fs.keys[key].count; i++) {
        if (fs.keys[key].jobs[i] == job)
            return i;
    }
    return -1;
}

/* Directories are opened anew before they are looked into: what another host wrote while it
 * had the lease is seen then, and not only when this host's memory of it expires. */
static void look_again(struct reg *r)
{
    if (looks_again)
        reg_look_again(r);
}

static enum facts_result result_of(int job)
{
    sim_step("looks for the result of job %d", job);
    look_again(&fs.result[job]);
    return reg_read(&fs.result[job]) == 1 ? RESULT_CURRENT : RESULT_NONE;
}

static int maker_alive(const struct key *k)
{
    return k->host == self->host ? pid_alive(k->pid) : -1;
}

static void look_at(int run, int job, const struct job_state *state, struct look *l)
{
    *l = (struct look){.key = -1};
    if (state->terminal)
        l->facts.end = state->ok ? END_WELL : END_BADLY;
    sim_step("reads the link of job %d", job);
    look_again(&fs.live[job]);
    l->key = reg_read(&fs.live[job]) - 1;
    l->facts.result = result_of(job);
    if (l->key >= 0) {
        const struct key *k = fs.keys + l->key;
        l->facts.live = k->run == run ? LIVE_OURS : LIVE_OTHER_SAME;
        l->facts.claim = claim_look(l->key, &l->id);
        if (l->facts.claim == CLAIMED_BY_JOB)
            l->facts.maker_alive = maker_alive(k);
    }
    l->verdict = submission_judge(rules, &l->facts);
}

/* The scheduler is asked once for all. */
static void ask(struct look *looks)
{
    int keys[JOBS_MAX], ids[JOBS_MAX] = {0}, who[JOBS_MAX], n = 0;
    enum facts_row rows[JOBS_MAX] = {ROW_NOT_ASKED};

    for (int j = 0; j < plan.jobs; j++) {
        if (looks[j].verdict != VERDICT_ASK)
            continue;
        who[n] = j;
        keys[n++] = looks[j].key;
    }
    if (n == 0)
        return;
    int rc = slurm_find(keys, n, rows, ids);
    for (int i = 0; i < n; i++) {
        struct look *l = looks + who[i];
        l->facts.row = rc < 0 ? ROW_FAILED : rows[i];
        if (rc == 0 && ids[i] && !l->id)
            l->id = ids[i];
        l->verdict = submission_judge(rules, &l->facts);
    }
}

/* ---- verdicts carried out ---- */

static void follow(int run, int job, const struct look *l,
                   const struct job_state *state, struct known *k)
{
    int key = l->key, ours = fs.keys[key].run == run;

    k->unit = l->id;
    k->key = key;
    k->element = element_of(key, job);
    if (state->key != key + 1)
        event_add(run, job, ours ? E_SUBMITTED : E_TAKEN, (struct said){.key = key});
}

/* By: what the claim is to say. 1 follow, 0 submit, -1. */
static int claim_for(struct look *l, enum facts_claim by)
{
    int rc = claim_link(l->key, by, by == CLAIMED_VOID ? 0 : l->id), id = 0;

    if (rc < 0)
        return -1;
    if (rc == 1)
        return by != CLAIMED_VOID;
    enum facts_claim there = claim_look(l->key, &id);
    if (there == CLAIMED_VOID)
        return 0;
    if (by == CLAIMED_VOID && there == CLAIMED_BY_JOB && !maker_alive(fs.keys + l->key))
        return 0;
    l->id = id;
    return 1;
}

static int carry_out(int run, int job, struct look *l, const struct job_state *state,
                     struct known *k)
{
    int rc = l->verdict == VERDICT_FOLLOW;

    switch (l->verdict) {
    case VERDICT_DONE:
        if (!state->terminal)
            event_add(run, job, E_DONE, (struct said){0});
        return 0;
    case VERDICT_ENDED:
        k->bad = 1;
        k->by = job;
        return 0;
    case VERDICT_ADOPT:
        rc = claim_for(l, CLAIMED_BY_SUBMITTER);
        break;
    case VERDICT_VOID:
        rc = claim_for(l, CLAIMED_VOID);
        break;
    case VERDICT_FOLLOW:
    case VERDICT_SUBMIT:
    case VERDICT_AFTER:
        break;
    case VERDICT_ASK:
    case VERDICT_UNKNOWN:
        return -1;
    }
    if (rc == 1)
        follow(run, job, l, state, k);
    k->wanted = rc == 0;
    k->link = l->key + 1;
    return rc < 0 ? -1 : 0;
}

static int is_new(const struct look *l)
{
    return l->verdict == VERDICT_SUBMIT || l->verdict == VERDICT_VOID ||
           l->verdict == VERDICT_AFTER;
}

int facts_know(int run, struct known known[JOBS_MAX])
{
    struct job_state state[JOBS_MAX];
    struct look looks[JOBS_MAX] = {{{0}, 0, 0, 0}};

    memset(known, 0, JOBS_MAX * sizeof(*known));
    events_read(run, state);
    for (int j = 0; j < plan.jobs; j++)
        look_at(run, j, state + j, looks + j);
    ask(looks);
    events_read(run, state);
    for (int j = 0; j < plan.jobs; j++) {
        struct look *l = looks + j;
        if (is_new(l)) { /* what ended in between has its result there */
            if (state[j].terminal)
                l->facts.end = state[j].ok ? END_WELL : END_BADLY;
            l->facts.result = result_of(j);
            l->verdict = submission_judge(rules, &l->facts);
        }
        if (carry_out(run, j, l, state + j, known + j) < 0)
            return -1;
    }
    return 0;
}
