/* SPDX-License-Identifier: MIT */
/* job.c: a unit that starts: the entry of submission.h, executed. */
#include "sim.h"

#define STALE_WAIT_MS 30000 /* longer than "there is no such file" is remembered */

struct started {
    struct unit *unit;
    int key, run, job, array;
    int by; /* the producer that is not ready */
    int ok;
};

static enum entry_saw answer(int yes)
{
    return yes ? ENTRY_SAW_YES : ENTRY_SAW_NO;
}

static enum entry_saw claim(const struct started *s)
{
    int id = 0;
    enum facts_claim there = claim_look(s->key, &id);

    if (there == CLAIMED_NOT) {
        int rc = claim_link(s->key, CLAIMED_BY_JOB, s->unit->id);
        if (rc != 0)
            return rc < 0 ? ENTRY_SAW_FAILED : ENTRY_SAW_YES;
        there = claim_look(s->key, &id);
        if (there == CLAIMED_NOT)
            return ENTRY_SAW_FAILED;
    }
    return answer(there != CLAIMED_VOID && id == s->unit->id);
}

static int meant_now(const struct started *s)
{
    sim_step("whose is job %d?", s->job);
    int there = reg_read(&fs.live[s->job]) - 1;

    if (there >= 0)
        return there == s->key;
    /* whoever gave the job up took the link away */
    return !obeys_link && !s->array && reg_read(&fs.result[s->job]) != 1;
}

static enum entry_saw meant(const struct started *s)
{
    int64_t until = weather.stale_ms ? now + STALE_WAIT_MS : now;
    int is = meant_now(s);

    while (!is && now < until) {
        sim_sleep(1000);
        reg_look_again(&fs.live[s->job]);
        is = meant_now(s);
    }
    return answer(is);
}

static int ready(int job)
{
    int64_t until = weather.stale_ms ? now + STALE_WAIT_MS : now;

    for (;;) {
        sim_step("has job %d succeeded?", job);
        int result = reg_read(&fs.result[job]);
        if (result || now >= until)
            return result == 1;
        sim_sleep(1000);
        reg_look_again(&fs.result[job]);
    }
}

static enum entry_saw producers(struct started *s)
{
    for (int k = 0; k < plan.dep_count[s->job]; k++) {
        s->by = plan.deps[s->job][k];
        if (!ready(s->by))
            return ENTRY_SAW_NO;
    }
    return ENTRY_SAW_YES;
}

/* ---- the script ---- */

static void pass(int64_t ms)
{
    for (int64_t until = now + ms; now < until && !self->term_at;)
        sim_sleep(until - now < 5000 ? until - now : 5000);
}

static void execute(struct started *s)
{
    int job = s->job, n;

    sim_step("makes an attempt of job %d", job);
    n = fs.attempts[job] + 1;
    if (n == ATTEMPTS_MAX) {
        violation("job %d: too many attempts", job);
        return;
    }
    fs.attempts[job] = n;
    sim_step("attempt %d of job %d counts", n, job);
    reg_write(&fs.current[job], n);
    reg_write(&fs.result[job], fs.marker[job][n]);
    event_add(s->run, job, E_START, (struct said){.key = s->key, .attempt = n});
    int number = check_begin(job, s->key);
    sim_step("executes job %d", job);
    pass(plan.lasts[job]);
    s->ok = !plan.fails[job] && !self->term_at;
    sim_step("job %d ends: %s", job, s->ok ? "well" : "not well");
    fs.marker[job][n] = s->ok ? 1 : 2;
    if (reg_true(&fs.current[job]) == n)
        reg_write(&fs.result[job], fs.marker[job][n]);
    check_end(number, s->ok);
    event_add(s->run, job, E_END,
              (struct said){.key = s->key, .attempt = n, .ok = s->ok, .by = number});
    sim_step("does attempt %d of job %d still count?", n, job);
    if (!fenced || reg_read(&fs.current[job]) == n)
        live_drop(job, s->run, s->key);
}

/* ---- the machine ---- */

static enum entry_saw perform(struct started *s, enum entry_act act)
{
    switch (act) {
    case ENTRY_DO_CLAIM:
        return claim(s);
    case ENTRY_DO_MEANT:
        return meant(s);
    case ENTRY_DO_WANTED:
        return ENTRY_SAW_YES;
    case ENTRY_DO_PRODUCERS:
        return producers(s);
    case ENTRY_DO_RUN:
        execute(s);
        return answer(s->ok);
    case ENTRY_DO_BLOCKED:
        event_add(s->run, s->job, E_BLOCKED, (struct said){.by = s->by});
        live_drop(s->job, s->run, -1);
        return ENTRY_SAW_YES;
    case ENTRY_DO_CANCELLED:
        event_add(s->run, s->job, E_CANCELLED, (struct said){0});
        live_drop(s->job, s->run, -1);
        return ENTRY_SAW_YES;
    case ENTRY_DO_FEED:
        for (int r = 0; r < fs.run_count; r++) {
            if (reg_read(&fs.runs[r].waiting))
                (void)feed(r, FEEDER_JOB);
        }
        return ENTRY_SAW_YES;
    case ENTRY_DO_NOTHING:
        break;
    }
    return ENTRY_SAW_FAILED;
}

static void backstop(struct proc *p, const struct started *s)
{
    if (!rules->claim || claim(s) == ENTRY_SAW_YES)
        (void)feed(s->run, FEEDER_BACKSTOP);
    p->status = 0;
}

void job_main(struct proc *p)
{
    struct unit *u = units + p->unit;
    struct key *k = fs.keys + u->key;
    struct started s = {.unit = u, .key = u->key, .run = k->run, .array = k->count > 1};

    p->status = 1;
    if (k->count == 0) {
        backstop(p, &s);
        return;
    }
    sim_step("which job is index %d of key %d?", p->element, u->key);
    if (p->element >= k->count)
        return;
    s.job = k->jobs[p->element];
    struct entry e = entry_begin(1);
    while (!entry_over(&e) && !violated[0]) {
        enum entry_act act = entry_next(rules, &e);
        entry_saw(rules, &e, perform(&s, act));
    }
    p->status = !s.ok;
}
