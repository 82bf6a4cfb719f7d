/* SPDX-License-Identifier: MIT */
/* Claims, leases and live links between processes. */
#include <time.h>

#define SCRATCH_RECORDS_ONLY
#include "job_scratch.h"
#include "tap.h"

#include "core/agent/state_check.h"
#include "core/wire/verbs.h"

static void a_claim_is_made_once(struct scratch *s)
{
    struct repx_err err = {0};
    json_t *claim = NULL;
    char key[27];

    submission_key(RUN_ID, "j", "main", 0, key);
    ok(!claim_read(&s->site, key, &err) && err.code == REPX_E_NOENT, "none: NOENT");
    ok(sub_create(&s->site, key, &err) == 0 && sub_create(&s->site, key, &err) == 0,
       "its directory, twice");
    ok(claim_make(&s->site, key, CLAIM_SUBMITTER, "slurm", "11", &claim, &err) == 1,
       "the first makes it");
    json_decref(claim);
    ok(claim_make(&s->site, key, CLAIM_JOB, "slurm", "12", &claim, &err) == 0,
       "the second finds it");
    is(state_text(claim, "id", NULL), "11", "with the first one's id");
    json_decref(claim);
    ok(sub_create(&s->site, "../x", &err) < 0, "a key that is a path is refused");
}

static void live_links_name_the_worker(struct scratch *s)
{
    struct repx_err err = {0};
    char *run = NULL, key[27], got[27];
    size_t index = 0;

    submission_key(RUN_ID, "j", "main", 0, key);
    ok(live_get(&s->site, "j", &run, &index, got, &err) == 0, "nobody");
    ok(live_set(&s->site, "j", RUN_ID, 3, key, &err) == 0, "set");
    ok(live_set(&s->site, "j", RUN_ID, 4, key, &err) == 0, "and replaced");
    ok(live_get(&s->site, "j", &run, &index, got, &err) == 1 && index == 4, "found");
    is(run, RUN_ID, "run");
    is(got, key, "key");
    free(run);
    live_clear(&s->site, "j", "20260101T000000Z-zzzzzzzz", NULL);
    ok(live_get(&s->site, "j", &run, &index, got, &err) == 1,
       "another run clears nothing");
    free(run);
    live_clear(&s->site, "j", RUN_ID, key);
    ok(live_get(&s->site, "j", &run, &index, got, &err) == 0, "its own does");
    ok(symlinkat("../../etc passwd x", s->site.state_fd, "live/evil") == 0, "nonsense");
    ok(live_get(&s->site, "evil", &run, &index, got, &err) < 0, "nonsense is refused");
}

static void what_was_not_seen_is_not_replaced(struct scratch *s)
{
    struct repx_err err = {0};
    char *run = NULL, keys[3][27], got[27];
    size_t index = 0;

    for (unsigned i = 0; i < 3; i++)
        submission_key(RUN_ID, "t", "main", i, keys[i]);
    const struct live_link a = {RUN_ID, 1, keys[0]}, b = {RUN_ID, 2, keys[1]};
    ok(live_take(&s->site, "t", &a, "", &err) == 1, "nobody was there: taken");
    ok(live_take(&s->site, "t", &b, "", &err) == 0, "but not where somebody is by now");
    ok(live_take(&s->site, "t", &b, keys[2], &err) == 0, "nor where it is another");
    ok(live_get(&s->site, "t", &run, &index, got, &err) == 1 && index == 1,
       "which stays");
    free(run);
    ok(live_take(&s->site, "t", &b, keys[0], &err) == 1, "what was seen is replaced");
    ok(live_get(&s->site, "t", &run, &index, got, &err) == 1 && index == 2, "by that");
    free(run);
    live_clear(&s->site, "t", RUN_ID, NULL);
    ok(live_take(&s->site, "t", &a, keys[1], &err) == 1,
       "what has gone is no hindrance");
    live_clear(&s->site, "t", RUN_ID, NULL);
}

static void a_lease_has_one_holder(struct scratch *s)
{
    struct repx_err err = {0};
    uint64_t epoch = 9;

    ok(lease_take(&s->site, "feed", 0, &epoch, &err) == 0 && epoch == 0, "taken");
    ok(lease_take(&s->site, "feed", 50, &epoch, &err) < 0 && err.code == REPX_E_BUSY,
       "busy while its holder lives");
    ok(lease_touch(&s->site, "feed", &err) == 0, "touched by its holder");
    lease_drop(&s->site, "feed");
    ok(lease_touch(&s->site, "feed", &err) < 0, "not after the end");
    ok(lease_take(&s->site, "feed", 0, &epoch, &err) == 0, "free again");
    lease_drop(&s->site, "feed");
}

