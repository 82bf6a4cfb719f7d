/* SPDX-License-Identifier: MIT */
/* Runs that have other work under one job id: each of it runs once, one after the other. */
#define _DEFAULT_SOURCE
#include "tap.h"

#include "core/agent/run_watch.h"
#include "core/agent/state_next.h"
#include "core/agent/waiting.h"
#include "unit/submit_scratch.h"

#define RUN1 "20260101T000000Z-aaaaaaaa"
#define RUN2 "20260101T000000Z-bbbbbbbb"
#define RUN3 "20260101T000000Z-cccccccc"
#define RUN4 "20260101T000000Z-dddddddd"

static struct repx_err err;

static int submit(struct scratch *s, const char *run)
{
    struct repx_buf fields REPX_AUTO_BUF = {0};

    err = (struct repx_err){0};
    int rc = submit_run(&s->site, run, 0, -1, &fields, &err);
    if (rc < 0)
        printf("# %s\n", err.text);
    return rc;
}

static void work_key(struct scratch *s, const char *run, int digit)
{
    REPX_AUTO_FREE char *change =
        repx_format("sed -i 's/\"key\":\"000/\"key\":\"%d00/' %s/.repx/runs/%s/plan",
                    digit, s->base, run);

    ok(system(change) == 0, "%s: another work key", run);
}

/* Other work on a job that somebody works on comes after that. */
static void second_work_key(struct scratch *s)
{
    char key[27];

    scratch_run(s, RUN1, "fake", 1, NULL);
    scratch_run(s, RUN2, "fake", 1, NULL);
    scratch_run(s, RUN3, "fake", 1, NULL);
    work_key(s, RUN2, 1);
    work_key(s, RUN3, 1);
    ok(submit(s, RUN1) == 0 && submit(s, RUN2) == 0, "both are submitted");
    submission_key(RUN1, "job-0", "main", 0, key);
    REPX_AUTO_FREE char *dep =
        repx_format("\"deps\":[{\"type\":\"any\",\"id\":\"f-%s\"}]", key);
    ok(scratch_count(s, "queue", "\n") == 2 && scratch_count(s, "requests", dep) == 1,
       "the second after the first");
    ok(submit(s, RUN3) == 0 && scratch_events(s, RUN3, "taken") == 1 &&
           scratch_count(s, "queue", "\n") == 2,
       "a third run with the second's work follows that");
    ok(submit(s, RUN2) == 0 && scratch_count(s, "queue", "\n") == 2,
       "the second again: nothing more");
}

/* The dependency list of a unit that comes after others. */
static char *after(const char *const *runs, size_t count)
{
    struct repx_buf b = {0};
    char key[27];

    for (size_t i = 0; i < count; i++) {
        submission_key(runs[i], "job-0", "main", 0, key);
        repx_buf_fmt(&b, "%s{\"type\":\"any\",\"id\":\"f-%s\"}", i ? "," : "\"deps\":[",
                     key);
    }
    repx_buf_char(&b, ']');
    return repx_buf_detach(&b);
}

/* What the scheduler had of that run is over. */
static void over(struct scratch *s, const char *run)
{
    char key[27];

    submission_key(run, "job-0", "main", 0, key);
    REPX_AUTO_FREE char *forget =
        repx_format("cd %s && grep -v %s queue >q; mv q queue", s->base, key);
    ok(system(forget) == 0, "%s: over", run);
}

/* Any number of works wait for each other, and the scheduler is asked for all at once. */
static void many_work_keys(struct scratch *s)
{
    static const char *const runs[] = {RUN1, RUN2, RUN3, RUN4};
    struct repx_buf fields REPX_AUTO_BUF = {0};

    for (int i = 0; i < 4; i++) {
        scratch_run(s, runs[i], "fake", 1, NULL);
        work_key(s, runs[i], i);
        ok(i == 3 || submit(s, runs[i]) == 0, "%s: submitted", runs[i]);
    }
    REPX_AUTO_FREE char *third = after(runs, 2);
    ok(scratch_count(s, "queue", "\n") == 3 && scratch_count(s, "requests", third) == 1,
       "the third comes after both that are there");
    ok(run_cancel(&s->site, RUN2, &fields, &err) == 0, "the second is cancelled");
    over(s, RUN2);
    size_t asked = scratch_count(s, "calls", "find\n");
    ok(submit(s, RUN4) == 0, "a fourth");
    const char *const left[] = {RUN1, RUN3};
    REPX_AUTO_FREE char *fourth = after(left, 2);
    ok(scratch_count(s, "requests", fourth) == 1, "comes after those that are left");
    ok(scratch_count(s, "calls", "find\n") == asked + 1, "with one question");
    over(s, RUN3);
    ok(submit(s, RUN4) == 0 && scratch_count(s, "queue", "\n") == 2,
       "the same again: nothing more, though one before it was lost");
}

