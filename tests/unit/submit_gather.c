/* SPDX-License-Identifier: MIT */
/* Whoever submitted a scatter-gather was killed between its two units: the gather is found by
 * its key, or submitted once more, and the scatter never is. */
#define _DEFAULT_SOURCE
#include "tap.h"

#include "unit/submit_scratch.h"

#include "core/agent/waiting.h"

#define RUN "20260101T000000Z-aaaaaaaa"
#define JOB "job-0"

static struct repx_err err;

static const char plan[] =
    "{\"v\":1,\"id\":\"" JOB "\",\"key\":\"" HEX "\",\"pkg\":\"" HEX
    "\",\"type\":\"scatter-gather\",\"runtime\":\"native\",\"sink\":\"b\",\"exes\":{"
    "\"scatter\":{\"path\":\"jobs/job-0/bin/s\"},"
    "\"gather\":{\"path\":\"jobs/job-0/bin/g\"},"
    "\"step-a\":{\"path\":\"jobs/job-0/bin/a\",\"deps\":[]},"
    "\"step-b\":{\"path\":\"jobs/job-0/bin/b\",\"deps\":[\"a\"]}},\"deps\":[]}\n";

struct keys {
    char scatter[27], gather[27];
};

/* As it is when the scatter has started: in the queue, with a claim of its own. */
static void half_submitted(struct scratch *s, struct keys *k)
{
    uint64_t index[2] = {0, sizeof(plan) - 1};
    json_t *claim = NULL;
    scratch_open(s);

    scratch_run(s, RUN, "fake", 1, NULL);
    REPX_AUTO_FREE char *a = repx_format("%s/.repx/runs/" RUN "/plan", s->base);
    REPX_AUTO_FREE char *b = repx_format("%s/.repx/runs/" RUN "/plan.idx", s->base);
    (void)repx_write_file(AT_FDCWD, a, plan, sizeof(plan) - 1, 0644, NULL);
    (void)repx_write_file(AT_FDCWD, b, index, sizeof(index), 0644, NULL);
    submission_key(RUN, JOB, "scatter", 0, k->scatter);
    submission_key(RUN, JOB, "gather", 0, k->gather);
    (void)sub_create(&s->site, k->scatter, NULL);
    (void)sub_create(&s->site, k->gather, NULL);
    (void)live_set(&s->site, JOB, RUN, 0, k->gather, NULL);
    REPX_AUTO_FREE char *id = repx_format("f-%s", k->scatter);
    (void)claim_make(&s->site, k->scatter, CLAIM_JOB, "fake", id, &claim, NULL);
    json_decref(claim);
    REPX_AUTO_FREE char *queue = repx_format("%s\n", k->scatter);
    scratch_put(s, "queue", queue, 0644);
    scratch_put(
        s, ".repx/runs/" RUN "/events/fake",
        "{\"v\":1,\"t\":1,\"i\":0,\"e\":\"start\",\"phase\":\"scatter\",\"n\":1}\n",
        0644);
}

static void queued(const struct scratch *s, const struct keys *k)
{
    REPX_AUTO_FREE char *queue = repx_format("%s\n%s\n", k->scatter, k->gather);

    scratch_put(s, "queue", queue, 0644);
}

/* A job at its end, to which the dead submitter left the rest. */
static void feed(struct scratch *s)
{
    const struct waiting w = {.jobs = 1};

    (void)waiting_write(&s->site, RUN, &w, &err);
    submit_after(&s->site, RUN);
}

/* "BY ID" of a claim; caller frees. */
static char *claim_of(struct scratch *s, const char *key)
{
    json_t *claim = claim_read(&s->site, key, NULL);
    char *text = repx_format("%s %s", json_string_value(json_object_get(claim, "by")),
                             json_string_value(json_object_get(claim, "id")));

    json_decref(claim);
    return text;
}

static char *wanted(const char *fmt, const char *key)
{
    struct repx_buf b = {0};

    for (; *fmt; fmt++) {
        if (*fmt == '@') {
            repx_buf_fmt(&b, "f-%s", key);
        } else {
            repx_buf_char(&b, *fmt);
        }
    }
    return repx_buf_detach(&b);
}

