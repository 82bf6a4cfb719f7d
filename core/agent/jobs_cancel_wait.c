/* SPDX-License-Identifier: MIT */
/* jobs_cancel_wait.c: from the wish to the end. Supervisors write their own ends; of those
 * that cannot, the scheduler says whether they are still there. */
#include <poll.h>
#include <string.h>

#include <repx/scheduler.h>

#include <kit/helper_run.h>

#include "core/agent/jobs_cancel_own.h"
#include "core/agent/state_check.h"
#include "core/wire/verbs.h"

#define LOOK_MS 100
#define WAIT_MS 60000 /* TERM, and KILL after half of that at most sites */
#define ASK_MS 10000  /* between two questions */
#define ASK_LOCAL_MS 1000
#define STATUS_MS 30000

static int over(const char *state)
{
    uint32_t s = scheduler_state(state);

    return s >= REPX_STATE_DONE && s <= REPX_STATE_ENDED;
}

/* Keys of units that go on. */
static void on_row(void *ctx, const json_t *row)
{
    const char *key = state_text(row, "key", NULL);

    if (key && !over(state_text(row, "state", "")))
        (void)json_object_set_new(ctx, key, json_true());
}

static size_t alive(const struct ending *e)
{
    size_t n = 0;

    for (size_t i = 0; i < e->run->count; i++)
        n += e->chosen[i] == 1 && !e->state.terminal[i];
    return n;
}

/* Whose unit is no more and who wrote nothing has no end but this one. */
static int tell_gone(struct ending *e, struct scheduler *s, struct repx_err *err)
{
    struct repx_err why = {0};
    json_t *there = json_object();
    int rc = scheduler_call(s, "status", json_object(), STATUS_MS, on_row, there, &why);

    /* an end that was written before the unit left comes first; no answer is no state */
    if (rc == 0) {
        rc = ending_poll(e, err);
    } else if (rc < 0) {
        json_decref(there);
        return 0;
    }
    for (size_t i = 0; rc == 0 && i < e->run->count; i++) {
        if (e->chosen[i] && !e->state.terminal[i] && e->keys[i][0] &&
            !json_object_get(there, e->keys[i]))
            rc = ending_tell(e, i, err);
    }
    json_decref(there);
    return rc;
}

int ending_wait(struct ending *e, struct repx_err *err)
{
    int far = strcmp(state_text(e->run->record, "scheduler", ""), "local") != 0;
    int64_t begun = repx_now_ms(), asked = begun;
    struct scheduler s;
    int known = scheduler_open(&s, e->site, e->run->record, NULL) == 0, rc;

    while ((rc = ending_poll(e, err)) == 0 && alive(e)) {
        int64_t now = repx_now_ms();
        if (now - begun >= WAIT_MS)
            break;
        if (known && now - asked >= (far ? ASK_MS : ASK_LOCAL_MS)) {
            rc = tell_gone(e, &s, err);
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
