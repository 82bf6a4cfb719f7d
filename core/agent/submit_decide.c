/* SPDX-License-Identifier: MIT */
/* submit_decide.c: which jobs of a run need a unit, and who works on the others. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/agent/manifest.h"
#include "core/agent/state_check.h"
#include "core/agent/submit_steps.h"
#include "core/agent/waiting.h"
#include "core/wire/verbs.h"

/* One who works on a job, or waits to. */
struct live {
    size_t job, index; /* in this run, in that one */
    char run[32];
    char key[27];
    int64_t element; /* of an array of jobs in that run, or -1 */
    int other_work;  /* with another work key */
    int waits;       /* others are before it */
    int reads;       /* not the job itself, but another that reads its result */
    int trusted;     /* it is there: the scheduler is not asked */
};

/* Those of one job are together, in their order. */
struct lives {
    struct live *items;
    size_t count;
};

static void live_add(struct submission *s, struct lives *lives, struct live l,
                     const struct live_text *who)
{
    l.index = who->index;
    memcpy(l.run, who->run, sizeof(l.run));
    memcpy(l.key, who->key, sizeof(l.key));
    l.element = array_index(s->site, l.key, l.index);
    lives->items = repx_grow(lives->items, lives->count + 1, sizeof(l));
    lives->items[lives->count++] = l;
}

static void lives_add(struct submission *s, struct lives *lives, size_t job,
                      const struct workers *w)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct live l = {.job = job, .waits = w->items[i].waits};
        live_add(s, lives, l, &w->items[i].who);
    }
}

/* Whoever reads the result that this is to replace ends first. */
static void readers_add(struct submission *s, struct lives *lives, size_t job)
{
    const struct live l = {.job = job, .reads = 1};
    const json_t *of = submission_readers(s, state_text(s->plan[job], "id", ""));
    struct live_text who;

    for (size_t i = 0; i < json_array_size(of); i++) {
        if (live_text_parse(json_string_value(json_array_get(of, i)), &who))
            live_add(s, lives, l, &who);
    }
}

static int done_event(struct submission *s, size_t i, struct repx_err *err)
{
    return submission_event(s, json_pack("{s:I,s:s}", "i", (json_int_t)i, "e", "done"),
                            err);
}

/* Is its result there? 1 with the event written, 0, -1. */
static int decide_done(struct submission *s, size_t i, struct repx_err *err)
{
    const char *id = state_text(s->plan[i], "id", "");
    int stale;
    int status =
        result_status(s->site, id, state_text(s->plan[i], "key", NULL), &stale, NULL);

    s->jobs[i].replaces = status == JOB_SUCCEEDED && stale;
    if (status != JOB_SUCCEEDED || (stale && (s->options & SUBMIT_RERUN_STALE)))
        return 0;
    if (s->jobs[i].needed && result_purged(s->site, id)) {
        result_void(s->site, id);
        return 0;
    }
    s->jobs[i].what = DECIDE_DONE;
    s->jobs[i].stale = stale;
    return done_event(s, i, err) < 0 ? -1 : 1;
}

/* What it was made from is needed, too. */
static void need_producers(struct submission *s, size_t i)
{
    size_t k;
    json_t *dep;

    json_array_foreach(json_object_get(s->plan[i], "deps"), k, dep)
    {
        json_int_t at = json_integer_value(dep);
        if (at >= 0 && (size_t)at < i)
            s->jobs[at].needed = 1;
    }
}

/* Did it end in this very run, as its events say? */
static int decide_ended(struct submission *s, size_t i)
{
    if (!s->state.terminal[i])
        return 0;
    s->jobs[i].what = s->state.status[i] == JOB_SUCCEEDED ? DECIDE_DONE : DECIDE_ENDED;
    s->jobs[i].by = i;
    return 1;
}

/* By records alone; work in progress is put aside into *lives. Who works on it is read
 * before the result: what ended in between then has its result there. */
static int decide_one(struct submission *s, size_t i, struct lives *lives,
                      struct repx_err *err)
{
    struct workers w;