static void is_adopted(void)
{
    struct scratch s;
    struct keys k;

    half_submitted(&s, &k);
    queued(&s, &k);
    feed(&s);
    REPX_AUTO_FREE char *claim = claim_of(&s, k.gather);
    REPX_AUTO_FREE char *want = wanted("submitter @", k.gather);
    is(claim, want,
       "a gather without a claim is found by its key and claimed by its id");
    ok(scratch_count(&s, "requests", "\n") == 0, "and nothing is submitted");
    scratch_close(&s);
}

static void is_submitted_alone(void)
{
    struct scratch s;
    struct keys k;
    char key[27];

    half_submitted(&s, &k);
    feed(&s);
    REPX_AUTO_FREE char *claim = claim_of(&s, k.gather);
    is(claim, "void ", "a gather that the scheduler does not know is void");
    submission_key(RUN, JOB, "gather", 1, key);
    REPX_AUTO_FREE char *again = claim_of(&s, key);
    REPX_AUTO_FREE char *want = wanted("submitter @", key);
    is(again, want, "another takes its place");
    REPX_AUTO_FREE char *dep = wanted("{\"type\":\"ok\",\"id\":\"@\"}", k.scatter);
    ok(scratch_count(&s, "requests", dep) == 1,
       "which follows the scatter that is there");
    ok(scratch_count(&s, "requests", "'scatter'") == 0, "and no scatter is submitted");
    scratch_close(&s);
}

static int branches(struct scratch *s, const struct keys *k, size_t count)
{
    struct run *run = run_open(&s->site, RUN, &err);
    int rc = submit_branches(&s->site, run, 0, k->scatter, count, &err);

    if (rc)
        printf("# %s\n", err.text);
    run_close(run);
    return rc;
}

static void is_found_by_its_scatter(void)
{
    struct scratch s;
    struct keys k;

    half_submitted(&s, &k);
    queued(&s, &k);
    ok(branches(&s, &k, 3) == 0, "a scatter finds a gather without a claim");
    REPX_AUTO_FREE char *id = wanted("\"id\":\"@\"", k.gather);
    ok(scratch_count(&s, "amended", id) == 1, "and has it follow the branches");
    scratch_close(&s);
}

static void is_submitted_by_its_scatter(void)
{
    struct scratch s;
    struct keys k;
    char key[27], step[27];

    half_submitted(&s, &k);
    ok(branches(&s, &k, 3) == 0, "a scatter whose gather was never submitted");
    REPX_AUTO_FREE char *claim = claim_of(&s, k.gather);
    is(claim, "void ", "makes that void");
    submission_key(RUN, JOB, "gather", 1, key);
    submission_key(RUN, JOB, "step-b", 0, step);
    REPX_AUTO_FREE char *again = claim_of(&s, key);
    REPX_AUTO_FREE char *want = wanted("submitter @", key);
    is(again, want, "and submits another");
    REPX_AUTO_FREE char *dep =
        wanted("\"deps\":[{\"type\":\"any\",\"id\":\"@\"}]", step);
    ok(scratch_count(&s, "requests", dep) == 1, "which follows the branches");
    ok(branches(&s, &k, 3) == 0 && scratch_count(&s, "queue", "\n") == 4,
       "the same again submits nothing");
    scratch_close(&s);
}

static void of_no_branches(void)
{
    struct scratch s;
    struct keys k;
    char key[27];

    half_submitted(&s, &k);
    ok(branches(&s, &k, 0) == 0, "no branches, and no gather");
    submission_key(RUN, JOB, "gather", 1, key);
    REPX_AUTO_FREE char *again = claim_of(&s, key);
    REPX_AUTO_FREE char *want = wanted("submitter @", key);
    is(again, want, "it is submitted");
    REPX_AUTO_FREE char *dep = wanted("{\"type\":\"ok\",\"id\":\"@\"}", k.scatter);
    ok(scratch_count(&s, "requests", dep) == 1, "to follow the scatter");
    scratch_close(&s);
}

int main(void)
{
    is_adopted();
    is_submitted_alone();
    is_found_by_its_scatter();
    is_submitted_by_its_scatter();
    of_no_branches();
    return tap_end();
}
