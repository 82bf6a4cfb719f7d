/* SPDX-License-Identifier: MIT */
/* Who works on one job after whom: appended, begun, removed, and what a death in the middle
 * leaves behind. */
#include <signal.h>

#define SCRATCH_RECORDS_ONLY
#include "job_scratch.h"
#include "tap.h"

#include "core/agent/state_next.h"

#define JOB "a-job-1"
#define MANY 200

static struct repx_err err;

static const char *key_of(size_t i)
{
    static char keys[MANY + 8][27];

    submission_key(RUN_ID, JOB, "main", (unsigned)i, keys[i]);
    return keys[i];
}

static int come(struct scratch *s, size_t i)
{
    const struct live_link who = {RUN_ID, i, key_of(i)};

    return next_add(&s->site, JOB, &who, &err);
}

static int begin(struct scratch *s, size_t i)
{
    return next_begin(&s->site, JOB, RUN_ID, key_of(i));
}

static size_t leave(struct scratch *s, size_t i)
{
    return next_clear(&s->site, JOB, RUN_ID, key_of(i));
}

/* The numbers in their order; who works is marked, and who is in S/next. Caller frees. */
static char *all(struct scratch *s)
{
    struct repx_buf b = {0};
    struct workers w;

    if (workers_read(&s->site, JOB, &w, &err) < 0)
        repx_buf_str(&b, err.text);
    for (size_t i = 0; i < w.count; i++) {
        const char *mark = strncmp(w.items[i].place, "next/", 5) == 0 ? "*" : "";
        repx_buf_fmt(&b, "%s%s%zu", b.len ? " " : "", w.items[i].waits ? mark : "!",
                     w.items[i].who.index);
    }
    workers_free(&w);
    repx_buf_str(&b, "");
    return repx_buf_detach(&b);
}

static void is_now(struct scratch *s, const char *want, const char *what)
{
    REPX_AUTO_FREE char *text = all(s);

    is(text, want, what);
}

/* The first works, the others wait. */
static void start(struct scratch *s, size_t count)
{
    (void)live_set(&s->site, JOB, RUN_ID, 0, key_of(0), NULL);
    for (size_t i = 1; i < count; i++)
        (void)come(s, i);
}

static void stop(struct scratch *s)
{
    (void)job_leave(&s->site, JOB, RUN_ID, NULL);
    is_now(s, "", "the run leaves the job altogether");
    ok(faccessat(s->site.state_fd, "behind", F_OK, AT_SYMLINK_NOFOLLOW) < 0,
       "and no directory is left");
}

/* What a process that dies between two of its calls has done. */
static void move(struct scratch *s, const char *from, const char *to)
{
    if (renameat(s->site.state_fd, from, s->site.state_fd, to) < 0)
        printf("# %s -> %s: %s\n", from, to, strerror(errno));
}

static char *behind(size_t place, size_t i)
{
    return repx_format("behind/" JOB "/%010zu.%s", place, key_of(i));
}

static void any_number_waits(struct scratch *s)
{
    start(s, 5);
    is_now(s, "!0 *1 2 3 4", "in the order of coming");
    ok(come(s, 3) == 0, "one that is there comes once more");
    is_now(s, "!0 *1 2 3 4", "and waits once");
    ok(next_waits(&s->site, JOB, key_of(4)) && !next_waits(&s->site, JOB, key_of(0)) &&
           !next_waits(&s->site, JOB, key_of(7)),
       "who waits, and who does not");
    live_clear(&s->site, JOB, RUN_ID, key_of(0));
    is_now(s, "*1 2 3 4", "the first has ended");
    ok(begin(s, 1) == 1, "the turn of the next");
    is_now(s, "!1 *2 3 4", "all move up");
    ok(begin(s, 1) == 0 && begin(s, 7) == 0, "who does not wait has no turn");
    for (size_t i = 2; i < 5; i++)
        ok(begin(s, i) == 1, "the turn of %zu", i);
    is_now(s, "!4", "the last one works");
    ok(come(s, 5) == 0, "another comes");
    is_now(s, "!4 *5", "and is the next");
    stop(s);
}

