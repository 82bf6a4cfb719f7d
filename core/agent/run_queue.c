/* SPDX-License-Identifier: MIT */
/* run_queue.c: why the jobs of a run wait, as the scheduler says. Who looks asks through
 * queue_ask.h, so that many who look cost the scheduler one question, and an answer
 * outlives a question that fails: that is never an answer. */
#include <stdlib.h>
#include <string.h>

#include <repx/scheduler.h>

#include <kit/alloc.h>

#include "core/agent/follow.h"
#include "core/agent/queue_ask.h"
#include "core/agent/state_check.h"
#include "core/wire/verbs.h"

#define LOCAL_MS 2000 /* our own queue: an answer may be so old */

/* One row speaks for all jobs of an array that wait. */
static void take_rows(struct summary *s, const struct queue *q)
{
    json_t *waiting = json_object();

    s->gone = 0;
    for (size_t i = 0; i < s->run->count; i++) {
        if (s->state.terminal[i] || !s->keys[i][0])
            continue;
        const json_t *row = queue_row(q, s->keys[i], s->index[i]);
        uint32_t state = row ? scheduler_state(state_text(row, "state", "")) : 0;
        if (!row || queue_over(state)) {
            s->gone += s->submitted[i] < q->t;
        } else if (state == REPX_STATE_PENDING) {
            const char *back =
                s->state.status[i] == JOB_QUEUED ? s->state.reason[i] : NULL;
            const char *why = queue_word(back, state_text(row, "reason", ""));
            summary_count(waiting, *why ? why : "waiting");
        }
    }
    json_decref(s->waiting);
    s->waiting = waiting;
}

static void ask(struct summary *s, int64_t max_age_ms, struct queue *q)
{
    struct repx_err why = {0};
    struct scheduler scheduler;

    if (scheduler_open(&scheduler, s->site, s->run->record, &why) < 0) {
        q->error = repx_strdup(why.text);
        return;
    }
    queue_ask(&scheduler, max_age_ms, q);
    scheduler_close(&scheduler);
}

void summary_ask(struct summary *s, int64_t max_age_ms)
{
    struct repx_err why = {0};
    struct queue q = {0};
    size_t counts[JOB_BLOCKED + 1];
    int64_t age = state_now_ms() - s->asked_t;
    int local = strcmp(state_text(s->run->record, "scheduler", ""), "local") == 0;

    summary_counts(s, counts);
    if (counts[JOB_QUEUED] + counts[JOB_RUNNING] == 0) {
        json_decref(s->waiting);
        s->waiting = NULL;
        s->gone = 0;
        s->asked_t = 0;
        return;
    }
    if (s->asked_t && age < (local ? LOCAL_MS : max_age_ms))
        return;
    ask(s, max_age_ms, &q);
    /* what ended while the scheduler was asked is no longer missed */
    if (q.t > s->asked_t && summary_poll(s, &why) >= 0) {
        s->asked_t = q.t;
        take_rows(s, &q);
    }
    free(s->ask_error);
    s->ask_error = q.error ? repx_strdup(q.error) : NULL;
    s->ask_next = q.next;
    queue_free(&q);
}
