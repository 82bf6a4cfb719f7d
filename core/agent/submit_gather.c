/* SPDX-License-Identifier: MIT */
/* submit_gather.c: what became of the units of a scatter-gather job that somebody submitted
 * before: who did that may have died on the way. */
#include <poll.h>
#include <string.h>

#include <repx/scheduler.h>

#include <kit/alloc.h>

#include "core/agent/state_check.h"
#include "core/agent/submit_own.h"

#define GATHER_TRIES 15 /* while the scheduler cannot be asked */

/* NOLINTNEXTLINE(readability-function-size): one of them is the error */
int submission_alive(struct submission *s, size_t index, const char *part, char key[27],
                     char **id, struct repx_err *err)
{
    const char *job = state_text(s->plan[index], "id", "");

    if (!sub_last_key(s->site, s->run->id, job, part, key))
        return 0;
    json_t *row;
    int found = submission_find_one(s, key, &row, err);
    if (row_is_alive(row))
        *id = repx_strdup(state_text(row, "id", NULL));
    json_decref(row);
    return found < 0 ? -1 : 0;
}

/* The id of a key's unit: 1 with *id, 0 nobody knows it, -1 nobody could be asked. */
static int unit_known(struct submission *s, const char *key, char **id,
                      struct repx_err *err)
{
    json_t *claim = claim_read(s->site, key, NULL);
    const char *claimed = state_text(claim, "id", "");

    *id = *claimed ? repx_strdup(claimed) : NULL;
    json_decref(claim);
    if (*id)
        return 1;
    json_t *row;
    int found = submission_find_one(s, key, &row, err);
    *id = repx_strdup(state_text(row, "id", NULL));
    json_decref(row);
    return found;
}

/* Whoever was to submit it died first, since the lease is ours: should it be there after
 * all, it will not run. 1 when it is and got its claim before that. */
static int gather_void(struct submission *s, const char *key, char **id,
                       struct repx_err *err)
{
    json_t *claim = NULL;
    int rc = claim_make(s->site, key, CLAIM_VOID, s->scheduler.name, "", &claim, err);

    if (rc == 1)
        journal_line(s, "void", key, NULL);
    if (rc == 0 && strcmp(state_text(claim, "by", ""), "void") != 0)
        *id = repx_strdup(state_text(claim, "id", ""));
    json_decref(claim);
    return rc < 0 ? -1 : *id != NULL;
}

int submission_gather_find(struct submission *s, size_t index, char **id,
                           struct repx_err *err)
{
    const char *job = state_text(s->plan[index], "id", "");
    REPX_AUTO_FREE char *run = NULL;
    char *key = s->jobs[index].seen;
    struct repx_err why = {0};
    int known = -1;
    size_t at;

    if (live_get(s->site, job, &run, &at, key, err) <= 0 ||
        strcmp(run, s->run->id) != 0) {
        return repx_fail(err, REPX_E_FAILED, "%s: run %s works on it no more", job,
                         s->run->id);
    }
    for (int i = 0, absent = 0; i < GATHER_TRIES && absent < HANDOVER_LOOKS; i++) {
        if (i)
            (void)poll(NULL, 0, HANDOVER_LOOK_MS);
        known = unit_known(s, key, id, &why);
        if (known == 1)
            return 1;
        absent += known == 0;
    }
    if (known == 0)
        return gather_void(s, key, id, err);
    return repx_fail(err, REPX_E_FAILED, "%s: the unit of its gather is not known: %s",
                     job, why.text);
}

int submission_gather_began(struct submission *s, const char *key, struct repx_err *err)
{
    json_t *row = NULL;
    int found = -1;

    for (int i = 0; found < 0 && i < GATHER_TRIES; i++) {
        if (i)
            (void)poll(NULL, 0, HANDOVER_LOOK_MS);
        found = submission_find_one(s, key, &row, err);
    }
    int waits = scheduler_state(state_text(row, "state", "")) == REPX_STATE_PENDING;
    json_decref(row);
    return found > 0 ? !waits : found;
}

int submission_gather_claimed(struct submission *s, size_t index)
{
    REPX_AUTO_FREE char *run = NULL;
    char key[27];
    size_t at;

    const char *job = state_text(s->plan[index], "id", "");

    return live_get(s->site, job, &run, &at, key, NULL) <= 0 ||
           claim_there(s->site, key);
}

int submission_gather_submit(struct submission *s, size_t index, json_t *deps,
                             struct repx_err *err)
{
    if (submission_add(s, index, "gather", 0, deps, err) < 0 ||
        submission_flush(s, err) < 0)
        return -1;
    if (s->jobs[index].what == DECIDE_OURS)
        return 1;
    if (s->jobs[index].what == DECIDE_LATER)
        return 0;
    return repx_fail(err, REPX_E_FAILED, "the scheduler did not take the gather: %s",
                     s->room ? s->room : "no reason given");
}
