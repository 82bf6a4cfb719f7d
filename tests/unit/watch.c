/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* usleep */
/* What who looks at a run finds out, and writes: a scheduler that says what a file says. */
#include "tap.h"

#include "core/agent/call_log.h"
#include "core/agent/run_watch.h"
#include "unit/submit_scratch.h"

#define RUN "20260101T000000Z-abcdefgh"
#define KEY "kaaaaaaaaaaaaaaaaaaaaaaaaa"

/* B/rows: what the queue holds; B/accounts: what accounts hold, absent: none are kept;
 * B/down: the controller does not answer; B/silent: the accounts do not. */
static const char said_script[] =
    "#!/bin/sh\n"
    "B=${0%/bin/*}\n"
    "input=$(cat)\n"
    "echo \"$1\" >> \"$B/asked\"\n"
    "if [ -e \"$B/down\" ]; then\n"
    "  echo '{\"v\":1,\"error\":{\"code\":5,\"text\":\"Socket timed out\"}}'; exit 1; fi\n"
    "case $1 in\n"
    "status) cat \"$B/rows\" ;;\n"
    "cancel) echo \"$input\" >> \"$B/cancelled\" ;;\n"
    "ended) if [ -e \"$B/silent\" ]; then\n"
    "  echo '{\"v\":1,\"error\":{\"code\":5,\"text\":\"slurmdbd is down\"}}'; exit 1; fi\n"
    "  cat \"$B/accounts\" 2>/dev/null || {\n"
    "  echo '{\"v\":1,\"error\":{\"code\":8,\"text\":\"no accounting\"}}'; exit 1; } ;;\n"
    "esac\n";

static void open_run(struct scratch *s, size_t count, const char *rows)
{
    scratch_open(s);
    scratch_put(s, "bin/x/sched-fake", said_script, 0755);
    scratch_put(s, "rows", rows, 0644);
    scratch_put(s, "asked", "", 0644);
    scratch_run(s, RUN, "fake", count, NULL);
}

/* An event of so many seconds ago. */
static void event(const struct scratch *s, int64_t ago_s, const char *members)
{
    static struct repx_buf all;
    REPX_AUTO_FREE char *path = repx_format("%s/.repx/runs/" RUN "/events/n1", s->base);

    all.len = 0;
    (void)repx_read_file(AT_FDCWD, path, 1 << 20, &all, NULL);
    repx_buf_fmt(&all, "{\"v\":1,\"t\":%lld,%s}\n",
                 (long long)(state_now_ms() - ago_s * 1000), members);
    (void)repx_write_file(AT_FDCWD, path, all.data, all.len, 0644, NULL);
}

static void submitted(struct scratch *s, int index)
{
    REPX_AUTO_FREE char *job = repx_format("job-%d", index < 0 ? 0 : index);
    REPX_AUTO_FREE char *text =
        index < 0 ? repx_strdup("\"i\":0,\"e\":\"submitted\",\"key\":\"" KEY
                                "\",\"id\":\"7\"")
                  : repx_format("\"i\":%d,\"e\":\"submitted\",\"key\":\"" KEY
                                "\",\"id\":\"7_%d\",\"index\":%d",
                                index, index, index);
    event(s, 300, text);
    (void)live_set(&s->site, job, RUN, index < 0 ? 0 : (size_t)index, KEY, NULL);
}

struct seen {
    struct run_state state;
};

static void on_event(void *ctx, const json_t *e, const char *line, size_t n)
{
    (void)line, (void)n;
    run_state_event(&((struct seen *)ctx)->state, e);
}

/* State and reason of a job by the run's events, "3" or "2 timed out". */
static const char *is_now(struct scratch *s, size_t i)
{
    static char text[200];
    struct run *run = run_open(&s->site, RUN, NULL);
    struct event_reader *r = event_reader_open(&s->site, run, NULL);
    struct seen seen;

    run_state_init(&seen.state, run->count);
    (void)event_reader_poll(r, on_event, &seen, NULL);
    (void)snprintf(text, sizeof(text), "%d%s%s%s", (int)seen.state.status[i],
                   seen.state.terminal[i] ? "" : "...", seen.state.reason[i] ? " " : "",
                   seen.state.reason[i] ? seen.state.reason[i] : "");
    run_state_finish(&seen.state);
    event_reader_close(r);
    run_close(run);
    return text;
}

