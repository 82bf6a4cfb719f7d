/* SPDX-License-Identifier: MIT */
/* submit_feed.c: does what a feeder asks for: one process that hands over what a run has
 * left, as far as there is room. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state_check.h"
#include "core/agent/submit_feed.h"
#include "core/agent/submit_own.h"
#include "core/agent/units_end.h"
#include "core/agent/waiting.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define LEASE_WAIT_MS 600000
#define CANCEL_MS 60000
#define OVERTAKEN_TRIES 5
#define ROUND_REST 10 /* a run that takes long to look at is looked at less often */

static const struct submission_rules *const rules = &submission_rules_all;

struct feed {
    struct submission *s;
    struct feeder f;
    struct backstop backstop;
    int stays;     /* a supervisor that has the lease `stay` */
    size_t before; /* units handed over before this round */
    int64_t began; /* this round */
    struct repx_err *err;
};

/* ---- the actions ---- */

static enum feeder_saw look(const struct feed *f)
{
    struct waiting w;
    int there = waiting_read(f->s->site, f->s->run->id, &w);
    int due = there && state_now_ms() >= w.next;

    waiting_finish(&w);
    return due ? FEEDER_SAW_YES : FEEDER_SAW_NO;
}

static enum feeder_saw take_lease(const struct feed *f)
{
    int waits = f->f.who == FEEDER_CLIENT || f->f.who == FEEDER_BACKSTOP;
    struct repx_err why = {0};

    if (lease_take(f->s->site, "feed", waits ? LEASE_WAIT_MS : 0, NULL, &why) == 0)
        return FEEDER_SAW_OK;
    *f->err = why;
    (void)repx_wrap(f->err, "run %s", f->s->run->id);
    return why.code == REPX_E_BUSY ? FEEDER_SAW_BUSY : FEEDER_SAW_FAILED;
}

static int was_waiting(const struct submission *s)
{
    struct waiting w;
    int there = waiting_read(s->site, s->run->id, &w);

    waiting_finish(&w);
    return there;
}

/* Should this process die now, the next job that ends goes on. 1 when it did so already. */
static int expect(struct feed *f, size_t jobs)
{
    struct submission *s = f->s;
    struct waiting w;
    int there = waiting_read(s->site, s->run->id, &w);

    w.jobs = (int64_t)jobs;
    w.t = f->began;
    w.next = f->began + FEEDER_REST_MS;
    int rc = s->has_backstop ? waiting_write(s->site, s->run->id, &w, f->err) : 0;
    waiting_finish(&w);
    return rc < 0 ? -1 : there;
}

/* Where the run will wait for a session, the user is told so before anything is handed
 * over. */
static void tell_pauses(struct submission *s, int fits)
{
    int scatters = 0;

    for (size_t i = 0; i < s->run->count; i++) {
        scatters |= s->jobs[i].what == DECIDE_NEW &&
                    strcmp(state_text(s->plan[i], "type", ""), "simple") != 0;
    }
    const struct mode mode = submission_mode((enum mode_nodes)s->nodes, fits, scatters);
    if (!mode.pauses || !s->has_backstop || s->out < 0 || s->told)
        return;
    s->told = 1;
    REPX_AUTO_FREE char *text = repx_format(
        "jobs may not submit jobs there: the run pauses after %s while nobody "
        "follows it; `repx attach %s` goes on",
        fits ? "each scatter" : "what there is room for", s->run->id);
    json_t *j = json_pack("{s:i,s:s,s:s}", "i", 0, "e", "pauses", "reason", text);
    REPX_AUTO_FREE char *line = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    if (line && (repx_write_all(s->out, line, strlen(line)) < 0 ||
                 repx_write_all(s->out, "\n", 1) < 0))
        s->out = -1;
}

static enum feeder_saw know(struct feed *f)
{
    struct submission *s = f->s;

    f->began = state_now_ms();
    f->before = s->submitted;
    if (submission_know(s, f->err) < 0)
        return FEEDER_SAW_FAILED;
    size_t left = submission_count(s, DECIDE_NEW);
    if (left == 0)
        return FEEDER_SAW_NONE;
    if (submission_cancelled(s, f->err) < 0) {
        waiting_clear(s->site, s->run->id);
        return FEEDER_SAW_FAILED;
    }
    int before = expect(f, left);
    if (before < 0)
        return FEEDER_SAW_FAILED;
    int fits = !before && submission_fits(s, left);
    tell_pauses(s, fits);
    return fits ? FEEDER_SAW_FITS : FEEDER_SAW_MORE;
}

/* A job that seemed free was not when it was to be taken: what was intended and not asked for
 * is void then, and all is judged again. */
static int give_all(struct feed *f)
{
    struct submission *s = f->s;
    int rc = submission_give(s, f->err);

    for (int i = 0; rc < 0 && s->overtaken && i < OVERTAKEN_TRIES; i++) {
        if (lease_touch(s->site, "feed", f->err) < 0)
            return -1; /* whoever has it goes on */
        *f->err = (struct repx_err){0};
        rc = submission_know(s, f->err);
        s->fresh = 0; /* keys are spent */
        if (rc == 0)
            rc = submission_give(s, f->err);
    }
    return rc;
}