    if (decide_ended(s, i))
        return 0;
    const char *id = state_text(s->plan[i], "id", "");
    s->jobs[i].needed |= json_is_true(json_object_get(s->plan[i], "wanted"));
    int rc = workers_read(s->site, id, &w, err);
    const struct live_text *now = w.count && !w.items->waits ? &w.items->who : NULL;
    if (now)
        memcpy(s->jobs[i].seen, now->key, sizeof(now->key));
    int ours = now && strcmp(now->run, s->run->id) == 0;
    s->jobs[i].anew =
        s->jobs[i].anew && rc == 0 &&
        submission_request_stands(s, i, now != NULL, ours ? now->key : NULL);
    int done = rc < 0 ? -1 : decide_done(s, i, err);
    if (done == 0 && site_is_nfs(s->site)) {
        result_look_again(s->site, id);
        done = decide_done(s, i, err);
    }
    if (done == 0)
        need_producers(s, i);
    if (done == 0 && !s->jobs[i].anew)
        lives_add(s, lives, i, &w);
    if (done == 0 && !s->jobs[i].anew && s->jobs[i].replaces)
        readers_add(s, lives, i);
    workers_free(&w);
    return done < 0 ? -1 : 0;
}

/* ---- work in progress ---- */

json_t *submission_other_plan(struct submission *s, const char *run, size_t index)
{
    if (!s->other || strcmp(s->other->id, run) != 0) {
        run_close(s->other);
        s->other = run_open(s->site, run, NULL);
    }
    return s->other && index < s->other->count ? run_plan(s->other, index, NULL) : NULL;
}

/* Job ids do not say from which script a result is made; work keys do. */
static int same_work(struct submission *s, const struct live *l)
{
    json_t *line = submission_other_plan(s, l->run, l->index);
    const char *theirs = state_text(line, "key", NULL);
    const char *mine = state_text(s->plan[l->job], "key", NULL);
    int same = !theirs || !mine || strcmp(theirs, mine) == 0;
    json_decref(line);
    return same;
}

int submission_is_scatter(const struct submission *s, const char *run, size_t job,
                          const char *key)
{
    const char *id = state_text(s->plan[job], "id", "");
    char last[27];

    return strcmp(state_text(s->plan[job], "type", ""), "scatter-gather") == 0 &&
           sub_last_key(s->site, run, id, "scatter", last) && strcmp(key, last) == 0;
}

/* The unit lives: this run follows it. */
static int follow(struct submission *s, const struct live *l, const char *unit,
                  struct repx_err *err)
{
    struct decided *d = s->jobs + l->job;
    int ours = strcmp(l->run, s->run->id) == 0;
    REPX_AUTO_FREE char *id = array_unit(unit, l->element);

    json_decref(d->after);
    d->after = NULL;
    s->queued += ours;
    d->width = l->element >= 0 ? array_count(s->site, l->key) : 0;
    d->index = l->element >= 0 ? (size_t)l->element : 0;
    d->what = ours ? DECIDE_OURS : DECIDE_TAKEN;
    d->unit = id && *id ? repx_strdup(id) : NULL;
    memcpy(d->key, l->key, sizeof(d->key));
    /* while its branches are to come, the scatter alone stands for the job */
    d->halfway = submission_is_scatter(s, l->run, l->job, l->key);
    if (ours && s->state.status[l->job] != JOB_UNKNOWN)
        return 0; /* its event is there */
    json_t *event = ours ? json_pack("{s:I,s:s,s:s,s:s}", "i", (json_int_t)l->job, "e",
                                     "submitted", "key", l->key, "id", id ? id : "")
                         : json_pack("{s:I,s:s,s:s,s:s}", "i", (json_int_t)l->job, "e",
                                     "taken", "run", l->run, "key", l->key);
    if (l->element >= 0)
        (void)json_object_set_new(event, "index", json_integer(l->element));
    return submission_event(s, event, err);
}

/* The other's work comes first, and this is handed over to follow it. */
static int come_after(struct submission *s, const struct live *l, const char *unit)
{
    struct decided *d = s->jobs + l->job;
    REPX_AUTO_FREE char *id = array_unit(unit, l->element);

    if (!d->after)
        d->after = json_array();
    (void)json_array_append_new(d->after, json_string(id));
    return 0;
}

static int is_taken(struct submission *s, const struct live *l, const char *unit,
                    struct repx_err *err)
{
    return l->other_work ? come_after(s, l, unit) : follow(s, l, unit, err);
}

