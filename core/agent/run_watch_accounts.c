/* SPDX-License-Identifier: MIT */
/* run_watch_accounts.c: what left the queue unexplained, and who cancelled what was
 * cancelled outside repx: one question to the accounts about all of it, now and then. */
#include <string.h>

#include <repx/scheduler.h>

#include <kit/alloc.h>
#include <kit/clock.h>

#include "core/agent/call_log.h"
#include "core/agent/run_watch.h"
#include "core/agent/state_check.h"
#include "core/agent/truth.h"
#include "core/agent/unit_said.h"
#include "core/wire/verbs.h"

#define AGAIN_MS 60000 /* between two questions */
#define SOON_MS 3000 /* accounts lag a little: after the first one that told nothing */
#define NONE_MS 600000 /* where none are kept */
#define SETTLED_MS \
    600000            /* after that what they do not know of a LOST job never comes */
#define EARLIER_S 120 /* by which clocks may differ, and then some */

static int outside(const struct watch *w, size_t i)
{
    const char *reason = w->state.reason[i];

    return w->state.terminal[i] && w->state.status[i] == JOB_FAILED && reason &&
           strcmp(reason, CANCELLED_OUTSIDE) == 0 && w->jobs[i].key[0];
}

/* Neither queue nor daemon tell how it ended. */
static int unexplained(const struct watch *w, size_t i)
{
    const struct watched *j = w->jobs + i;

    if (outside(w, i))
        return !j->by;
    if (j->unasked)
        return 1;
    if (w->state.terminal[i] || !j->gone || j->taken)
        return 0;
    return (j->state == 0 || j->state == REPX_STATE_ENDED) &&
           !unit_said(w->site, j->key, j->index).reason;
}

static size_t count_unexplained(const struct watch *w, int64_t *since)
{
    size_t n = 0;

    *since = 0;
    for (size_t i = 0; i < w->run->count; i++) {
        if (!unexplained(w, i))
            continue;
        n++;
        if (!*since || w->jobs[i].submitted < *since)
            *since = w->jobs[i].submitted;
    }
    return n;
}

static void take(struct watch *w)
{
    for (size_t i = 0; i < w->run->count; i++) {
        struct watched *j = w->jobs + i;
        const json_t *row =
            unexplained(w, i) ? queue_row(&w->queue, j->key, j->index) : NULL;
        if (!row || !queue_over(scheduler_state(state_text(row, "state", ""))))
            continue;
        j->state = scheduler_state(state_text(row, "state", ""));
        const char *by = state_text(row, "by", NULL);
        if (by && !j->by)
            j->by = repx_strdup(by);
        const char *word = state_text(row, "reason", NULL);
        if (word && !j->word)
            j->word = repx_strdup(word);
    }
}

/* By all who watch or look together: twice a minute, once when no answer comes, and seldom
 * where there are none. */
static int may_ask(struct watch *w)
{
    const char *name = w->scheduler.name;
    unsigned was = 0;

    if (call_log_asked(w->site, name, "ended", AGAIN_MS, &was) >= 2 ||
        (was & 1u << CALL_TIMED_OUT))
        return 0;
    (void)call_log_asked(w->site, name, "ended", NONE_MS, &was);
    if (was & 1u << CALL_FAILED)
        w->accounts = -1;
    return w->accounts >= 0 && call_log_budget(w->site, name).wait_ms == 0;
}

int watch_unasked(const struct watch *w, size_t i)
{
    return !w->is_local && w->accounts >= 0 && w->told < w->jobs[i].gone;
}

void watch_accounts(struct watch *w)
{
    struct repx_err why = {0};
    int64_t since, now = repx_now_ms();

    if (w->is_local || w->accounts < 0 || now < w->accounts)
        return;
    if (count_unexplained(w, &since) == 0)
        return;
    if (!may_ask(w)) {
        w->accounts = w->accounts < 0 ? -1 : now + SOON_MS;
        return;
    }
    if (queue_ask_ended(&w->scheduler, since / 1000 - EARLIER_S, &w->queue, &why) < 0) {
        w->accounts = why.code == REPX_E_UNSUPPORTED ? -1 : now + AGAIN_MS;
        return;
    }
    w->told = state_now_ms();
    take(w);
    w->accounts = now + (w->accounts ? AGAIN_MS : SOON_MS);
}

/* The reason that is to be written now, or NULL. Caller frees. */
static char *explanation(struct watch *w, size_t i)
{
    const struct watched *j = w->jobs + i;

    if (outside(w, i))
        return j->by ? repx_format("cancelled by %s", j->by) : NULL;
    if (queue_over(j->state)) {
        const char *reason = watch_reason(w, i);
        return j->by && strcmp(reason, CANCELLED_OUTSIDE) == 0
                   ? repx_format("cancelled by %s", j->by)
                   : repx_strdup(reason);
    }
    int settled = w->accounts < 0 || (w->told && w->told - j->unasked > SETTLED_MS);
    return settled ? repx_strdup(TRUTH_NOBODY) : NULL;
}

int64_t watch_explain(struct watch *w, struct repx_err *err)
{
    int64_t left = 0;

    for (size_t i = 0; i < w->run->count; i++) {
        if (!outside(w, i) && !w->jobs[i].unasked)
            continue;
        REPX_AUTO_FREE char *reason = explanation(w, i);
        if (!reason) {
            left += w->accounts >= 0;
            continue;
        }
        w->jobs[i].unasked = 0;
        if (event_write(w->site, w->run,
                        json_pack("{s:I,s:s,s:s}", "i", (json_int_t)i, "e", "explained",
                                  "reason", reason),
                        err) < 0)
            return -1;
    }
    return left;
}
