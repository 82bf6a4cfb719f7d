/* SPDX-License-Identifier: MIT */
/* The supervisor: success, failure, signals, cancelling, claims, producers. */
#include <signal.h>
#include <time.h>

#include "job_scratch.h"
#include "tap.h"

#include "core/agent/submit.h"
#include "core/wire/verbs.h"

int submit_branches(struct site *site, struct run *run, size_t index, const char *key,
                    size_t branches, struct repx_err *err)
{
    (void)site, (void)run, (void)index, (void)key, (void)branches, (void)err;
    return 0;
}

static const char *const plan[] = {
    PLAN_SIMPLE("a-good-1", "good",
                ",\"params\":{\"z\":0.1,\"a\":[1,{}],\"t\":\"x y\"},"
                "\"inputs\":{\"base\":{\"base\":\"\"}}"),
    PLAN_SIMPLE("b-bad-1", "bad", ""),
    PLAN_SIMPLE("c-kill-1", "kill", ""),
    PLAN_SIMPLE("d-use-1", "good",
                ",\"deps\":[0],\"inputs\":{\"in\":{\"job\":\"a-good-1\","
                "\"template\":\"$out/o.txt\"}}"),
    PLAN_SIMPLE("e-blocked-1", "good", ",\"deps\":[1]"),
    PLAN_SIMPLE("f-sleep-1", "sleep", ""),
    PLAN_SIMPLE("g-none-1", "none", ""),
    PLAN_SIMPLE("h-env-1", "env", ""),
    PLAN_HEAD("i-limit-1") "\"type\":\"simple\",\"exes\":{\"main\":{\"path\":"
                           "\"jobs/i-limit-1/bin/sleep\",\"res\":{\"time\":1}}}}",
    PLAN_SIMPLE("j-daemon-1", "daemon", ""),
    PLAN_SIMPLE("k-stubborn-1", "stubborn", ""),
    NULL,
};

static void scripts(struct scratch *s)
{
    scratch_script(s, "good", "echo said; cat \"$2\" \"$3\" >\"$1/o.txt\"; pwd >&2");
    scratch_script(s, "bad", "echo reason >&2; exit 3");
    scratch_script(s, "kill", "kill -SEGV $$");
    scratch_script(s, "sleep",
                   "echo $$ >\"$1/pid\"; sleep 600; echo late >\"$1/late\"");
    scratch_script(s, "env", "env | LC_ALL=C sort | grep -v '^_=' >\"$1/env\"");
    scratch_script(s, "daemon",
                   "setsid sh -c 'sleep 0.3; echo late >\"$0/late\"' \"$1\" & "
                   "(sleep 0.3; echo late >\"$1/late\") &\nexit 0");
    scratch_script(s, "stubborn",
                   "trap '' TERM; echo $$ >\"$1/pid\"; while :; do sleep 1; done");
}

static void a_good_job_leaves_all_its_records(struct scratch *s)
{
    int stale = 1;

    ok(scratch_unit(s, 0, "main", -1) == 0, "exit status 0");
    REPX_AUTO_FREE char *o = scratch_text(s, "outputs/a-good-1/out/o.txt");
    REPX_AUTO_FREE char *want = repx_format(
        "{\n  \"base\": \"%s\"\n}"
        "{\n  \"a\": [\n    1,\n    {}\n  ],\n  "
        "\"t\": \"x y\",\n  \"z\": 0.1\n}",
        s->site.base);
    is(o, want, "inputs.json and parameters.json are RepX's, to the byte");
    REPX_AUTO_FREE char *out = scratch_text(s, "outputs/a-good-1/repx/stdout.log");
    is(out, "said\n", "stdout.log");
    REPX_AUTO_FREE char *cwd = scratch_text(s, "outputs/a-good-1/repx/stderr.log");
    REPX_AUTO_FREE char *dir =
        repx_format("%s/outputs/a-good-1/attempts/1/out\n", s->site.base);
    is(cwd, dir, "it runs in its attempt's out directory");
    ok(scratch_has(s, "outputs/a-good-1/repx/SUCCESS"), "SUCCESS");
    ok(!scratch_has(s, "outputs/a-good-1/repx/FAIL"), "no FAIL");
    REPX_AUTO_FREE char *log = scratch_text(s, "outputs/completions.jsonl");
    is(log, "{\"id\":\"a-good-1\",\"s\":\"ok\"}\n", "completions.jsonl");
    ok(scratch_events(s, "\"e\":\"start\"") == 1 &&
           scratch_events(s, "\"ok\":true") == 1,
       "events start and end");
    ok(result_status(&s->site, "a-good-1", HEX1, &stale, NULL) == JOB_SUCCEEDED &&
           !stale,
       "result: succeeded, current");
    ok(result_status(&s->site, "a-good-1", HEX0, &stale, NULL) == JOB_SUCCEEDED &&
           stale,
       "result: stale under another work key");
    json_t *first, *second;
    attempt_read(s->site.base_fd, "outputs/a-good-1/repx", &first, &second);
    ok(json_is_true(json_object_get(second, "ok")) &&
           json_integer_value(json_object_get(second, "mem")) > 0,
       "attempt.json has how it ended");
    is(json_string_value(json_object_get(first, "key")), HEX1, "and the work key");
    json_decref(first);
    json_decref(second);
}