/* A child takes the lease and dies with it. */
static void a_dead_holder_is_followed(struct scratch *s)
{
    struct repx_err err = {0};
    uint64_t epoch = 0;

    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(lease_take(&s->site, "feed", 0, &epoch, &err) < 0);
    ok(scratch_wait(pid) == 0, "a process dies with the lease");
    ok(lease_take(&s->site, "feed", 1000, &epoch, &err) == 0, "it is taken over: %s",
       err.text);
    ok(epoch == 1, "in the next epoch");
    lease_drop(&s->site, "feed");
}

static void put_lease(struct scratch *s, const char *host, const char *boot, long age)
{
    REPX_AUTO_FREE char *text = repx_format(
        "{\"v\":1,\"host\":\"%s\",\"boot\":\"%s\",\"pid\":%ld,\"start\":1,"
        "\"epoch\":4,\"t\":1}\n",
        host, boot, (long)getpid());
    struct timespec times[2];

    scratch_file(s, ".repx/lease/feed", text);
    (void)clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= age;
    times[1] = times[0];
    (void)utimensat(s->site.state_fd, "lease/feed", times, 0);
}

static void elsewhere_the_age_decides(struct scratch *s)
{
    struct repx_err err = {0};
    uint64_t epoch;

    put_lease(s, "othernode", "boot-2", 5);
    ok(lease_take(&s->site, "feed", 30, &epoch, &err) < 0, "young: busy");
    put_lease(s, "othernode", "boot-2", 100);
    ok(lease_take(&s->site, "feed", 1000, &epoch, &err) == 0 && epoch == 5,
       "old: free");
    lease_drop(&s->site, "feed");
    put_lease(s, "testnode", "boot-0", 1);
    ok(lease_take(&s->site, "feed", 1000, &epoch, &err) == 0, "rebooted: free");
    lease_drop(&s->site, "feed");
    put_lease(s, "testnode", "boot-1", 1);
    ok(lease_take(&s->site, "feed", 1000, &epoch, &err) == 0, "pid of another: free");
    lease_drop(&s->site, "feed");
    scratch_file(s, ".repx/lease/feed", "nonsense");
    ok(lease_take(&s->site, "feed", 30, &epoch, &err) < 0, "nonsense, young: busy");
    (void)unlinkat(s->site.state_fd, "lease/feed", 0);
}

/* Eight processes add to one number under the lease, one of them dying each round. */
static void a_lease_excludes(struct scratch *s)
{
    pid_t pids[8];
    int bad = 0;

    scratch_file(s, "number", "0");
    (void)fflush(stdout);
    for (int i = 0; i < 8; i++) {
        pids[i] = fork();
        if (pids[i])
            continue;
        struct repx_err err = {0};
        for (int k = 0; k < 10; k++) {
            uint64_t epoch;
            if (lease_take(&s->site, "feed", 20000, &epoch, &err) < 0)
                _exit(1);
            REPX_AUTO_FREE char *text = scratch_text(s, "number");
            REPX_AUTO_FREE char *next =
                repx_format("%ld", text ? strtol(text, NULL, 10) + 1 : -1000);
            scratch_file(s, "number", next);
            if (k == 9)
                _exit(0); /* with the lease */
            lease_drop(&s->site, "feed");
        }
    }
    for (int i = 0; i < 8; i++)
        bad += scratch_wait(pids[i]) != 0;
    REPX_AUTO_FREE char *text = scratch_text(s, "number");
    ok(bad == 0, "all had their turns");
    is(text, "80", "and none was lost");
}

static void newer_markers_count(struct scratch *s)
{
    int stale;
    struct timespec times[2] = {{100, 0}, {100, 0}};

    scratch_file(s, "outputs/m/repx/SUCCESS", "");
    ok(result_status(&s->site, "m", HEX1, &stale, NULL) == JOB_SUCCEEDED && !stale,
       "RepX's success counts as current");
    scratch_file(s, "outputs/m/repx/FAIL", "");
    (void)utimensat(s->site.base_fd, "outputs/m/repx/SUCCESS", times, 0);
    ok(result_status(&s->site, "m", HEX1, &stale, NULL) == JOB_FAILED, "FAIL is newer");
    (void)utimensat(s->site.base_fd, "outputs/m/repx/FAIL", times, 0);
    ok(result_status(&s->site, "m", HEX1, &stale, NULL) == JOB_SUCCEEDED,
       "both as old");
    ok(result_status(&s->site, "../m", HEX1, &stale, NULL) == JOB_UNKNOWN, "a path");
}

int main(void)
{
    struct scratch s;

    scratch_open(&s);
    a_claim_is_made_once(&s);
    live_links_name_the_worker(&s);
    what_was_not_seen_is_not_replaced(&s);
    a_lease_has_one_holder(&s);
    a_dead_holder_is_followed(&s);
    elsewhere_the_age_decides(&s);
    a_lease_excludes(&s);
    newer_markers_count(&s);
    scratch_close(&s);
    return tap_end();
}