#define ROW(index, state, more)                                   \
    "{\"v\":1,\"id\":\"7\",\"key\":\"" KEY "\",\"index\":" #index \
    ",\"state\":\"" state "\"" more "}\n"

static const struct {
    const char *what, *rows, *accounts;
    const char *events[3]; /* beside the submission, 200 s ago */
    const char *said;      /* in slurm.out */
    const char *now;
} cases[] = {
    {"it waits", ROW(-1, "pending", ""), NULL, {0}, NULL, "3..."},
    {"gone, and nobody knew before", "", NULL, {0}, NULL, "3..."},
    {"gone for long: lost", "", NULL, {"\"i\":0,\"e\":\"gone\""}, NULL, "2 LOST"},
    {"seen again after it was gone",
     ROW(-1, "running", ""),
     NULL,
     {"\"i\":0,\"e\":\"gone\""},
     NULL,
     "3..."},
    {"a row of the same id and another key is not ours",
     "{\"v\":1,\"id\":\"7\",\"key\":\"kbbbbbbbbbbbbbbbbbbbbbbbbb\",\"index\":-1,"
     "\"state\":\"running\"}\n",
     NULL,
     {"\"i\":0,\"e\":\"gone\""},
     NULL,
     "2 LOST"},
    {"time limit, as the queue says",
     ROW(-1, "timeout", ""),
     NULL,
     {"\"i\":0,\"e\":\"gone\""},
     NULL,
     "2 timed out"},
    {"as accounts say",
     "",
     ROW(-1, "memory", ""),
     {"\"i\":0,\"e\":\"gone\""},
     NULL,
     "2 out of memory"},
    {"an account that was never closed is no job",
     "",
     ROW(-1, "running", ""),
     {"\"i\":0,\"e\":\"gone\""},
     NULL,
     "2 LOST"},
    {"as its daemon wrote",
     "",
     NULL,
     {"\"i\":0,\"e\":\"gone\""},
     "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT T DUE TO TIME LIMIT ***\n",
     "2 timed out"},
    {"put back into the queue",
     ROW(-1, "pending", ",\"reason\":\"BeginTime\""),
     NULL,
     {"\"i\":0,\"e\":\"start\",\"n\":1"},
     NULL,
     "3... requeued"},
    {"what it waits for never comes",
     ROW(-1, "pending", ",\"reason\":\"DependencyNeverSatisfied\""),
     NULL,
     {0},
     NULL,
     "5 0"},
    {"cancelled by somebody while it waited",
     ROW(-1, "canceled", ""),
     NULL,
     {0},
     NULL,
     "2 cancelled outside repx"},
    {"by whom, as accounts tell",
     ROW(-1, "canceled", ""),
     ROW(-1, "canceled", ",\"by\":\"root\""),
     {"\"i\":0,\"e\":\"start\",\"n\":1",
      "\"i\":0,\"e\":\"end\",\"n\":1,\"ok\":false,\"reason\":\"cancelled outside repx\""},
     NULL,
     "2 cancelled by root"},
    {"an end that is written stays",
     ROW(-1, "timeout", ""),
     ROW(-1, "memory", ""),
     {"\"i\":0,\"e\":\"start\",\"n\":1",
      "\"i\":0,\"e\":\"end\",\"n\":1,\"ok\":false,\"reason\":\"exit 3\""},
     NULL,
     "2 exit 3"},
};

static void tables(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scratch s;
        open_run(&s, 1, cases[i].rows);
        submitted(&s, -1);
        for (size_t k = 0; k < 3 && cases[i].events[k]; k++)
            event(&s, 200, cases[i].events[k]);
        if (cases[i].accounts)
            scratch_put(&s, "accounts", cases[i].accounts, 0644);
        if (cases[i].said)
            scratch_put(&s, ".repx/sub/" KEY "/slurm.out", cases[i].said, 0644);
        run_look(&s.site, RUN, 0);
        is(is_now(&s, 0), cases[i].now, cases[i].what);
        scratch_close(&s);
    }
}

/* Slurm gives the same word for what was cancelled because of its producer, and for what
 * somebody cancelled while it waited for one. */