/* A unit that a submitter asked for and did not live to write down. */
static int adopt(struct submission *s, const struct live *l, const char *id,
                 struct repx_err *err)
{
    json_t *claim = NULL;
    int rc = claim_make(s->site, l->key, CLAIM_SUBMITTER, s->scheduler.name, id, &claim,
                        err);

    if (rc == 1)
        journal_line(s, "accepted", l->key, json_pack("{s:s}", "id", id));
    if (rc >= 0) {
        rc = strcmp(state_text(claim, "by", ""), "void") == 0
                 ? 0
                 : is_taken(s, l, state_text(claim, "id", id), err);
    }
    json_decref(claim);
    return rc < 0 ? -1 : 0;
}

/* The scheduler knows nothing of the key, and no claim is there: make it void, unless
 * the job starts at this very moment. */
static int take_over(struct submission *s, const struct live *l, struct repx_err *err)
{
    json_t *claim = NULL;
    int rc =
        claim_make(s->site, l->key, CLAIM_VOID, s->scheduler.name, "", &claim, err);

    if (rc == 1)
        journal_line(s, "void", l->key, NULL);
    if (rc == 0 && strcmp(state_text(claim, "by", ""), "job") == 0 &&
        record_alive(s->site, claim) != 0)
        rc = is_taken(s, l, state_text(claim, "id", ""), err);
    json_decref(claim);
    return rc < 0 ? -1 : 0;
}

/* ---- facts and verdict ---- */

static enum facts_claim claim_fact(const json_t *claim)
{
    const char *by = state_text(claim, "by", NULL);

    if (!by)
        return CLAIMED_NOT;
    if (strcmp(by, "void") == 0)
        return CLAIMED_VOID;
    return strcmp(by, "job") == 0 ? CLAIMED_BY_JOB : CLAIMED_BY_SUBMITTER;
}

static enum facts_row row_fact(const json_t *row)
{
    if (!row)
        return ROW_ABSENT;
    return row_is_alive(row) ? ROW_ALIVE : ROW_OVER;
}

static enum facts_live live_fact(struct submission *s, struct live *l)
{
    if (strcmp(l->run, s->run->id) == 0)
        return LIVE_OURS;
    l->other_work = l->reads || !same_work(s, l);
    return l->other_work ? LIVE_OTHER_WORK : LIVE_OTHER_SAME;
}

static int cannot_know(const struct submission *s, const struct live *l,
                       const json_t *claim, struct repx_err *err)
{
    return repx_fail(err, REPX_E_BUSY,
                     "%s: run %s works on it through scheduler %s; wait for it or "
                     "cancel it",
                     state_text(s->plan[l->job], "id", ""), l->run,
                     state_text(claim, "sched", ""));
}

static int obey(struct submission *s, const struct live *l, enum verdict verdict,
                const json_t *const seen[2], struct repx_err *err)
{
    const char *claimed = state_text(seen[0], "id", "");
    const char *found = state_text(seen[1], "id", "");

    switch (verdict) {
    case VERDICT_FOLLOW:
    case VERDICT_AFTER:
        return *claimed ? is_taken(s, l, claimed, err) : adopt(s, l, found, err);
    case VERDICT_ADOPT:
        return adopt(s, l, found, err);
    case VERDICT_VOID:
        return l->reads ? 0 : take_over(s, l, err); /* it will see us */
    case VERDICT_ASK:
    case VERDICT_UNKNOWN:
        return l->reads ? 0 : cannot_know(s, l, seen[0], err);
    case VERDICT_DONE:
    case VERDICT_ENDED:
    case VERDICT_SUBMIT:
        break;
    }
    return 0;
}

/* One that feeds on does not ask for what the run has submitted: who watches finds out what
 * is lost. Without a claim whoever handed it over, once more perhaps, may have died before it
 * wrote down its id, or before it asked for it. */
static int is_trusted(const struct submission *s, const struct live *l)
{
    return s->trust && strcmp(l->run, s->run->id) == 0 &&
           s->state.status[l->job] != JOB_UNKNOWN && claim_there(s->site, l->key);
}

/* The branches of another run's job wait for room: whoever feeds that run goes on with it,
 * whatever the scheduler still has of it. */