/* A decision that is no longer true when the job is to be taken is made again. */
static void taken_meanwhile(struct scratch *s)
{
    static const char *const runs[] = {RUN3};
    char key[27];

    scratch_run(s, RUN1, "fake", 1, NULL);
    scratch_run(s, RUN2, "fake", 1, NULL);
    scratch_run(s, RUN3, "fake", 1, NULL);
    work_key(s, RUN2, 1);
    work_key(s, RUN3, 2);
    ok(submit(s, RUN1) == 0, "one is queued");
    over(s, RUN1);
    submission_key(RUN3, "job-0", "main", 0, key);
    REPX_AUTO_FREE char *meanwhile = repx_format(
        "cd %s && echo %s >>queue && cd .repx && mkdir sub/%s && "
        "ln -sfn '%s 0 %s' live/job-0\n",
        s->base, key, key, RUN3, key);
    scratch_put(s, "meanwhile", meanwhile, 0644);
    ok(submit(s, RUN2) == 0, "another takes the job while this is decided");
    REPX_AUTO_FREE char *dep = after(runs, 1);
    ok(scratch_count(s, "queue", "\n") == 2 && scratch_count(s, "requests", dep) == 1,
       "which comes after that");
    ok(scratch_events(s, RUN2, "submitted") == 1, "once");
}

/* Who reads what other work made ends before that is replaced; and nobody else matters. */
static void read_meanwhile(struct scratch *s)
{
    static const char *const deps[] = {
        "[]", "[0],\"inputs\":{\"in\":{\"job\":\"job-0\",\"template\":\"$out/o\"}}",
        "[]"};
    char key[27];

    scratch_run(s, RUN1, "fake", 3, deps);
    scratch_run(s, RUN2, "fake", 1, NULL);
    work_key(s, RUN2, 1);
    scratch_put(s, "outputs/job-0/repx/attempt.json",
                "{\"v\":1,\"key\":\"" HEX "\",\"t\":1}\n{\"t\":2,\"ok\":true}\n", 0644);
    scratch_put(s, "outputs/job-0/repx/SUCCESS", "", 0644);
    ok(submit(s, RUN1) == 0 && scratch_count(s, "queue", "\n") == 2,
       "a job that reads what is there, and one that does not");
    struct repx_buf fields REPX_AUTO_BUF = {0};
    ok(submit_run(&s->site, RUN2, SUBMIT_RERUN_STALE, -1, &fields, &err) == 0,
       "other work makes it anew");
    submission_key(RUN1, "job-1", "main", 0, key);
    REPX_AUTO_FREE char *dep =
        repx_format("\"deps\":[{\"type\":\"any\",\"id\":\"f-%s\"}]", key);
    ok(scratch_count(s, "queue", "\n") == 3 && scratch_count(s, "requests", dep) == 1,
       "when the reader has ended");
    submission_key(RUN2, "job-0", "main", 0, key);
    ok(next_waits(&s->site, "job-0", key), "and is seen until then");
}

/* The first's work has ended, as told, and the second's has begun. */
static void first_ends(struct scratch *s, const char *told)
{
    REPX_AUTO_FREE char *path = repx_format(".repx/runs/%s/events/node", RUN1);
    REPX_AUTO_FREE char *text = repx_format(
        "{\"v\":1,\"t\":9000000000000,\"i\":0,\"e\":\"end\",\"n\":1,%s}\n", told);

    scratch_put(s, path, text, 0644);
    over(s, RUN1);
    live_clear(&s->site, "job-0", RUN1, NULL);
    ok(next_begin(&s->site, "job-0", RUN2, NULL) == 1, "the next begins");
    run_look(&s->site, RUN3, 0);
}

