/* SPDX-License-Identifier: MIT */
/* submit_batch.c: does what handovers ask for, the same for all units of the batch that are
 * at the same point: one journal write, one call of the scheduler's helper. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/agent/state_check.h"
#include "core/agent/submit_own.h"
#include "core/agent/units_end.h"

#define CANCEL_MS 60000

static const struct submission_rules *const rules = &submission_rules_all;

/* ---- one action, for each unit that needs it ---- */

static enum handover_saw saw_of(int rc)
{
    return rc < 0 ? HANDOVER_SAW_FAILED : HANDOVER_SAW_OK;
}

/* What a claim of somebody else's means; its id is the unit's from now on, and ours, when
 * there was one, is too many. */
static enum handover_saw claim_seen(struct pending *p, const json_t *claim)
{
    const char *id = state_text(claim, "id", "");

    if (strcmp(state_text(claim, "by", ""), "void") == 0) {
        free(p->surplus);
        p->surplus = repx_strdup(p->id);
        return HANDOVER_SAW_CLAIM_VOID;
    }
    if (p->id && strcmp(id, p->id) == 0)
        return HANDOVER_SAW_CLAIM_SAME;
    free(p->surplus);
    p->surplus = p->id;
    p->id = repx_strdup(id);
    return HANDOVER_SAW_CLAIM_OTHER;
}

static enum handover_saw make_claim(struct submission *s, struct pending *p, int by,
                                    struct repx_err *err)
{
    json_t *claim = NULL;
    int rc = claim_make(s->site, p->key, by, s->scheduler.name,
                        by == CLAIM_VOID ? "" : p->id, &claim, err);
    enum handover_saw saw = rc == 0 ? claim_seen(p, claim) : saw_of(rc);

    json_decref(claim);
    return saw;
}

static enum handover_saw withdraw(struct submission *s, const struct pending *p)
{
    json_t *units = json_pack("[o]", unit_named(p->surplus ? p->surplus : "", p->key));

    return saw_of(units_end(&s->scheduler, units, CANCEL_MS, NULL));
}

static enum handover_saw act_on(struct submission *s, size_t at, enum handover_act act,
                                struct repx_err *err)
{
    struct pending *p = s->batch + at;

    if (act == HANDOVER_DO_PREPARE)
        return saw_of(submission_prepare(s, at, err));
    if (act == HANDOVER_DO_CLAIM)
        return make_claim(s, p, CLAIM_SUBMITTER, err);
    if (act == HANDOVER_DO_VOID)
        return make_claim(s, p, CLAIM_VOID, err);
    if (act == HANDOVER_DO_WITHDRAW)
        return withdraw(s, p);
    return saw_of(submission_record(s, p, err));
}

/* Tell all units at `act` the same. */
static void all_saw(struct submission *s, enum handover_act act, enum handover_saw saw)
{
    for (size_t i = 0; i < s->batch_count; i++) {
        if (handover_next(rules, &s->batch[i].h) == act)
            handover_saw(rules, &s->batch[i].h, saw);
    }
}

static void each(struct submission *s, enum handover_act act, struct repx_err *err)
{
    for (size_t i = 0; i < s->batch_count; i++) {
        if (handover_next(rules, &s->batch[i].h) == act)
            handover_saw(rules, &s->batch[i].h, act_on(s, i, act, err));
    }
    /* the lines of all together; the units are over then, and cannot see it fail */
    if (act == HANDOVER_DO_RECORD && journal_write(s, 1, err) < 0)
        s->stopped = 1;
}

static void perform(struct submission *s, enum handover_act act, struct repx_err *err)
{
    if (act == HANDOVER_DO_INTEND) { /* the lines were made with the units */
        all_saw(s, act, saw_of(journal_write(s, 1, err)));
    } else if (act == HANDOVER_DO_HOLD) {
        all_saw(s, act, saw_of(lease_touch(s->site, "feed", err)));
    } else if (act == HANDOVER_DO_SUBMIT) {
        submission_ask(s, err);
    } else if (act == HANDOVER_DO_LOOK_UP) {
        submission_look_up(s, err);
    } else if (act == HANDOVER_DO_WAIT) {
        (void)poll(NULL, 0, HANDOVER_LOOK_MS);
        all_saw(s, act, HANDOVER_SAW_OK);
    } else {
        each(s, act, err);
    }
}

/* ---- units that are over ---- */

static void pending_finish(struct pending *p)
{
    json_decref(p->unit);
    free(p->id);
    free(p->text);
    free(p->surplus);
    free(p->members);
}

