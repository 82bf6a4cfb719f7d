/* SPDX-License-Identifier: MIT */
/* jobs_cancel_wait.c: from the wish to the end. Supervisors write their own ends; of those
 * that cannot, the scheduler says whether they are still there. */
#include <poll.h>
#include <string.h>

#include <repx/scheduler.h>

#include <kit/clock.h>

#include "core/agent/jobs_cancel_own.h"
#include "core/agent/queue_ask.h"
#include "core/agent/state_check.h"
#include "core/wire/verbs.h"

#define LOOK_MS 100
#define WAIT_MS 60000 /* TERM, and KILL after half of that at most sites */
#define ASK_MS 10000  /* between two questions */
#define ASK_LOCAL_MS 1000

static size_t alive(const struct ending *e)
{
    size_t n = 0;

    for (size_t i = 0; i < e->run->count; i++)
        n += e->chosen[i] == 1 && !e->state.terminal[i];
    return n;
}

static int over(const json_t *row)
{
    return !row || queue_over(scheduler_state(state_text(row, "state", "")));
}

/* Whose unit is no more and who wrote nothing has no end but this one. */
static int tell_gone(struct ending *e, struct scheduler *s, int64_t begun,
                     struct repx_err *err)
{
    struct queue q = {0};

    queue_ask(s, ASK_MS, &q);
    /* an end that was written before the unit left comes first; no answer is no state */
    int rc = q.t >= begun ? ending_poll(e, err) : 0;
    for (size_t i = 0; rc == 0 && q.t >= begun && i < e->run->count; i++) {
        if (e->chosen[i] && !e->state.terminal[i] && e->keys[i][0] &&
            over(queue_row(&q, e->keys[i], e->index[i])))
            rc = ending_tell(e, i, err);
    }
    queue_free(&q);
    return rc;
}

int ending_wait(struct ending *e, struct repx_err *err)
{
    int far = strcmp(state_text(e->run->record, "scheduler", ""), "local") != 0;
    int64_t begun = repx_now_ms(), asked = begun, since = state_now_ms();
    struct scheduler s;
    int known = scheduler_open(&s, e->site, e->run->record, NULL) == 0, rc;

    while ((rc = ending_poll(e, err)) == 0 && alive(e)) {
        int64_t now = repx_now_ms();
        if (now - begun >= WAIT_MS)
            break;
        if (known && now - asked >= (far ? ASK_MS : ASK_LOCAL_MS)) {
            rc = tell_gone(e, &s, since, err);
            asked = repx_now_ms();
        }
        if (rc < 0)
            break;
        (void)poll(NULL, 0, LOOK_MS);
    }
    if (known)
        scheduler_close(&s);
    return rc;
}
