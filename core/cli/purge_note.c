/* SPDX-License-Identifier: MIT */
#include "purge_note.h"

#include <time.h>

#include <kit/buf.h>

#include "cli.h"

#define DAY_MS INT64_C(86400000)
#define MARGIN_DAYS 7

static int64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Does the purge take before long what was made at that time (ms)? *left: whole days until
 * then, below 0 when it is due already. */
static int purge_is_near(const struct config_target *target, int64_t made, int64_t now,
                         int64_t *left)
{
    int64_t days = target->purge_days;
    int64_t margin = days / 3 < MARGIN_DAYS ? days / 3 : MARGIN_DAYS;
    int64_t due = made + days * DAY_MS;

    if (days <= 0 || made <= 0)
        return 0;
    *left = due > now ? (due - now) / DAY_MS : -1;
    return due - now <= (margin ? margin : 1) * DAY_MS;
}

static void warn(const struct config_target *target, const char *what, const char *spec,
                 int64_t left)
{
    REPX_AUTO_BUF struct repx_buf when = {0};

    if (left < 0) {
        repx_buf_str(&when, "may be taken by the purge at any moment");
    } else if (left == 0) {
        repx_buf_str(&when, "will be taken by the purge within a day");
    } else {
        repx_buf_fmt(&when, "will be taken by the purge in %lld day%s", (long long)left,
                     left == 1 ? "" : "s");
    }
    ui_warn(
        "%s on target '%s' %s (purge_days = %lld); `repx pull %s --target %s` "
        "brings them here",
        what, target->name, repx_buf_text(&when), (long long)target->purge_days, spec,
        target->name);
}

void purge_note_plan(const struct plan *plan, const struct job_status *status)
{
    const struct plan_job *oldest = NULL;
    int64_t made = 0, now = now_ms(), left = 0;
    REPX_AUTO_BUF struct repx_buf what = {0};
    size_t count = 0;

    for (size_t i = 0; i < plan->count; i++) {
        if (!plan->jobs[i].wanted || !job_is_done(&status[i]) ||
            !purge_is_near(plan->target, status[i].made, now, &left))
            continue;
        count++;
        if (!oldest || status[i].made < made) {
            oldest = &plan->jobs[i];
            made = status[i].made;
        }
    }
    if (!oldest)
        return;
    (void)purge_is_near(plan->target, made, now, &left);
    repx_buf_fmt(&what, "%zu result%s", count, count == 1 ? "" : "s");
    warn(plan->target, repx_buf_text(&what),
         oldest->run ? oldest->run->name : oldest->job->id, left);
}

int purge_note_run(const struct config_target *target, const struct json *run,
                   int again)
{
    const char *spec = json_string(json_first(json_get(run, "specs")));
    const char *id = json_string(json_get(run, "run"));
    int64_t made = json_get_int(run, "t", 0), now = now_ms(), left;
    int64_t first = json_get_int(run, "made", 0);
    REPX_AUTO_BUF struct repx_buf what = {0};

    if (first > 0 && first < made)
        made = first;
    /* what was due some days ago is gone, or the site does not take it */
    if (again || !purge_is_near(target, made, now, &left) ||
        now > made + (target->purge_days + 2) * DAY_MS)
        return 0;
    repx_buf_fmt(&what, "results of run %s", id ? id : "?");
    warn(target, repx_buf_text(&what), spec ? spec : "JOB", left);
    return 1;
}