/* A scatter without its gather must not go on: it sees that S/live names nobody. */
static void withdraw_scatter(struct submission *s, const struct pending *p)
{
    struct decided *d = s->jobs + p->job;

    if (strcmp(p->phase, "gather") != 0 || !d->scatter)
        return;
    json_t *units = json_pack("[o]", unit_named(d->scatter, d->scatter_key));
    (void)submission_event(s,
                           json_pack("{s:I,s:s,s:s}", "i", (json_int_t)p->job, "e",
                                     "withdrawn", "reason", "waits for room"),
                           NULL);
    (void)units_end(&s->scheduler, units, CANCEL_MS, NULL);
    free(d->scatter);
    d->scatter = NULL;
}

static void wait_for_room(struct submission *s, const struct pending *p)
{
    if (pending_is_step(p) || pending_is_feeder(p))
        return;
    withdraw_scatter(s, p);
    for (size_t i = 0; i < pending_count(p); i++)
        s->jobs[pending_job(p, i)].what = DECIDE_LATER;
}

/* Its key is spent; its jobs come again under another, unless that happened too often. */
static int come_again(struct submission *s, const struct pending *p,
                      struct repx_err *err)
{
    REPX_AUTO_FREE char *text =
        repx_format("the scheduler gave no answer and does not know it: %s",
                    p->text ? p->text : "");
    int rc = 0;

    if (pending_is_step(p) || pending_is_feeder(p)) {
        if (!s->refusal)
            s->refusal = repx_strdup(text);
        s->again |= pending_is_step(p);
        return 0;
    }
    for (size_t i = 0; rc == 0 && i < pending_count(p); i++) {
        size_t job = pending_job(p, i);
        if (++s->jobs[job].tries >= HANDOVER_TRIES) {
            (void)job_leave(s->site, state_text(s->plan[job], "id", ""), s->run->id,
                            p->key);
            withdraw_scatter(s, p);
            rc = submission_refuse(s, job, text, err);
        } else {
            s->jobs[job].what = DECIDE_LATER;
            s->again = 1;
        }
    }
    return rc;
}

/* 1 when it stays in the batch: on its way, or to be halved. */
static int settle(struct submission *s, size_t at, struct repx_err *err)
{
    struct pending *p = s->batch + at;

    if (!handover_over(&p->h) || p->h.state == HANDOVER_SPLIT)
        return 1;
    if (p->h.state == HANDOVER_LATER) {
        s->full |= !p->h.shelved;
        wait_for_room(s, p);
    } else if (p->h.state == HANDOVER_STOPPED ||
               (p->h.state == HANDOVER_VOID && come_again(s, p, err) < 0)) {
        s->stopped = 1;
    }
    return 0;
}

/* Take out what is over; halve what is to be. */
static void sweep(struct submission *s, struct repx_err *err)
{
    size_t kept = 0, count = s->batch_count;

    for (size_t i = 0; i < count; i++) {
        if (settle(s, i, err)) {
            s->batch[kept++] = s->batch[i];
        } else {
            pending_finish(s->batch + i);
        }
    }
    s->batch_count = kept;
    for (size_t i = 0; i < s->batch_count; i++) {
        if (s->batch[i].h.state == HANDOVER_SPLIT && submission_halve(s, i, err) < 0)
            s->stopped = 1;
    }
}

/* ---- what is next ---- */

/* What is known is written down first; nothing more is begun once all has to stop. */
static const enum handover_act order[] = {
    HANDOVER_DO_CLAIM,   HANDOVER_DO_WITHDRAW, HANDOVER_DO_VOID,   HANDOVER_DO_RECORD,
    HANDOVER_DO_LOOK_UP, HANDOVER_DO_WAIT,     HANDOVER_DO_INTEND, HANDOVER_DO_PREPARE,
    HANDOVER_DO_HOLD,    HANDOVER_DO_SUBMIT};
#define ORDER_ALWAYS 6

static enum handover_act next_act(const struct submission *s)
{
    size_t count = s->stopped ? ORDER_ALWAYS : sizeof(order) / sizeof(order[0]);

    for (size_t k = 0; k < count; k++) {
        for (size_t i = 0; i < s->batch_count; i++) {
            if (handover_next(rules, &s->batch[i].h) == order[k])
                return order[k];
        }
    }
    return HANDOVER_DO_NOTHING;
}

static void shelve(struct submission *s)
{
    for (size_t i = 0; (s->full || s->again) && i < s->batch_count; i++) {
        if (handover_may_shelve(&s->batch[i].h))
            handover_shelve(&s->batch[i].h);
    }
}

int submission_drop(struct submission *s)
{
    for (size_t i = 0; i < s->batch_count; i++)
        pending_finish(s->batch + i);
    s->batch_count = 0;
    return s->stopped ? -1 : 0;
}

int submission_flush(struct submission *s, struct repx_err *err)
{
    for (;;) {
        if (!s->stopped)
            shelve(s);
        enum handover_act act = next_act(s);
        if (act == HANDOVER_DO_NOTHING)
            break;
        perform(s, act, err);
        sweep(s, err);
    }
    return submission_drop(s);
}