static void cancelled_while_waiting(void)
{
    static const char *const deps[] = {"[]", "[0]"};
    struct scratch s;

    open_run(&s, 1, ROW(1, "canceled", ",\"reason\":\"dependency\""));
    scratch_run(&s, RUN, "fake", 2, deps);
    submitted(&s, 0);
    submitted(&s, 1);
    event(&s, 200, "\"i\":0,\"e\":\"start\",\"n\":1");
    event(&s, 20, "\"i\":1,\"e\":\"gone\"");
    run_look(&s.site, RUN, 0);
    is(is_now(&s, 1), "3...", "while what it waits for goes on nothing is said");
    event(&s, 10, "\"i\":0,\"e\":\"end\",\"n\":1,\"ok\":true");
    run_look(&s.site, RUN, 0);
    is(is_now(&s, 1), "2 cancelled outside repx", "when that succeeded it was by hand");
    scratch_close(&s);
}

/* What a supervisor left that could write no event: attempt.json, and a marker. */
static const struct {
    const char *what, *key, *end, *marker;
    int gone_s; /* since when the queue lacks the unit */
    const char *now;
} left[] = {
    {"an end that is recorded and was not told", KEY,
     "\"ok\":false,\"reason\":\"exit 3\"", "FAIL", 10, "2 exit 3"},
    {"it is not looked for at once", KEY, "\"ok\":false,\"reason\":\"exit 3\"", "FAIL",
     1, "4..."},
    {"success is told as well", KEY, "\"ok\":true", "SUCCESS", 10, "1"},
    {"what another unit left says nothing of this one", "kcccccccccccccccccccccccccc",
     "\"ok\":false,\"reason\":\"exit 3\"", "FAIL", 10, "4..."},
    {"not even in the end", "kcccccccccccccccccccccccccc",
     "\"ok\":false,\"reason\":\"exit 3\"", "FAIL", 200, "2 LOST"},
    {"an attempt without an end", KEY, NULL, NULL, 10, "4..."},
};

static void recorded(void)
{
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
        REPX_AUTO_BUF struct repx_buf lines = {0};
        struct scratch s;
        open_run(&s, 1, "");
        submitted(&s, -1);
        event(&s, 250, "\"i\":0,\"e\":\"start\",\"n\":1");
        event(&s, left[i].gone_s, "\"i\":0,\"e\":\"gone\"");
        repx_buf_fmt(&lines, "{\"v\":1,\"t\":1,\"key\":\"" HEX "\",\"sub\":\"%s\"}\n",
                     left[i].key);
        if (left[i].end)
            repx_buf_fmt(&lines, "{\"t\":2,%s}\n", left[i].end);
        scratch_put(&s, "outputs/job-0/attempts/1/repx/attempt.json",
                    repx_buf_text(&lines), 0644);
        REPX_AUTO_FREE char *link = repx_format("%s/outputs/job-0/repx", s.base);
        ok(symlink("attempts/1/repx", link) == 0, "an attempt");
        if (left[i].marker) {
            REPX_AUTO_FREE char *marker =
                repx_format("outputs/job-0/repx/%s", left[i].marker);
            scratch_put(&s, marker, "", 0644);
        }
        run_look(&s.site, RUN, 0);
        is(is_now(&s, 0), left[i].now, left[i].what);
        scratch_close(&s);
    }
}

/* What waited for a lost job left the queue with it: it is blocked, and not lost itself. */
static void lost_and_blocked(void)
{
    static const char *const deps[] = {"[]", "[0]", "[1]"};
    struct scratch s;

    open_run(&s, 1, "");
    scratch_run(&s, RUN, "fake", 3, deps);
    for (int i = 0; i < 3; i++) {
        REPX_AUTO_FREE char *gone = repx_format("\"i\":%d,\"e\":\"gone\"", i);
        submitted(&s, i);
        event(&s, 200, gone);
    }
    run_look(&s.site, RUN, 0);
    is(is_now(&s, 0), "2 LOST", "a job that is lost");
    is(is_now(&s, 1), "5 0", "blocks what waited for it and left the queue, too");
    is(is_now(&s, 2), "5 0", "and what waited for that");
    scratch_close(&s);
}