static enum feeder_saw give(struct feed *f)
{
    struct submission *s = f->s;

    if (give_all(f) < 0)
        return FEEDER_SAW_FAILED;
    if (submission_count(s, DECIDE_LATER) == 0)
        return FEEDER_SAW_NONE;
    if (s->submitted > f->before)
        return FEEDER_SAW_MORE;
    /* units of branches do not count: what the scheduler still has may be past feeding */
    int others = s->queued || json_object_size(s->given) || s->nodes == NODES_NO;
    return others ? FEEDER_SAW_ROOM : FEEDER_SAW_ALONE;
}

static enum feeder_saw guard(struct feed *f)
{
    int rc = backstop_place(f->s, &f->backstop, f->err);

    if (rc < 0)
        return FEEDER_SAW_FAILED;
    return rc ? FEEDER_SAW_OK : FEEDER_SAW_ROOM;
}

/* The rest of them is to come. */
static size_t count_halfway(const struct submission *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->run->count; i++)
        n += s->jobs[i].what == DECIDE_OURS && s->jobs[i].halfway;
    return n;
}

static enum feeder_saw keep(struct feed *f)
{
    struct submission *s = f->s;
    int64_t now = state_now_ms(), took = (now - f->began) * ROUND_REST;
    size_t jobs = submission_count(s, DECIDE_LATER) + submission_count(s, DECIDE_NEW) +
                  count_halfway(s);
    const struct waiting w = {
        .jobs = (int64_t)jobs,
        .t = now,
        /* without a feeder job behind them every end counts: it may be the last */
        .next = f->backstop.key || s->nodes == NODES_NO
                    ? now + (took > FEEDER_REST_MS ? took : FEEDER_REST_MS)
                    : now,
        .reason = s->room,
        .feeder = f->backstop.key,
        .needs_client = s->nodes == NODES_NO,
    };

    if (jobs == 0) {
        backstop_remove(s, &f->backstop);
        waiting_clear(s->site, s->run->id);
        return FEEDER_SAW_OK;
    }
    backstop_amend(s, &f->backstop);
    if (submission_count(s, DECIDE_LATER) > 0)
        tell_pauses(s, 0);
    return waiting_write(s->site, s->run->id, &w, f->err) < 0 ? FEEDER_SAW_FAILED
                                                              : FEEDER_SAW_OK;
}

static void feed_others(struct site *site, const char *own, const char *key);

/* One supervisor at a time: each that stays takes up room itself. */
static enum feeder_saw wait_a_little(struct feed *f)
{
    struct site *site = f->s->site;

    if (f->f.who == FEEDER_BACKSTOP)
        feed_others(site, f->s->run->id, f->backstop.self);
    if (f->f.who == FEEDER_JOB && !f->stays) {
        f->stays = lease_take(site, "stay", 0, NULL, NULL) == 0;
        if (!f->stays)
            return FEEDER_SAW_BUSY;
    }
    (void)poll(NULL, 0, FEEDER_WAIT_MS);
    if (f->stays)
        (void)lease_touch(site, "stay", NULL);
    return FEEDER_SAW_OK;
}

static enum feeder_saw perform(struct feed *f, enum feeder_act act)
{
    struct site *site = f->s->site;
    const char *run = f->s->run->id;

    switch (act) {
    case FEEDER_DO_LOOK:
        return look(f);
    case FEEDER_DO_WISH:
        wish_leave(site, run);
        break;
    case FEEDER_DO_LEASE:
        return take_lease(f);
    case FEEDER_DO_UNWISH:
        wish_take(site, run);
        break;
    case FEEDER_DO_KNOW:
        return know(f);
    case FEEDER_DO_BACKSTOP:
        return guard(f);
    case FEEDER_DO_GIVE:
        return give(f);
    case FEEDER_DO_KEEP:
        return keep(f);
    case FEEDER_DO_LEAVE:
        if (f->s->lines.len)
            (void)journal_write(f->s, 0, NULL);
        lease_drop(site, "feed");
        break;
    case FEEDER_DO_GLANCE:
        return wish_there(site, run) ? FEEDER_SAW_YES : FEEDER_SAW_NO;
    case FEEDER_DO_WAIT:
        return wait_a_little(f);
    case FEEDER_DO_NOTHING:
        break;
    }
    return FEEDER_SAW_OK;
}

static int feed_run(struct submission *s, enum feeder_who who, const char *key,
                    struct repx_err *err)
{
    struct repx_err first = {0}, why = {0};
    struct feed f = {.s = s, .err = &why};
    int on_node = who == FEEDER_JOB || who == FEEDER_BACKSTOP;
    struct site *site = s->site;