static void failures_say_how(struct scratch *s)
{
    static const struct {
        size_t index;
        const char *job, *reason;
    } rows[] = {{1, "b-bad-1", "exit 3"}, {2, "c-kill-1", "signal 11"}};

    for (size_t i = 0; i < 2; i++) {
        REPX_AUTO_FREE char *reason = NULL;
        int stale;
        ok(scratch_unit(s, rows[i].index, "main", -1) == 1, "exit status 1");
        ok(result_status(&s->site, rows[i].job, HEX1, &stale, &reason) == JOB_FAILED,
           "%s failed", rows[i].job);
        is(reason, rows[i].reason, "reason");
    }
    REPX_AUTO_FREE char *reason = NULL;
    int stale;
    ok(scratch_unit(s, 6, "main", -1) == 1, "a missing script fails");
    (void)result_status(&s->site, "g-none-1", HEX1, &stale, &reason);
    ok(reason && strstr(reason, "not started: ") == reason &&
           strstr(reason, "/bin/none"),
       "and says what was not started: %s", reason ? reason : "");
}

static void producers_are_checked(struct scratch *s)
{
    ok(scratch_unit(s, 3, "main", -1) == 0, "a consumer of a success runs");
    REPX_AUTO_FREE char *o = scratch_text(s, "outputs/d-use-1/repx/inputs.json");
    REPX_AUTO_FREE char *want =
        repx_format("{\n  \"in\": \"%s/outputs/a-good-1/out/o.txt\"\n}", s->site.base);
    is(o, want, "its input is the producer's output");
    ok(scratch_unit(s, 4, "main", -1) == 1, "a consumer of a failure does not");
    ok(scratch_events(s, "\"e\":\"blocked\",\"by\":1") == 1, "it is blocked");
    ok(!scratch_has(s, "outputs/e-blocked-1"), "and leaves nothing");
}

/* What a-good-1 has for attempt 7: the work of another Lab, with that end. */
static void another_makes(struct scratch *s, const char *end, const char *marker)
{
    REPX_AUTO_FREE char *record =
        repx_format("{\"v\":1,\"key\":\"" HEX0 "\",\"t\":1}\n%s", end);
    int home = openat(s->site.base_fd, "outputs/a-good-1", O_RDONLY | O_DIRECTORY);

    scratch_file(s, "outputs/a-good-1/attempts/7/repx/attempt.json", record);
    scratch_file(s, "outputs/a-good-1/attempts/7/out/o.txt", "another's");
    if (marker)
        scratch_file(s, marker, "");
    (void)unlinkat(home, "out", 0);
    (void)unlinkat(home, "repx", 0);
    ok(symlinkat("attempts/7/out", home, "out") == 0 &&
           symlinkat("attempts/7/repx", home, "repx") == 0,
       "other work");
    (void)close(home);
}

static void reads_attempt(struct scratch *s, unsigned n, const char *when)
{
    ok(scratch_unit(s, 3, "main", -1) == 0, "a consumer runs %s", when);
    REPX_AUTO_FREE char *in = scratch_text(s, "outputs/d-use-1/repx/inputs.json");
    REPX_AUTO_FREE char *want =
        repx_format("{\n  \"in\": \"%s/outputs/a-good-1/attempts/%u/out/o.txt\"\n}",
                    s->site.base, n);
    is(in, want, "and reads what was made for it");
}