static void elements(void)
{
    struct scratch s;

    open_run(&s, 4, ROW(0, "running", "") ROW(-1, "pending", ",\"indices\":\"2-2\""));
    for (int i = 0; i < 4; i++) {
        REPX_AUTO_FREE char *gone = repx_format("\"i\":%d,\"e\":\"gone\"", i);
        submitted(&s, i);
        event(&s, 200, gone);
    }
    scratch_put(
        &s, ".repx/sub/" KEY "/slurm-1.out",
        "slurmstepd-n1: error: StepId=7.batch exceeded memory limit (20 > 10), being "
        "killed\n",
        0644);
    run_look(&s.site, RUN, 0);
    is(is_now(&s, 0), "3...", "an index that runs");
    is(is_now(&s, 1), "2 out of memory", "one whose daemon wrote into its own output");
    is(is_now(&s, 2), "3...", "one that waits");
    is(is_now(&s, 3), "2 LOST", "one that the list of those that wait does not hold");
    ok(scratch_count(&s, ".repx/runs/" RUN "/events/vm", "\"mem\":20") == 1 ||
           scratch_count(&s, ".repx/runs/" RUN "/events", "mem") == 0,
       "with what it used");
    scratch_close(&s);
}

static void manners(void)
{
    struct scratch s;

    open_run(&s, 1, ROW(-1, "running", ""));
    submitted(&s, -1);
    run_look(&s.site, RUN, QUEUE_PERSON_MS);
    run_look(&s.site, RUN, QUEUE_PERSON_MS);
    ok(scratch_count(&s, "asked", "status") == 1, "two who look share an answer");
    for (int i = 0; i < 30; i++)
        run_look(&s.site, RUN, 0);
    ok(scratch_count(&s, "asked", "status") == BUDGET_BURST,
       "and however often they look, the budget holds");
    struct budget b = call_log_budget(&s.site, "fake");
    ok(b.left == 0 && b.wait_ms > 0 && b.ten == BUDGET_BURST, "as all can see");
    scratch_close(&s);

    open_run(&s, 1, "");
    submitted(&s, -1);
    event(&s, 200, "\"i\":0,\"e\":\"gone\"");
    scratch_put(&s, "down", "", 0644);
    run_look(&s.site, RUN, 0);
    run_look(&s.site, RUN, 0);
    is(is_now(&s, 0), "3...", "a controller that does not answer ends nothing");
    ok(scratch_count(&s, "asked", "status") == 1, "and is left alone for a while");
    scratch_close(&s);

    open_run(&s, 1, "");
    submitted(&s, -1);
    for (int i = 0; i < 5; i++)
        run_look(&s.site, RUN, 0);
    ok(scratch_count(&s, "asked", "ended") == 1,
       "accounts that are not kept are asked once");
    scratch_close(&s);
}

/* As if the last questions were long ago. */
static void much_later(const struct scratch *s)
{
    REPX_AUTO_FREE char *calls = repx_format("%s/.repx/calls", s->base);

    (void)repx_remove_tree(AT_FDCWD, calls, NULL);
}

static size_t ended_asked(const struct scratch *s)
{
    return scratch_count(s, "asked", "ended");
}

static void accounts_down(void)
{
    struct scratch s;

    open_run(&s, 1, "");
    submitted(&s, -1);
    event(&s, 200, "\"i\":0,\"e\":\"start\",\"n\":1");
    event(&s, 60, "\"i\":0,\"e\":\"gone\"");
    scratch_put(&s, "silent", "", 0644);
    run_look(&s.site, RUN, 0);
    is(is_now(&s, 0), "4...", "accounts that do not answer end nothing");
    ok(call_log_budget(&s.site, "fake").wait_ms == 0, "and stop no other question");
    run_look(&s.site, RUN, 0);
    ok(ended_asked(&s) == 1, "and are left alone for a minute");
    event(&s, 200, "\"i\":0,\"e\":\"submitted\",\"key\":\"" KEY "\",\"id\":\"7\"");
    event(&s, 199, "\"i\":0,\"e\":\"start\",\"n\":1");
    event(&s, 130, "\"i\":0,\"e\":\"gone\"");
    run_look(&s.site, RUN, 0);
    is(is_now(&s, 0), "2 LOST", "after two minutes it is lost");
    much_later(&s);
    run_look(&s.site, RUN, 0);
    is(is_now(&s, 0), "2 LOST", "and stays so while they do not answer");
    (void)unlinkat(s.site.base_fd, "silent", 0);
    scratch_put(&s, "accounts", ROW(-1, "running", ""), 0644);
    much_later(&s);
    run_look(&s.site, RUN, 0);
    is(is_now(&s, 0), "2 LOST", "or have not heard of its end themselves");
    scratch_put(&s, "accounts", ROW(-1, "canceled", ",\"by\":\"root\""), 0644);
    much_later(&s);
    run_look(&s.site, RUN, 0);
    is(is_now(&s, 0), "2 cancelled by root", "when they are back the truth is shown");
    size_t asked = ended_asked(&s);
    much_later(&s);
    run_look(&s.site, RUN, 0);
    ok(ended_asked(&s) == asked, "and nobody asks any more");
    scratch_close(&s);
}

