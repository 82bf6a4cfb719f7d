/* SPDX-License-Identifier: MIT */
/* feed.c: the feeder of submission.h, executed. */
#include "sim.h"

#define LEASE_WAIT_MS 600000

struct feeding {
    int run;
    enum feeder_who who;
    struct known known[JOBS_MAX];
    int backstop; /* id of the feeder job that was seen to in this round, or 0 */
};

static enum feeder_saw yes(int is)
{
    return is ? FEEDER_SAW_YES : FEEDER_SAW_NO;
}

static int64_t waits_since(int run)
{
    return (int64_t)reg_read(&fs.runs[run].waiting) - 1;
}

static enum feeder_saw look(const struct feeding *f)
{
    sim_step("does run %d wait for room?", f->run);
    int64_t since = waits_since(f->run);

    return yes(since >= 0 && now - since >= FEEDER_REST_MS);
}

static enum feeder_saw take_lease(const struct feeding *f)
{
    int64_t until = now + LEASE_WAIT_MS;
    int waits = f->who == FEEDER_CLIENT || f->who == FEEDER_BACKSTOP;

    while (!lease_try()) {
        if (!waits || now >= until)
            return FEEDER_SAW_BUSY;
        sim_sleep(between(50, 500));
    }
    return FEEDER_SAW_OK;
}

static enum feeder_saw know(struct feeding *f)
{
    int wanted = 0;

    if (facts_know(f->run, f->known) < 0)
        return FEEDER_SAW_FAILED;
    for (int j = 0; j < plan.jobs; j++)
        wanted += f->known[j].wanted;
    if (wanted == 0)
        return FEEDER_SAW_NONE;
    return waits_since(f->run) >= 0 || (weather.room && wanted > weather.room)
               ? FEEDER_SAW_MORE
               : FEEDER_SAW_FITS;
}

/* One that is queued already will do, unless it is the one that asks. */
static enum feeder_saw backstop(struct feeding *f)
{
    int key = fs.runs[f->run].backstop - 1, id = 0;
    enum facts_row row = ROW_ABSENT;

    sim_step("is there a feeder job of run %d?", f->run);
    int own = f->who == FEEDER_BACKSTOP && units[self->unit].key == key;
    if (key >= 0 && !own) {
        if (slurm_find(&key, 1, &row, &id) < 0)
            return FEEDER_SAW_FAILED;
        if (row == ROW_ALIVE) {
            f->backstop = id;
            return FEEDER_SAW_OK;
        }
    }
    return hand_backstop(f->run, f->known, &f->backstop);
}

/* Ids come again: what has that id now may be something else. */
static void amend(const struct feeding *f, const struct dep *deps, int count)
{
    int key = fs.runs[f->run].backstop - 1, id = 0;
    enum facts_row row = ROW_ABSENT;

    if (slurm_find(&key, 1, &row, &id) == 0 && row == ROW_ALIVE && id == f->backstop)
        slurm_amend(id, deps, count);
}

static void keep(struct feeding *f)
{
    struct run *r = fs.runs + f->run;
    int left = 0, n = 0;
    struct dep deps[JOBS_MAX];

    for (int j = 0; j < plan.jobs; j++) {
        left |= f->known[j].wanted;
        if (f->known[j].unit)
            deps[n++] = (struct dep){DEP_ANY, f->known[j].unit, -1};
    }
    sim_step("run %d %s", f->run, left ? "waits for room" : "does not wait");
    reg_write(&r->waiting, left ? (int)now + 1 : 0);
    if (left && n && f->backstop)
        amend(f, deps, n);
    f->backstop = 0;
}

static enum feeder_saw give(struct feeding *f)
{
    enum feeder_saw saw = hand_out(f->run, f->known);
    int others = 0;

    for (int j = 0; j < plan.jobs; j++)
        others |= f->known[j].unit != 0;
    return saw == FEEDER_SAW_ROOM && !others ? FEEDER_SAW_ALONE : saw;
}

static enum feeder_saw perform(struct feeding *f, enum feeder_act act)
{
    struct run *r = fs.runs + f->run;

    switch (act) {
    case FEEDER_DO_LOOK:
        return look(f);
    case FEEDER_DO_WISH:
        sim_step("wishes that run %d be fed", f->run);
        reg_write(&r->wish, 1);
        return FEEDER_SAW_OK;
    case FEEDER_DO_LEASE:
        return take_lease(f);
    case FEEDER_DO_UNWISH:
        sim_step("takes the wish of run %d away", f->run);
        reg_write(&r->wish, 0);
        return FEEDER_SAW_OK;
    case FEEDER_DO_KNOW:
        return know(f);
    case FEEDER_DO_BACKSTOP:
        return backstop(f);
    case FEEDER_DO_GIVE:
        return give(f);
    case FEEDER_DO_KEEP:
        keep(f);
        return FEEDER_SAW_OK;
    case FEEDER_DO_LEAVE:
        lease_leave();
        return FEEDER_SAW_OK;
    case FEEDER_DO_GLANCE:
        sim_step("is there a wish for run %d?", f->run);
        return yes(reg_read(&r->wish));
    case FEEDER_DO_WAIT:
        sim_sleep(FEEDER_WAIT_MS);
        return FEEDER_SAW_OK;
    case FEEDER_DO_NOTHING:
        break;
    }
    return FEEDER_SAW_FAILED;
}

int feed(int run, enum feeder_who who)
{
    struct feeding it = {.run = run, .who = who};
    struct feeder f = feeder_begin(who, weather.nodes_submit);

    while (!feeder_over(&f) && !violated[0]) {
        enum feeder_act act = feeder_next(rules, &f);
        feeder_saw(rules, &f, perform(&it, act));
    }
    return f.state == FEEDER_STOPPED ? -1 : 0;
}