/* Who follows one of them sees how that ends, though the next begins at once. */
static void followed(struct scratch *s)
{
    scratch_run(s, RUN1, "fake", 1, NULL);
    scratch_run(s, RUN2, "fake", 1, NULL);
    scratch_run(s, RUN3, "fake", 1, NULL);
    work_key(s, RUN2, 1);
    ok(submit(s, RUN1) == 0 && submit(s, RUN2) == 0 && submit(s, RUN3) == 0,
       "the third run wants what the first makes");
    run_look(&s->site, RUN3, 0);
    ok(scratch_events(s, RUN3, "taken") == 1 && scratch_events(s, RUN3, "done") == 0,
       "it follows that");
}

static void followed_well(struct scratch *s)
{
    followed(s);
    first_ends(s, "\"ok\":true");
    ok(scratch_events(s, RUN3, "done") == 1 && scratch_events(s, RUN3, "taken") == 1,
       "its success is ours, and nobody else is followed");
}

static void followed_badly(struct scratch *s)
{
    REPX_AUTO_FREE char *path = NULL;

    followed(s);
    first_ends(s, "\"ok\":false,\"reason\":\"exit 3\"");
    path = repx_format(".repx/runs/%s/events/%s", RUN3, s->site.host);
    ok(scratch_events(s, RUN3, "done") == 0 && scratch_events(s, RUN3, "taken") == 1 &&
           scratch_count(s, path, "exit 3") == 1,
       "its failure is, too");
}

/* Who follows one that waits does not take the first one's end for its own. */
static void waiting_followed(struct scratch *s)
{
    scratch_run(s, RUN1, "fake", 1, NULL);
    scratch_run(s, RUN2, "fake", 1, NULL);
    scratch_run(s, RUN3, "fake", 1, NULL);
    work_key(s, RUN2, 1);
    work_key(s, RUN3, 1);
    ok(submit(s, RUN1) == 0 && submit(s, RUN2) == 0 && submit(s, RUN3) == 0,
       "the third run wants what the second makes");
    run_look(&s->site, RUN3, 0);
    first_ends(s, "\"ok\":true");
    ok(scratch_events(s, RUN3, "taken") == 1 && scratch_events(s, RUN3, "end") == 0 &&
           scratch_events(s, RUN3, "lost") == 0 && scratch_events(s, RUN3, "done") == 0,
       "it follows the second, and that has not ended");
}

/* What was withdrawn was to be handed over again, by one who died before it asked. */
static void withdrawn_and_not_asked(struct scratch *s)
{
    REPX_AUTO_FREE char *path = repx_format(".repx/runs/%s/events/node", RUN1);
    const struct waiting w = {.jobs = 1};
    char key[27];

    scratch_run(s, RUN1, "fake", 1, NULL);
    submission_key(RUN1, "job-0", "main", 3, key);
    scratch_put(s, path, "{\"v\":1,\"t\":1,\"i\":0,\"e\":\"withdrawn\"}\n", 0644);
    ok(sub_create(&s->site, key, NULL) == 0 &&
           live_set(&s->site, "job-0", RUN1, 0, key, NULL) == 0 &&
           waiting_write(&s->site, RUN1, &w, NULL) == 0,
       "a feeder died");
    ok(submit(s, RUN1) == 0 && scratch_events(s, RUN1, "submitted") == 1,
       "the next hands it over");
}

static void in_scratch(void (*test)(struct scratch *))
{
    struct scratch s;

    scratch_open(&s);
    test(&s);
    scratch_close(&s);
}

int main(void)
{
    in_scratch(second_work_key);
    in_scratch(many_work_keys);
    in_scratch(taken_meanwhile);
    in_scratch(read_meanwhile);
    in_scratch(followed_well);
    in_scratch(followed_badly);
    in_scratch(waiting_followed);
    in_scratch(withdrawn_and_not_asked);
    return tap_end();
}