static void never_known(void)
{
    struct scratch s;

    open_run(&s, 1, "");
    event(&s, 1000, "\"i\":0,\"e\":\"submitted\",\"key\":\"" KEY "\",\"id\":\"7\"");
    event(&s, 900, "\"i\":0,\"e\":\"gone\"");
    event(&s, 700, "\"i\":0,\"e\":\"lost\",\"reason\":\"LOST\",\"unasked\":true");
    scratch_put(&s, "accounts", "", 0644);
    run_look(&s.site, RUN, 0);
    is(is_now(&s, 0), "2 LOST", "what accounts never heard of");
    ok(ended_asked(&s) == 1, "is asked about");
    much_later(&s);
    run_look(&s.site, RUN, 0);
    ok(ended_asked(&s) == 1, "once");
    scratch_close(&s);
}

static const struct {
    const char *what, *rows;
    int down, cancelled;
    const char *now;
} cancels[] = {
    {"what waits is taken out of the queue", ROW(-1, "pending", ""), 0, 1,
     "2 cancelled"},
    {"an id that is somebody else's by now is left alone",
     "{\"v\":1,\"id\":\"7\",\"key\":\"kbbbbbbbbbbbbbbbbbbbbbbbbb\",\"index\":-1,"
     "\"state\":\"pending\"}\n",
     0, 0, "2 cancelled"},
    {"so is one that is none of ours: the queue does not even show it", "", 0, 0,
     "2 cancelled"},
    {"and one of which the controller tells only the end", ROW(-1, "canceled", ""), 0,
     0, "2 cancelled"},
    {"what runs on under another form of its id is ours",
     "{\"v\":1,\"id\":\"7.host\",\"key\":\"" KEY "\",\"index\":-1,"
     "\"state\":\"pending\"}\n",
     0, 1, "2 cancelled"},
    {"a queue that cannot be asked: nothing is ended, and nothing told", "", 1, 0,
     "3..."},
};

static void cancelling(void)
{
    for (size_t i = 0; i < sizeof(cancels) / sizeof(cancels[0]); i++) {
        struct repx_buf fields REPX_AUTO_BUF = {0};
        struct repx_err why = {0};
        struct scratch s;
        open_run(&s, 1, cancels[i].rows);
        submitted(&s, -1);
        if (cancels[i].down)
            scratch_put(&s, "down", "", 0644);
        int rc = run_cancel(&s.site, RUN, &fields, &why);
        ok((rc < 0) == cancels[i].down &&
               scratch_count(&s, "cancelled", "\"ids\":[\"7\"]") ==
                   (size_t)cancels[i].cancelled,
           "%s", cancels[i].what);
        is(is_now(&s, 0), cancels[i].now, "and then");
        scratch_close(&s);
    }
}

static void marks(void)
{
    static const size_t some[] = {3, 17};
    struct scratch s;

    open_run(&s, 1, "");
    (void)sub_create(&s.site, KEY, NULL);
    ok(!cancel_marked(&s.site, KEY, 3), "nobody cancelled it");
    ok(cancel_mark(&s.site, KEY, some, 1, NULL) == 0 &&
           cancel_mark(&s.site, KEY, some + 1, 1, NULL) == 0,
       "two are cancelled, one after the other");
    ok(cancel_marked(&s.site, KEY, 3) && cancel_marked(&s.site, KEY, 17) &&
           !cancel_marked(&s.site, KEY, 1) && !cancel_marked(&s.site, KEY, 7),
       "they are marked, and no others");
    ok(cancel_mark(&s.site, "../etc", some, 1, NULL) < 0, "a key is no path");
    scratch_close(&s);
}

int main(void)
{
    ok(queue_holds("3-7,9", 3) && queue_holds("3-7,9", 9) && !queue_holds("3-7,9", 8) &&
           !queue_holds("x", 0) && !queue_holds("", 0) && queue_holds("0", 0),
       "lists of indices");
    tables();
    recorded();
    cancelled_while_waiting();
    lost_and_blocked();
    elements();
    manners();
    accounts_down();
    never_known();
    cancelling();
    marks();
    return tap_end();
}