static int is_left_to_feed(const struct submission *s, const struct live *l)
{
    return strcmp(l->run, s->run->id) != 0 &&
           request_there(s->site, l->run, l->index) && claim_there(s->site, l->key);
}

static int judge_live(struct submission *s, struct live *l, const json_t *row,
                      struct repx_err *err)
{
    json_t *claim = claim_read(s->site, l->key, NULL);
    const char *by = state_text(claim, "sched", "");
    const struct job_facts facts = {
        .live = live_fact(s, l),
        .claim = claim_fact(claim),
        .maker_alive = claim ? record_alive(s->site, claim) : 0,
        .other_scheduler = *by && strcmp(by, s->scheduler.name) != 0,
        .row = l->trusted || is_left_to_feed(s, l) ? ROW_ALIVE : row_fact(row),
    };
    const json_t *const seen[2] = {claim, row};
    enum verdict verdict = submission_judge(&submission_rules_all, &facts);
    int rc = obey(s, l, verdict, seen, err);

    json_decref(claim);
    return rc;
}

static int is_free(const struct submission *s, size_t job)
{
    return s->jobs[job].what == DECIDE_NEW && !s->jobs[job].after;
}

/* Nothing comes of it any more. */
static void put_away(struct submission *s, const struct live *l)
{
    const char *id = state_text(s->plan[l->job], "id", "");

    s->jobs[l->job].missing |= strcmp(l->run, s->run->id) == 0;
    if (l->waits)
        (void)next_clear(s->site, id, l->run, l->key);
}

/* Nobody works on the job; who began it was another run, perhaps. */
static int leave_branches(struct submission *s, const struct live *l,
                          struct repx_err *err)
{
    if (strcmp(l->run, s->run->id) == 0 || l->waits || l->reads ||
        strcmp(state_text(s->plan[l->job], "type", ""), "scatter-gather") != 0)
        return 0;
    return steps_end(s, l->run, l->job, err) < 0 ? -1 : 0;
}

/* All who are there for one job: whoever does this very work is followed, and if nobody does,
 * it comes after all the others. */
static int decide_live(struct submission *s, struct live *all, size_t count,
                       const json_t *found, struct repx_err *err)
{
    struct decided *d = s->jobs + all->job;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < count && d->what == DECIDE_NEW; i++) {
        size_t before = json_array_size(d->after);
        rc = judge_live(s, all + i, json_object_get(found, all[i].key), err);
        if (rc == 0 && d->what == DECIDE_NEW && json_array_size(d->after) == before)
            put_away(s, all + i);
    }
    /* it may have ended after its result was looked for */
    if (rc == 0 && is_free(s, all->job) && !decide_ended(s, all->job))
        rc = decide_done(s, all->job, err);
    d->missing &= is_free(s, all->job);
    return rc == 0 && is_free(s, all->job) ? leave_branches(s, all, err)
                                           : (rc < 0 ? -1 : 0);
}

/* What another host wrote while it had the lease is seen now, and not only when this one's
 * memory of it expires. */
static void look_again(const struct submission *s)
{
    live_look_again(s->site);
    dir_look_again(s->site->base_fd, "outputs");
}

int submission_decide(struct submission *s, struct repx_err *err)
{
    struct lives lives = {0};
    json_t *keys = json_array();
    int rc = 0;

    look_again(s);
    submission_readers_forget(s);
    submission_requests(s);
    /* consumers first: a result that was purged is missed only by who needs it */
    for (size_t i = s->run->count; rc == 0 && i-- > 0;)
        rc = decide_one(s, i, &lives, err);
    for (size_t i = 0; i < lives.count; i++) {
        lives.items[i].trusted = is_trusted(s, lives.items + i);
        if (!lives.items[i].trusted)
            (void)json_array_append_new(keys, json_string(lives.items[i].key));
    }
    json_t *found = rc == 0 ? submission_find(s, keys, err) : NULL;
    rc = found && (lives.count == 0 || submission_events(s, err) == 0) ? 0 : -1;
    for (size_t i = 0, n; rc == 0 && i < lives.count; i += n) {
        for (n = 1;
             i + n < lives.count && lives.items[i + n].job == lives.items[i].job;)
            n++;
        rc = decide_live(s, lives.items + i, n, found, err);
    }
    json_decref(found);
    json_decref(keys);
    free(lives.items);
    return rc;
}