static void other_work_changes_no_input(struct scratch *s)
{
    unsigned n = attempt_current(&s->site, "a-good-1");
    ok(n > 0 && attempt_of_work(&s->site, "a-good-1", HEX1) == n &&
           attempt_of_work(&s->site, "a-good-1", HEX0) == 0,
       "its attempt is found by its work");
    (void)live_set(&s->site, "a-good-1", "20260101T000000Z-zzzzzzzz", 0,
                   "kaaaaaaaaaaaaaaaaaaaaaaaaa", NULL);
    reads_attempt(s, n, "while other work may begin");
    another_makes(s, "", NULL);
    reads_attempt(s, n, "while that is made");
    another_makes(s, "{\"t\":2,\"ok\":true}\n",
                  "outputs/a-good-1/attempts/7/repx/SUCCESS");
    reads_attempt(s, n, "when that is there");
    live_clear(&s->site, "a-good-1", "20260101T000000Z-zzzzzzzz", NULL);
    reads_attempt(s, n, "when nobody works any more");
}

static void claims_decide(struct scratch *s)
{
    ok(scratch_wait(scratch_start(s, 0, "main", -1, "8")) == 0, "another unit ends");
    ok(!scratch_has(s, "outputs/a-good-1/attempts/2"), "without running anything");
    ok(scratch_unit(s, 0, "main", -1) == 0, "the unit itself (requeued) runs again");
    REPX_AUTO_FREE char *link = repx_alloc(64);
    ok(readlinkat(s->site.base_fd, "outputs/a-good-1/out", link, 63) > 0, "a link");
    is(link, "attempts/2/out", "in a new attempt, which counts now");
    ok(scratch_has(s, "outputs/a-good-1/attempts/1/repx/SUCCESS"), "the old one stays");
}

static void pid_appears(struct scratch *s, const char *path)
{
    const struct timespec pause = {0, 10000000};

    for (int i = 0; i < 500; i++) {
        REPX_AUTO_FREE char *text = scratch_text(s, path);
        if (text && strchr(text, '\n'))
            return;
        (void)nanosleep(&pause, NULL);
    }
}

static void term_ends_the_script(struct scratch *s)
{
    REPX_AUTO_FREE char *reason = NULL;
    int stale;
    pid_t pid = scratch_start(s, 5, "main", -1, "7");

    pid_appears(s, "outputs/f-sleep-1/out/pid");
    (void)kill(pid, SIGTERM);
    ok(scratch_wait(pid) == 1, "TERM to the supervisor ends the unit");
    (void)result_status(&s->site, "f-sleep-1", HEX1, &stale, &reason);
    is(reason, "cancelled", "reason");
    REPX_AUTO_FREE char *text = scratch_text(s, "outputs/f-sleep-1/out/pid");
    ok(text && kill((pid_t)strtol(text, NULL, 10), 0) < 0, "the script is gone");

    (void)setenv("REPX_KILL_WAIT", "0.3", 1);
    pid = scratch_start(s, 10, "main", -1, "7");
    pid_appears(s, "outputs/k-stubborn-1/out/pid");
    (void)kill(pid, SIGTERM);
    ok(scratch_wait(pid) == 1, "a script that ignores TERM is killed");
    (void)unsetenv("REPX_KILL_WAIT");
}

static void a_killed_supervisor_takes_its_script_along(struct scratch *s)
{
    const struct timespec pause = {0, 200000000};
    int stale;

    pid_t pid = scratch_start(s, 5, "main", -1, "7");
    pid_appears(s, "outputs/f-sleep-1/attempts/2/out/pid");
    (void)kill(pid, SIGKILL);
    ok(scratch_wait(pid) == 128 + SIGKILL, "a supervisor is killed");
    (void)nanosleep(&pause, NULL);
    REPX_AUTO_FREE char *text = scratch_text(s, "outputs/f-sleep-1/out/pid");
    REPX_AUTO_FREE char *proc =
        repx_format("/proc/%ld/cmdline", text ? strtol(text, NULL, 10) : 0);
    REPX_AUTO_BUF struct repx_buf line = {0};
    ok(repx_read_file(AT_FDCWD, proc, 4096, &line, NULL) < 0 || line.len == 0,
       "its script is gone (or a zombie)");
    ok(result_status(&s->site, "f-sleep-1", HEX1, &stale, NULL) == JOB_UNKNOWN,
       "and the attempt has no end");
}