static void who_leaves_makes_room(struct scratch *s)
{
    start(s, 6);
    ok(leave(s, 3) == 1, "one in the middle leaves");
    is_now(s, "!0 *1 2 4 5", "the others stay in order");
    ok(leave(s, 1) == 1, "the next leaves");
    is_now(s, "!0 *2 4 5", "another is the next");
    ok(leave(s, 5) == 1, "the last leaves");
    ok(leave(s, 5) == 0, "once");
    is_now(s, "!0 *2 4", "the rest waits");
    ok(come(s, 6) == 0, "one comes");
    is_now(s, "!0 *2 4 6", "as the last");
    ok(next_clear(&s->site, JOB, "20260101T000000Z-zzzzzzzz", NULL) == 0,
       "another run does not make them leave");
    ok(begin(s, 4) == 1, "the turn of one behind the next: that is over, then");
    is_now(s, "!4 *6", "and out");
    stop(s);
}

static void a_death_in_the_middle(struct scratch *s)
{
    start(s, 4);
    move(s, "next/" JOB, "live/" JOB);
    is_now(s, "!1 2 3", "who began died before anybody moved up");
    next_fill(&s->site, JOB);
    is_now(s, "!1 *2 3", "whoever looks next sees to that");
    move(s, "next/" JOB, "live/" JOB);
    ok(come(s, 4) == 0, "so does who comes");
    is_now(s, "!2 *3 4", "and is behind all");

    REPX_AUTO_FREE char *place = behind(9, 3);
    REPX_AUTO_FREE char *link = repx_format("%s 3 %s", RUN_ID, key_of(3));
    ok(symlinkat(link, s->site.state_fd, place) == 0, "one is at two places");
    is_now(s, "!2 *3 4", "and counts once, at the first");
    next_fill(&s->site, JOB);
    is_now(s, "!2 *3 4", "which stays");
    ok(begin(s, 3) == 1, "its turn");
    is_now(s, "!3 *4", "it is at one place now");
    ok(faccessat(s->site.state_fd, place, F_OK, AT_SYMLINK_NOFOLLOW) < 0, "really");
    stop(s);
}

static void odd_names(struct scratch *s)
{
    REPX_AUTO_FREE char *bad = behind(2, 2);

    start(s, 3);
    ok(symlinkat("elsewhere", s->site.state_fd, "behind/" JOB "/notes") == 0,
       "another name");
    is_now(s, "!0 *1 2", "is nobody's");
    (void)unlinkat(s->site.state_fd, "behind/" JOB "/notes", 0);
    ok(symlinkat("../../etc passwd x", s->site.state_fd, bad) == 0, "nonsense");
    struct workers w;
    ok(workers_read(&s->site, JOB, &w, &err) < 0 && strstr(err.text, "remove it"),
       "is refused: %s", err.text);
    workers_free(&w);
    (void)unlinkat(s->site.state_fd, bad, 0);
    ok(workers_read(&s->site, "../x", &w, &err) < 0, "so is a job id that is a path");
    workers_free(&w);
    stop(s);
}

/* Fills the place of the next again and again, as all do who move somebody. */
static pid_t filler(struct scratch *s)
{
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        for (;;)
            next_fill(&s->site, JOB);
    }
    return pid;
}

static void many_at_once(struct scratch *s)
{
    const pid_t pids[] = {filler(s), filler(s), filler(s)};
    size_t lost = 0, seen = 0;

    (void)live_set(&s->site, JOB, RUN_ID, 0, key_of(0), NULL);
    for (size_t i = 1; i < MANY; i++) {
        lost += come(s, i) < 0;
        if (i >= 4) {
            seen += next_waits(&s->site, JOB, key_of(i - 1));
            lost += begin(s, i - 3) != 1;
        }
    }
    for (size_t i = 0; i < 3; i++) {
        (void)kill(pids[i], SIGKILL);
        (void)scratch_wait(pids[i]);
    }
    ok(lost == 0, "while others move them up, nobody of %d is lost: %zu", MANY, lost);
    ok(seen == MANY - 4, "nor missed by who reads: %zu", seen);
    for (size_t i = MANY - 3; i < MANY; i++)
        ok(begin(s, i) == 1, "the last ones' turn");
    stop(s);
}

int main(void)
{
    struct scratch s;

    scratch_open(&s);
    any_number_waits(&s);
    who_leaves_makes_room(&s);
    a_death_in_the_middle(&s);
    odd_names(&s);
    many_at_once(&s);
    scratch_close(&s);
    return tap_end();
}
