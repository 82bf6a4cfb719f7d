/* SPDX-License-Identifier: MIT */
/* Submission: each job exactly once, whatever happens to whoever submits. */
#define _DEFAULT_SOURCE
#include "tap.h"

#include "unit/submit_scratch.h"

#define RUN1 "20260101T000000Z-aaaaaaaa"
#define RUN2 "20260101T000000Z-bbbbbbbb"
#define EVENTS1 ".repx/runs/" RUN1 "/events/"

static struct repx_err err;

/* The worker writes its events here. */
static int submit(struct scratch *s, const char *run, unsigned options)
{
    struct repx_buf fields REPX_AUTO_BUF = {0};
    int rc = 0;

    err = (struct repx_err){0};
    rc = submit_run(&s->site, run, options, -1, &fields, &err);
    if (rc < 0)
        printf("# %s\n", err.text);
    return rc;
}

static int watch(struct scratch *s, const char *run)
{
    struct repx_buf fields REPX_AUTO_BUF = {0};
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    err = (struct repx_err){0};
    int rc = run_watch(&s->site, run, 0, null, &fields, &err);
    (void)close(null);
    if (rc < 0)
        printf("# %s\n", err.text);
    return rc;
}

static void a_chain_runs_once(void)
{
    static const char *const deps[] = {"[]", "[0]", "[0,1]"};
    struct scratch s;
    scratch_open(&s);

    scratch_run(&s, RUN1, "local", 3, deps);
    ok(submit(&s, RUN1, 0) == 0, "a chain is submitted");
    ok(scratch_events(&s, RUN1, "submitted") == 3, "with an event for each job");
    ok(watch(&s, RUN1) == 0, "and ends");
    REPX_AUTO_FREE char *started = scratch_text(&s, "started");
    ok(strncmp(started, "0 ", 2) == 0 && strstr(started, "\n1 ") &&
           strstr(started, "\n1 ") < strstr(started, "\n2 "),
       "in the order of its dependencies");
    ok(submit(&s, RUN1, 0) == 0 && scratch_events(&s, RUN1, "submitted") == 3,
       "the same run again submits nothing");
    scratch_run(&s, RUN2, "local", 3, deps);
    ok(submit(&s, RUN2, 0) == 0 && scratch_events(&s, RUN2, "submitted") == 0 &&
           scratch_events(&s, RUN2, "done") == 3,
       "nor does another run, since all is complete");
    scratch_close(&s);
}

static void failures_block(void)
{
    static const char *const deps[] = {"[]", "[0]", "[1]", "[]"};
    struct scratch s;
    scratch_open(&s);

    scratch_run(&s, RUN1, "local", 4, deps);
    scratch_put(&s, "behave/0", "exit 3\n", 0644);
    ok(submit(&s, RUN1, 0) == 0 && watch(&s, RUN1) == 0, "a run with a failure ends");
    ok(scratch_events(&s, RUN1, "blocked") == 2, "what depends on it is blocked");
    ok(scratch_count(&s, "started", "\n") == 2, "and was never started");
    scratch_close(&s);
}

static void refused(void)
{
    static const char *const deps[] = {"[]", "[0]"};
    struct scratch s;
    scratch_open(&s);

    scratch_run(&s, RUN1, "fake", 2, deps);
    scratch_put(&s, "mode", "refused", 0644);
    ok(submit(&s, RUN1, 0) == 0, "what is refused is said in events");
    ok(scratch_events(&s, RUN1, "refused") == 1 &&
           scratch_events(&s, RUN1, "blocked") == 1,
       "the refusal, and what it blocks");
    scratch_put(&s, "mode", "accepted", 0644);
    scratch_run(&s, RUN2, "fake", 2, deps);
    ok(submit(&s, RUN2, 0) == 0 && scratch_events(&s, RUN2, "submitted") == 2,
       "a later run may try again");
    scratch_close(&s);
}