    f.f = feeder_begin(who, s->nodes != NODES_NO && s->has_backstop);
    f.backstop.self = key;
    s->on_node = on_node;
    s->trust = who != FEEDER_CLIENT;
    while (!feeder_over(&f.f)) {
        enum feeder_act act = feeder_next(rules, &f.f);
        feeder_saw(rules, &f.f, perform(&f, act));
        if (why.code && !first.code)
            first = why;
        if (act == FEEDER_DO_WAIT)
            first = why = (struct repx_err){0};
    }
    backstop_finish(&f.backstop);
    if (f.stays)
        lease_drop(site, "stay");
    if (f.f.state != FEEDER_STOPPED)
        return 0;
    *err = first;
    return -1;
}

/* ---- who feeds ---- */

/* Jobs of our own queue have no limit, and need nobody. */
static int needs_feeding(const struct submission *s)
{
    return strcmp(s->scheduler.name, "local") != 0;
}

static int feed_by_id(struct site *site, const char *run_id, enum feeder_who who,
                      const char *key, struct repx_err *err)
{
    struct run *run = run_open(site, run_id, err);
    struct submission s;

    if (!run) {
        if (err && err->code == REPX_E_NOENT)
            waiting_clear(site, run_id); /* it was collected */
        return -1;
    }
    int rc = submission_open(&s, site, run, err);
    s.fresh = 0;
    s.has_backstop = needs_feeding(&s);
    if (rc == 0)
        rc = feed_run(&s, who, key, err);
    submission_close(&s);
    run_close(run);
    return rc;
}

struct others {
    struct site *site;
    const char *own, *key;
    enum feeder_who who;
};

static int is_due(struct site *site, const char *run)
{
    struct waiting w;
    int due = waiting_read(site, run, &w) && state_now_ms() >= w.next;

    waiting_finish(&w);
    return due;
}

static int feed_other(void *ctx, const char *run)
{
    const struct others *o = ctx;
    struct repx_err why = {0};

    if (strcmp(run, o->own) != 0 && is_due(o->site, run))
        (void)feed_by_id(o->site, run, o->who, o->key, &why);
    return 0;
}

/* key: of this process, when it is a feeder job. */
static void feed_others(struct site *site, const char *own, const char *key)
{
    struct others o = {site, own, key, FEEDER_JOB};

    (void)waiting_each(site, feed_other, &o);
}

void submit_others(struct site *site, const char *run_id)
{
    struct others o = {site, run_id, NULL, FEEDER_WATCH};

    (void)waiting_each(site, feed_other, &o);
}

void submit_after(struct site *site, const char *run_id)
{
    struct repx_err why = {0};

    if (is_due(site, run_id))
        (void)feed_by_id(site, run_id, FEEDER_JOB, NULL, &why);
    feed_others(site, run_id, NULL);
}

/* A run that relies on this very feeder job, and on no later one. */
static int stay_for(void *ctx, const char *run)
{
    const struct others *o = ctx;
    struct repx_err why = {0};

    if (strcmp(run, o->own) != 0 && backstop_serves(o->site, run, o->key))
        (void)feed_by_id(o->site, run, o->who, o->key, &why);
    return 0;
}

int submit_backstop(struct site *site, const char *run_id, const char *key,
                    struct repx_err *err)
{
    struct others o = {site, run_id, key, FEEDER_BACKSTOP};
    int rc = feed_by_id(site, run_id, FEEDER_BACKSTOP, key, err);

    feed_others(site, run_id, key);
    (void)waiting_each(site, stay_for, &o);
    return rc;
}

void submit_unfeed(struct site *site, struct run *run)
{
    struct repx_err why = {0};
    struct scheduler scheduler;
    struct waiting w;
    int there = waiting_read(site, run->id, &w);
    int only = there && *w.feeder && !backstop_shared(site, run->id, w.feeder);
    json_t *claim = only ? claim_read(site, w.feeder, NULL) : NULL;
    const char *id = state_text(claim, "id", "");

    waiting_clear(site, run->id);
    wish_take(site, run->id);
    if (*id && scheduler_open(&scheduler, site, run->record, &why) == 0) {
        json_t *units = json_pack("[o]", unit_named(id, w.feeder));
        (void)units_end(&scheduler, units, CANCEL_MS, NULL);
        scheduler_close(&scheduler);
    }
    json_decref(claim);
    waiting_finish(&w);
}

static enum feeder_who who_submits(const struct submission *s)
{
    return was_waiting(s) ? FEEDER_WATCH : FEEDER_CLIENT;
}

int submit_run(struct site *site, const char *run_id, unsigned options, int out,
               struct repx_buf *fields, struct repx_err *err)
{
    struct run *run = run_open(site, run_id, err);
    struct submission s;

    if (!run)
        return -1;
    (void)signal(SIGPIPE, SIG_IGN); /* a client that left ends nothing here */
    int rc = submission_open(&s, site, run, err);
    s.options = options;
    s.out = out;
    s.has_backstop = rc == 0 && needs_feeding(&s);
    if (rc == 0)
        rc = feed_run(&s, who_submits(&s), NULL, err);
    msg_put_number(fields, F_COUNT, (int64_t)s.submitted);
    msg_put_number(fields, F_LEFT,
                   (int64_t)(submission_count(&s, DECIDE_LATER) + count_halfway(&s)));
    msg_put_text(fields, F_REASON, s.room);
    submission_close(&s);
    run_close(run);
    return rc;
}
