/* SPDX-License-Identifier: MIT */
/* submit_halve.c: an array that found no room is asked for in two halves; of branches only
 * the first comes now (submit_steps.c). */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "core/agent/state_check.h"
#include "core/agent/submit_own.h"

static json_t *deps_of(const struct pending *p, int shifted)
{
    json_t *deps = json_deep_copy(json_object_get(p->unit, "deps")), *dep;
    size_t i;

    json_array_foreach(deps, i, dep)
    {
        /* indices no longer agree: it waits for the end of all, and each job sees for
         * itself whether its own producer succeeded */
        if (shifted && strcmp(state_text(dep, "type", ""), "corr") == 0)
            (void)json_object_set_new(dep, "type", json_string("any"));
    }
    return deps;
}

/* It comes to the end of the batch. */
static int add_half(struct submission *s, const struct pending *p, size_t from,
                    size_t to, struct repx_err *err)
{
    json_t *deps = deps_of(p, from > 0 || to - from == 1);

    return to - from == 1
               ? submission_add(s, p->members[from], "main", 0, deps, err)
               : submission_add_array(s, p->members + from, to - from, deps, err);
}

static int add_branches(struct submission *s, const struct pending *p, size_t count,
                        struct repx_err *err)
{
    const size_t span[2] = {p->first, count};

    return submission_add_branches(s, p->job, p->phase, span, deps_of(p, 0), err);
}

/* The last so many of the batch come to place `at`. */
static void move_last(struct submission *s, size_t at, size_t count)
{
    struct pending last[2];
    size_t rest = s->batch_count - count - at;

    memcpy(last, s->batch + s->batch_count - count, count * sizeof(*last));
    memmove(s->batch + at + count, s->batch + at, rest * sizeof(*s->batch));
    memcpy(s->batch + at, last, count * sizeof(*last));
}

int submission_halve(struct submission *s, size_t at, struct repx_err *err)
{
    struct pending p = s->batch[at];
    size_t half = p.array / 2, before;

    /* with nothing else in the queue it is the scheduler's limit, and not the moment's */
    if (p.members && json_object_size(s->given) == 0 && s->queued == 0)
        submission_limit_keep(s, "refused", (int64_t)p.array);
    memmove(s->batch + at, s->batch + at + 1,
            (s->batch_count - at - 1) * sizeof(*s->batch));
    s->batch_count--;
    s->fresh = 0; /* its first half has the same first job */
    before = s->batch_count;
    int rc = p.members ? add_half(s, &p, 0, half, err) : add_branches(s, &p, half, err);
    if (rc == 0 && p.members)
        rc = add_half(s, &p, half, p.array, err);
    move_last(s, at, s->batch_count - before);
    json_decref(p.unit);
    free(p.id);
    free(p.text);
    free(p.surplus);
    free(p.members);
    return rc;
}
