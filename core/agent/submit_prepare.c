/* SPDX-License-Identifier: MIT */
/* submit_prepare.c: what is on the target before the scheduler is asked: the unit's
 * directory, its table, and whose work each job is from now on. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/agent/state_check.h"
#include "core/agent/submit_own.h"

/* From now on the job is this unit's, or will be when other work on it has ended. */
static int take_job(struct submission *s, size_t job, const char *key,
                    struct repx_err *err)
{
    const char *id = state_text(s->plan[job], "id", "");
    struct decided *d = s->jobs + job;
    const struct live_link to = {s->run->id, job, key};

    memcpy(d->key, key, sizeof(d->key));
    if (d->after)
        return next_add(s->site, id, &to, err);
    int rc = live_take(s->site, id, &to, d->seen, err);
    memcpy(d->seen, key, sizeof(d->seen));
    if (rc == 0) {
        s->overtaken = 1;
        (void)repx_fail(err, REPX_E_BUSY,
                        "%s: somebody else has submitted it meanwhile; run again", id);
    }
    return rc == 1 ? 0 : -1;
}

/* An array of jobs: its table, and each job's link. */
static int prepare_members(struct submission *s, const struct pending *p,
                           struct repx_err *err)
{
    int rc = array_write(s->site, p->key, p->members, p->array, err);

    for (size_t i = 0; rc == 0 && i < p->array; i++) {
        size_t job = p->members[i];
        s->jobs[job].width = p->array;
        s->jobs[job].index = i;
        rc = take_job(s, job, p->key, err);
    }
    return rc;
}

/* Which branches of a step: their indices begin at 0 in every part. */
static int prepare_branches(struct submission *s, const struct pending *p,
                            struct repx_err *err)
{
    size_t *numbers = repx_array(p->array, sizeof(*numbers));

    for (size_t i = 0; i < p->array; i++)
        numbers[i] = p->first + i;
    int rc = array_write(s->site, p->key, numbers, p->array, err);
    free(numbers);
    return rc;
}

int submission_prepare(struct submission *s, size_t at, struct repx_err *err)
{
    const struct pending *p = s->batch + at;

    if (sub_create(s->site, p->key, err) < 0)
        return -1;
    if (pending_is_feeder(p))
        return 0;
    if (p->members)
        return prepare_members(s, p, err);
    if (pending_is_step(p) && prepare_branches(s, p, err) < 0)
        return -1;
    /* of a scatter-gather job the gather stands for the whole */
    if (pending_is_step(p) ||
        (strcmp(p->phase, "scatter") == 0 && !s->jobs[p->job].halfway))
        return 0;
    return take_job(s, p->job, p->key, err);
}