static void no_answer(void)
{
    struct scratch s;
    scratch_open(&s);

    scratch_run(&s, RUN1, "fake", 3, NULL);
    scratch_put(&s, "mode", "perhaps", 0644);
    ok(submit(&s, RUN1, 0) == 0, "no answer, but the jobs are there");
    ok(scratch_events(&s, RUN1, "submitted") == 3, "they are found and adopted");
    ok(scratch_count(&s, "queue", "\n") == 3, "and were asked for once");
    scratch_close(&s);

    scratch_open(&s);
    scratch_run(&s, RUN1, "fake", 3, NULL);
    scratch_put(&s, "mode", "die", 0644);
    ok(submit(&s, RUN1, 0) == 0, "a helper that is killed");
    ok(scratch_events(&s, RUN1, "submitted") + scratch_events(&s, RUN1, "refused") == 3,
       "leaves no job unaccounted for");
    ok(scratch_events(&s, RUN1, "submitted") == scratch_count(&s, "queue", "\n"),
       "what reached the scheduler is adopted");
    scratch_close(&s);

    scratch_open(&s);
    scratch_run(&s, RUN1, "fake", 1, NULL);
    scratch_put(&s, "mode", "lost", 0644);
    ok(submit(&s, RUN1, 0) == 0 && scratch_events(&s, RUN1, "refused") == 1,
       "no answer and no job: given up");
    char key[27];
    submission_key(RUN1, "job-0", "main", 0, key);
    json_t *claim = claim_read(&s.site, key, NULL);
    is(json_string_value(json_object_get(claim, "by")), "void",
       "and void, should it appear after all");
    json_decref(claim);
    scratch_close(&s);
}