static void the_time_limit_is_kept(struct scratch *s)
{
    REPX_AUTO_FREE char *reason = NULL;
    int stale;

    ok(scratch_unit(s, 8, "main", -1) == 1, "one second of ten minutes");
    (void)result_status(&s->site, "i-limit-1", HEX1, &stale, &reason);
    is(reason, "timed out", "reason");
}

static void nothing_outlives_the_script(struct scratch *s)
{
    const struct timespec pause = {0, 600000000};

    ok(scratch_unit(s, 9, "main", -1) == 0, "a script that leaves processes behind");
    (void)nanosleep(&pause, NULL);
    ok(!scratch_has(s, "outputs/j-daemon-1/out/late"), "has none left after its end");
}

static void the_environment_is_exact(struct scratch *s)
{
    (void)setenv("LEAK", "1", 1);
    (void)setenv("SLURM_JOB_ID", "1", 1);
    (void)setenv("HOME", "/home/of/me", 1);
    (void)setenv("USER", "me", 1);
    (void)setenv("LOGNAME", "me", 1);
    (void)unsetenv("TMPDIR");
    ok(scratch_unit(s, 7, "main", -1) == 0, "env");
    REPX_AUTO_FREE char *env = scratch_text(s, "outputs/h-env-1/out/env");
    REPX_AUTO_FREE char *want = repx_format(
        "HOME=/home/of/me\nLANG=C.UTF-8\nLOGNAME=me\n"
        "PATH=/usr/local/bin:/usr/bin:/bin\n"
        "PWD=%s/outputs/h-env-1/attempts/1/out\n"
        "SHELL=/bin/sh\nTERM=xterm\nUSER=me\n",
        s->site.base);
    is(env, want, "is what the documentation says");
}

static void a_cancelled_run_starts_nothing(struct scratch *s)
{
    scratch_file(s, ".repx/runs/" RUN_ID "/cancel", "me");
    ok(scratch_unit(s, 0, "main", -1) == 1, "not after cancel");
    ok(scratch_events(s, "\"e\":\"cancelled\"") == 1, "event cancelled");
    ok(!scratch_has(s, "outputs/a-good-1/attempts/3"), "no attempt");
}

static void the_first_failure_stops_a_run(void)
{
    struct scratch s;

    scratch_open(&s);
    scripts(&s);
    scratch_run(&s, ",\"fail_fast\":true", plan);
    ok(scratch_unit(&s, 1, "main", -1) == 1, "a failure");
    REPX_AUTO_FREE char *stop = scratch_text(&s, ".repx/runs/" RUN_ID "/stop");
    is(stop, "b-bad-1", "writes `stop`");
    ok(scratch_unit(&s, 0, "main", -1) == 1, "and the next job does not start");
    scratch_close(&s);
}

static void what_repx_left_is_kept(void)
{
    struct scratch s;

    scratch_open(&s);
    scripts(&s);
    scratch_run(&s, "", plan);
    scratch_file(&s, "outputs/a-good-1/out/old", "x");
    scratch_file(&s, "outputs/a-good-1/repx/FAIL", "");
    ok(scratch_unit(&s, 0, "main", -1) == 0, "a job that RepX ran before");
    ok(scratch_has(&s, "outputs/a-good-1/attempts/0/out/old") &&
           scratch_has(&s, "outputs/a-good-1/attempts/0/repx/FAIL"),
       "its directories are attempt 0");
    ok(scratch_has(&s, "outputs/a-good-1/repx/SUCCESS"), "and ours counts");
    ok(!scratch_has(&s, "outputs/a-good-1/repx/FAIL"), "alone");
    scratch_close(&s);
}

int main(void)
{
    struct scratch s;

    scratch_open(&s);
    scripts(&s);
    scratch_run(&s, "", plan);
    a_good_job_leaves_all_its_records(&s);
    failures_say_how(&s);
    producers_are_checked(&s);
    claims_decide(&s);
    term_ends_the_script(&s);
    a_killed_supervisor_takes_its_script_along(&s);
    the_time_limit_is_kept(&s);
    nothing_outlives_the_script(&s);
    the_environment_is_exact(&s);
    other_work_changes_no_input(&s);
    a_cancelled_run_starts_nothing(&s);
    scratch_close(&s);
    the_first_failure_stops_a_run();
    what_repx_left_is_kept();
    return tap_end();
}