/* Submit in a child that is killed after some time. */
static void submit_killed(struct scratch *s, const char *run, useconds_t after)
{
    pid_t pid = fork();

    if (pid == 0) {
        (void)submit(s, run, 0);
        _exit(0);
    }
    (void)usleep(after);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

static size_t twice(const struct scratch *s, size_t count)
{
    size_t bad = 0;

    for (size_t i = 0; i < count; i++) {
        REPX_AUTO_FREE char *line = repx_format("\n%zu main", i);
        REPX_AUTO_FREE char *all = scratch_text(s, "started");
        REPX_AUTO_FREE char *text = repx_format("\n%s", all);
        const char *first = strstr(text, line);
        bad += !first || strstr(first + 1, line) != NULL;
    }
    return bad;
}

static void killed_submitters(void)
{
    for (useconds_t after = 500; after < 20000; after += 3900) {
        struct scratch s;
        scratch_open(&s);
        scratch_run(&s, RUN1, "local", 40, NULL);
        submit_killed(&s, RUN1, after);
        submit_killed(&s, RUN1, after * 2);
        int rc = watch(&s, RUN1);
        ok(rc == 0 && twice(&s, 40) == 0,
           "submitters killed after %u us: each job ran once", (unsigned)after);
        scratch_close(&s);
    }
}

static void work_of_another_run(void)
{
    struct scratch s;
    scratch_open(&s);

    scratch_run(&s, RUN1, "local", 2, NULL);
    scratch_run(&s, RUN2, "local", 2, NULL);
    scratch_put(&s, "behave/0", "sleep 1\n", 0644);
    scratch_put(&s, "behave/1", "sleep 1; exit 1\n", 0644);
    ok(submit(&s, RUN1, 0) == 0 && submit(&s, RUN2, 0) == 0, "two runs want one job");
    ok(scratch_events(&s, RUN2, "taken") == 2, "the second follows the first");
    ok(watch(&s, RUN2) == 0, "to its end");
    ok(scratch_count(&s, "started", "\n") == 2, "nothing ran twice");
    ok(scratch_events(&s, RUN2, "done") == 1, "its success is ours");
    scratch_close(&s);
}

static void dead_work_is_taken_over(void)
{
    struct scratch s;
    char key[27];
    json_t *claim = NULL;
    scratch_open(&s);

    scratch_run(&s, RUN1, "local", 2, NULL);
    scratch_run(&s, RUN2, "local", 2, NULL);
    /* one was written down and never asked for, one was accepted and is forgotten */
    for (size_t i = 0; i < 2; i++) {
        REPX_AUTO_FREE char *job = repx_format("job-%zu", i);
        submission_key(RUN1, job, "main", 0, key);
        (void)sub_create(&s.site, key, NULL);
        (void)live_set(&s.site, job, RUN1, i, key, NULL);
        if (i == 1) {
            (void)claim_make(&s.site, key, CLAIM_SUBMITTER, "local", "lgone-1", &claim,
                             NULL);
        }
    }
    json_decref(claim);
    ok(submit(&s, RUN2, 0) == 0 && scratch_events(&s, RUN2, "submitted") == 2,
       "links of dead work do not hold a run up");
    submission_key(RUN1, "job-0", "main", 0, key);
    claim = claim_read(&s.site, key, NULL);
    is(json_string_value(json_object_get(claim, "by")), "void",
       "the key of which nobody knows is void");
    json_decref(claim);
    ok(watch(&s, RUN2) == 0 && scratch_count(&s, "started", "\n") == 2, "both run");
    scratch_close(&s);
}

static void cancelled(void)
{
    static const char *const deps[] = {"[]", "[0]"};
    struct repx_buf fields REPX_AUTO_BUF = {0};
    struct scratch s;
    scratch_open(&s);

    scratch_run(&s, RUN1, "local", 2, deps);
    scratch_put(&s, "behave/0", "sleep 30\n", 0644);
    ok(submit(&s, RUN1, 0) == 0, "submitted");
    (void)usleep(200000);
    ok(run_cancel(&s.site, RUN1, &fields, &err) == 0, "and cancelled: %s", err.text);
    ok(watch(&s, RUN1) == 0, "a cancelled run ends");
    ok(scratch_count(&s, "started", "\n") == 1, "without starting what waited");
    ok(submit(&s, RUN1, 0) == 0 && scratch_events(&s, RUN1, "submitted") == 2,
       "and submits nothing more");
    scratch_close(&s);
}

static void lost(void)
{
    struct scratch s;
    scratch_open(&s);

    scratch_run(&s, RUN1, "local", 1, NULL);
    scratch_put(&s, "behave/0", "kill -9 $PPID\n", 0644);
    ok(submit(&s, RUN1, 0) == 0 && watch(&s, RUN1) == 0,
       "a supervisor that is killed ends its run");
    ok(scratch_events(&s, RUN1, "lost") == 1, "its job is lost");
    scratch_put(&s, "behave/0", "exit 0\n", 0644);
    scratch_run(&s, RUN2, "local", 1, NULL);
    ok(submit(&s, RUN2, 0) == 0 && watch(&s, RUN2) == 0 &&
           scratch_count(&s, "started", "\n") == 2,
       "and runs again in the next");
    scratch_close(&s);
}

/* Killed between its marker and its event. */
static void the_result_is_there(void)
{
    struct scratch s;
    scratch_open(&s);

    scratch_run(&s, RUN1, "local", 1, NULL);
    scratch_put(&s, "behave/0",
                "d=\"$(dirname \"$0\")/../outputs/job-0/repx\"; mkdir -p \"$d\"\n"
                ": >\"$d/SUCCESS\"; kill -9 $PPID\n",
                0644);
    ok(submit(&s, RUN1, 0) == 0 && watch(&s, RUN1) == 0,
       "a supervisor that is killed after its marker ends its run");
    ok(scratch_events(&s, RUN1, "lost") == 0 && scratch_events(&s, RUN1, "done") == 1,
       "its job is not lost: the result is there");
    scratch_close(&s);
}

static void a_journal_that_cannot_be_written(void)
{
    struct scratch s;
    scratch_open(&s);

    scratch_run(&s, RUN1, "fake", 1, NULL);
    free(s.site.host); /* the journal is named after it: make that impossible */
    s.site.host = repx_strdup("no/such/directory");
    ok(submit(&s, RUN1, 0) < 0, "without a journal nothing is submitted");
    ok(scratch_count(&s, "queue", "\n") == 0, "really nothing");
    scratch_close(&s);
}

/* Everything that a purge of old files may take of a run, but not its plan. */
static void journal_lost(void)
{
    struct scratch s;
    scratch_open(&s);

    scratch_run(&s, RUN1, "fake", 100, NULL);
    scratch_run(&s, RUN2, "fake", 100, NULL);
    ok(submit(&s, RUN1, 0) == 0 && scratch_count(&s, "queue", "\n") == 100,
       "100 jobs are queued");
    REPX_AUTO_FREE char *purge =
        repx_format("cd %s/.repx && rm -rf runs/%s/journal.* runs/%s/events/* sub/*/id",
                    s.base, RUN1, RUN1);
    ok(system(purge) == 0, "journal, events and claims are lost");
    ok(submit(&s, RUN1, 0) == 0 && scratch_count(&s, "queue", "\n") == 100,
       "the run again: none is submitted twice");
    ok(scratch_events(&s, RUN1, "submitted") == 100, "and each is known again");
    ok(submit(&s, RUN2, 0) == 0 && scratch_count(&s, "queue", "\n") == 100 &&
           scratch_events(&s, RUN2, "taken") == 100,
       "nor does another run");
    scratch_close(&s);
}

static pid_t submit_from(struct scratch *s, const char *host, const char *run)
{
    pid_t pid = fork();

    if (pid == 0) {
        free(s->site.host);
        s->site.host = repx_strdup(host);
        _exit(submit(s, run, 0) < 0);
    }
    return pid;
}

static void two_machines(void)
{
    static const char *const second[] = {RUN1, RUN2};

    for (size_t i = 0; i < 2; i++) {
        struct scratch s;
        int one = 1, two = 1;
        scratch_open(&s);
        scratch_run(&s, RUN1, "fake", 30, NULL);
        scratch_run(&s, RUN2, "fake", 30, NULL);
        pid_t a = submit_from(&s, "machine-a", RUN1);
        pid_t b = submit_from(&s, "machine-b", second[i]);
        (void)waitpid(a, &one, 0);
        (void)waitpid(b, &two, 0);
        ok(one == 0 && two == 0, "two machines submit at once");
        ok(scratch_count(&s, "queue", "\n") == 30, "each job once (%s)",
           i ? "two runs" : "the same run");
        scratch_close(&s);
    }
}

/* The scheduler comes back without a job, and gives its id to another. */
static void forgotten(void)
{
    struct scratch s;
    char key[27];
    json_t *claim = NULL;
    scratch_open(&s);

    scratch_run(&s, RUN1, "fake", 2, NULL);
    scratch_run(&s, RUN2, "fake", 2, NULL);
    ok(submit(&s, RUN1, 0) == 0, "two jobs are queued");
    submission_key(RUN1, "job-0", "main", 0, key);
    REPX_AUTO_FREE char *forget =
        repx_format("grep -v %s %s/queue > %s/q; mv %s/q %s/queue", key, s.base, s.base,
                    s.base, s.base);
    ok(system(forget) == 0 && submit(&s, RUN2, 0) == 0, "one is forgotten");
    ok(scratch_events(&s, RUN2, "submitted") == 1 &&
           scratch_events(&s, RUN2, "taken") == 1,
       "it is submitted anew, the other one is not");
    REPX_AUTO_FREE char *id = repx_format("f-%s", key);
    submission_key(RUN2, "job-0", "main", 0, key);
    /* the new unit starts under the old one's id */
    (void)claim_make(&s.site, key, CLAIM_JOB, "fake", id, &claim, NULL);
    ok(strcmp(json_string_value(json_object_get(claim, "id")), id) != 0,
       "a unit with another id than its key was given does not run");
    json_decref(claim);
    scratch_close(&s);
}

int main(void)
{
    a_chain_runs_once();
    failures_block();
    refused();
    no_answer();
    killed_submitters();
    work_of_another_run();
    dead_work_is_taken_over();
    cancelled();
    lost();
    the_result_is_there();
    a_journal_that_cannot_be_written();
    journal_lost();
    two_machines();
    forgotten();
    return tap_end();
}
