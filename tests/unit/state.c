/* SPDX-License-Identifier: MIT */
/* Records on the target: hostile lines, events, progress, keys. */
#include "core/agent/state.h"

#define SCRATCH_RECORDS_ONLY
#include "job_scratch.h"
#include "tap.h"

#include "core/wire/verbs.h"

#define ID HEX1
#define LINE(rest)                                                 \
    "{\"v\":1,\"id\":\"j-1\",\"key\":\"" HEX1 "\",\"pkg\":\"" HEX0 \
    "\",\"runtime\":\"native\"," rest "}"
#define EXE "\"exes\":{\"main\":{\"path\":\"jobs/j-1/bin/x\"}}"
#define SIMPLE "\"type\":\"simple\"," EXE

static const struct {
    const char *line;
    int good;
} plan_rows[] = {
    {LINE(SIMPLE), 1},
    {LINE(SIMPLE ",\"later\":[1]"), 1},
    {LINE(SIMPLE ",\"image\":null,\"node_local\":null"), 1},
    {LINE(SIMPLE ",\"params\":{\"a\":1}"), 1},
    {LINE(SIMPLE ",\"image\":\"../x\""), 0},
    {LINE(SIMPLE ",\"host_tools\":\"../../x\""), 0},
    {LINE(SIMPLE ",\"inputs\":{\"a\":{\"base\":\"../x\"}}"), 0},
    {LINE(SIMPLE ",\"inputs\":{\"a\":{\"base\":\"\"}}"), 1},
    {LINE(SIMPLE ",\"inputs\":{\"a\":{\"job\":\"a/b\",\"template\":\"\"}}"), 0},
    {LINE(SIMPLE ",\"inputs\":{\"a\":{\"job\":\"b\",\"template\":\"$out/x\"}}"), 1},
    {LINE(SIMPLE ",\"inputs\":{\"a\":{\"job\":\"b\"}}"), 0},
    {LINE(SIMPLE ",\"inputs\":{\"a\":7}"), 0},
    {LINE(SIMPLE ",\"inputs\":[]"), 0},
    {LINE(SIMPLE ",\"deps\":[-1]"), 0},
    {LINE(SIMPLE ",\"deps\":[\"0\"]"), 0},
    {LINE(SIMPLE ",\"mounts\":{\"policy\":\"all\"}"), 0},
    {LINE(SIMPLE ",\"mounts\":{\"policy\":\"specific\",\"paths\":[\"a\"]}"), 0},
    {LINE(SIMPLE ",\"mounts\":{\"policy\":\"specific\",\"paths\":[\"/a\"]}"), 1},
    {LINE("\"type\":\"worker\"," EXE), 0},
    {LINE("\"type\":\"simple\",\"exes\":{}"), 0},
    {LINE("\"type\":\"simple\",\"exes\":{\"main\":{\"path\":\"/bin/sh\"}}"), 0},
    {LINE("\"type\":\"simple\",\"exes\":{\"main\":{\"path\":\"a/../../b\"}}"), 0},
    {LINE(
         "\"type\":\"simple\",\"exes\":{\"main\":{\"path\":\"x\",\"res\":{\"time\":\"1\""
         "}}}"),
     0},
    {LINE("\"type\":\"scatter-gather\"," EXE), 0},
    {LINE("\"type\":\"scatter-gather\",\"sink\":\"s\",\"exes\":{\"scatter\":{\"path\":"
          "\"a\"},\"gather\":{\"path\":\"b\"},\"step-s\":{\"path\":\"c\"}}"),
     1},
    {LINE("\"type\":\"scatter-gather\",\"sink\":\"t\",\"exes\":{\"scatter\":{\"path\":"
          "\"a\"},\"gather\":{\"path\":\"b\"},\"step-s\":{\"path\":\"c\"}}"),
     0},
    {LINE(
         "\"type\":\"scatter-gather\",\"sink\":\"s\",\"exes\":{\"scatter\":{\"path\":"
         "\"a\"},\"gather\":{\"path\":\"b\"},\"step-s\":{\"path\":\"c\",\"deps\":[\"q\"]"
         "}}"),
     0},
    {"{\"v\":2}", 0},
    {"[]", 0},
    {"", 0},
    {"{\"v\":1,\"v\":1}", 0},
};

static void hostile_plan_lines_are_refused(void)
{
    for (size_t i = 0; i < sizeof plan_rows / sizeof plan_rows[0]; i++) {
        struct repx_err err = {0};
        const char *line = plan_rows[i].line;
        json_t *j = plan_line_parse(line, strlen(line), &err);
        ok(!!j == plan_rows[i].good && (j || err.code), "%s: %s", line, err.text);
        json_decref(j);
    }
    REPX_AUTO_BUF struct repx_buf deep = {0};
    for (int i = 0; i < 100000; i++)
        repx_buf_str(&deep, "[");
    ok(!plan_line_parse(deep.data, deep.len, NULL), "a hundred thousand brackets");
}

static const struct {
    json_t *(*parse)(const char *line, size_t n, struct repx_err *err);
    const char *line;
    int good;
} rows[] = {
    {claim_parse, "{\"v\":1,\"by\":\"job\",\"id\":\"7\"}", 1},
    {claim_parse, "{\"v\":1,\"by\":\"me\",\"id\":\"7\"}", 0},
    {claim_parse, "{\"v\":1,\"by\":\"void\",\"id\":7}", 0},
    {lease_parse,
     "{\"v\":1,\"host\":\"h\",\"boot\":\"b\",\"pid\":1,\"start\":2,\"epoch\":0}", 1},
    {lease_parse,
     "{\"v\":1,\"host\":\"h\",\"boot\":\"b\",\"pid\":1,\"start\":2,\"epoch\":-1}", 0},
    {lease_parse, "{\"v\":1,\"host\":\"h\"}", 0},
    {journal_parse, "{\"v\":1,\"do\":\"void\",\"key\":\"kabcdefghijklmno\"}", 1},
    {journal_parse, "{\"v\":1,\"do\":\"accepted\",\"key\":\"kabcdefghijklmno\"}", 0},
    {journal_parse,
     "{\"v\":1,\"do\":\"intend\",\"key\":\"kabcdefghijklmno\",\"i\":[\"1\"]}", 0},
    {journal_parse, "{\"v\":1,\"do\":\"intend\",\"key\":\"../../x\",\"i\":[1]}", 0},
    {event_parse, "{\"v\":1,\"t\":1,\"i\":0,\"e\":\"done\"}", 1},
    {event_parse, "{\"v\":1,\"t\":1,\"i\":-1,\"e\":\"done\"}", 0},
    {event_parse, "{\"v\":1,\"t\":1,\"i\":0}", 0},
    {event_parse, "{\"v\":1,\"t\":1,\"i\":0,\"e\":\"taken\",\"run\":\"../x\"}", 0},
    {attempt_parse, "{\"v\":1,\"t\":1,\"key\":\"" HEX1 "\"}", 1},
    {attempt_parse, "{\"t\":1,\"ok\":true}", 1},
    {attempt_parse, "{\"t\":1,\"ok\":\"yes\"}", 0},
    {run_record_parse,
     "{\"v\":1,\"run\":\"" RUN_ID "\",\"scheduler\":\"slurm\",\"count\":1}", 1},
    {run_record_parse,
     "{\"v\":1,\"run\":\"" RUN_ID "\",\"scheduler\":\"s\",\"count\":1,"
     "\"helper\":{\"x86_64\":\"../../bin/sh\"}}",
     0},
    {run_record_parse, "{\"v\":1,\"run\":\"x\",\"scheduler\":\"s\",\"count\":1}", 0},
    {run_record_parse,
     "{\"v\":1,\"run\":\"" RUN_ID "\",\"scheduler\":\"s\",\"count\":-1}", 0},
};

static void other_records_are_checked(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct repx_err err = {0};
        json_t *j = rows[i].parse(rows[i].line, strlen(rows[i].line), &err);
        ok(!!j == rows[i].good && (j || err.code), "%s: %s", rows[i].line, err.text);
        json_decref(j);
    }
}

static void run_ids_have_one_form(void)
{
    ok(run_id_ok(RUN_ID), "a run id");
    ok(!run_id_ok("20260101T000000Z-abcdefg1"), "1 is no base32");
    ok(!run_id_ok("20260101T000000Z-abcdefg"), "too short");
    ok(!run_id_ok("../../etc"), "a path");
}

static void submission_keys_are_stable(void)
{
    char key[27], other[27];

    submission_key(RUN_ID, "j-1", "main", 0, key);
    is(key, "kpz7wozf5mqe4crbktjt637mta", "golden key");
    submission_key(RUN_ID, "j-1", "main", 1, other);
    ok(strcmp(key, other) != 0, "another generation, another key");
}

/* ---- progress ---- */

static const char *const chain[] = {
    PLAN_SIMPLE("a", "x", ""),
    PLAN_SIMPLE("b", "x", ",\"deps\":[0]"),
    PLAN_SIMPLE("c", "x", ",\"deps\":[1]"),
    PLAN_SIMPLE("d", "x", ""),
    NULL,
};

static void tell(struct run_state *s, const char *members)
{
    REPX_AUTO_FREE char *line = repx_format("{\"v\":1,\"t\":1,%s}", members);
    struct repx_err err = {0};
    json_t *e = event_parse(line, strlen(line), &err);

    if (!e) {
        printf("# %s\n", err.text);
    } else {
        run_state_event(s, e);
    }
    json_decref(e);
}

static const struct {
    const char *events[5];
    int status, terminal;
    const char *reason;
} progress_rows[] = {
    {{"\"i\":0,\"e\":\"done\""}, JOB_SUCCEEDED, 1, NULL},
    {{"\"i\":0,\"e\":\"submitted\",\"key\":\"kabcdefghijklmno\",\"id\":\"1\""},
     JOB_QUEUED,
     0,
     NULL},
    {{"\"i\":0,\"e\":\"start\",\"n\":1"}, JOB_RUNNING, 0, NULL},
    {{"\"i\":0,\"e\":\"start\",\"n\":1",
      "\"i\":0,\"e\":\"end\",\"n\":1,\"ok\":false,\"reason\":\"exit 3\""},
     JOB_FAILED,
     1,
     "exit 3"},
    /* clocks differ: the end seems to come before the submission */
    {{"\"i\":0,\"e\":\"start\",\"n\":1", "\"i\":0,\"e\":\"end\",\"n\":1,\"ok\":true",
      "\"i\":0,\"e\":\"submitted\",\"id\":\"1\""},
     JOB_SUCCEEDED,
     1,
     NULL},
    /* a zombie's end does not count */
    {{"\"i\":0,\"e\":\"start\",\"n\":1", "\"i\":0,\"e\":\"start\",\"n\":2",
      "\"i\":0,\"e\":\"end\",\"n\":1,\"ok\":false"},
     JOB_RUNNING,
     0,
     NULL},
    {{"\"i\":0,\"e\":\"start\",\"n\":1", "\"i\":0,\"e\":\"lost\",\"reason\":\"LOST\""},
     JOB_FAILED,
     1,
     "LOST"},
    {{"\"i\":0,\"e\":\"start\",\"n\":1", "\"i\":0,\"e\":\"lost\"",
      "\"i\":0,\"e\":\"start\",\"n\":2"},
     JOB_RUNNING,
     0,
     NULL},
    {{"\"i\":0,\"e\":\"end\",\"phase\":\"step-x\",\"branch\":0,\"ok\":false"},
     JOB_UNKNOWN,
     0,
     NULL},
    {{"\"i\":0,\"e\":\"end\",\"phase\":\"scatter\",\"ok\":true"}, JOB_UNKNOWN, 0, NULL},
    {{"\"i\":0,\"e\":\"end\",\"phase\":\"scatter\",\"ok\":false,\"reason\":\"exit 1\""},
     JOB_FAILED,
     1,
     "exit 1"},
    {{"\"i\":0,\"e\":\"end\",\"phase\":\"gather\",\"n\":2,\"ok\":true"},
     JOB_SUCCEEDED,
     1,
     NULL},
    {{"\"i\":0,\"e\":\"refused\",\"text\":\"no such partition\""},
     JOB_FAILED,
     1,
     "no such partition"},
    {{"\"i\":0,\"e\":\"blocked\",\"by\":3"}, JOB_BLOCKED, 1, "3"},
    {{"\"i\":99,\"e\":\"done\""}, JOB_UNKNOWN, 0, NULL},
};

static void events_make_a_state(void)
{
    for (size_t i = 0; i < sizeof progress_rows / sizeof progress_rows[0]; i++) {
        struct run_state s;
        run_state_init(&s, 4);
        for (size_t k = 0; k < 5 && progress_rows[i].events[k]; k++)
            tell(&s, progress_rows[i].events[k]);
        ok(s.status[0] == progress_rows[i].status &&
               s.terminal[0] == progress_rows[i].terminal,
           "row %zu: %s", i, progress_rows[i].events[0]);
        is(s.reason[0], progress_rows[i].reason, "reason");
        ok(s.left == 4u - (size_t)progress_rows[i].terminal, "left");
        run_state_finish(&s);
    }
}

struct blocks {
    char text[64];
};

static void note(void *ctx, size_t i, size_t by)
{
    struct blocks *b = ctx;
    size_t n = strlen(b->text);

    (void)snprintf(b->text + n, sizeof b->text - n, "%zu<%zu ", i, by);
}

static void a_failure_blocks_all_that_follows(struct scratch *s)
{
    struct repx_err err = {0};
    struct run *run = run_open(&s->site, RUN_ID, &err);
    struct run_state state;
    struct blocks b = {""};

    ok(run && run->count == 4, "the run opens: %s", err.text);
    run_state_init(&state, 4);
    ok(run_state_block(&state, run, note, &b, &err) == 0 && !*b.text,
       "nothing at first");
    tell(&state, "\"i\":0,\"e\":\"end\",\"n\":1,\"ok\":false,\"reason\":\"exit 1\"");
    ok(run_state_block(&state, run, note, &b, &err) == 0, "after a failure");
    is(b.text, "1<0 2<0 ", "the whole chain, by the job that failed");
    ok(state.left == 1 && state.failed == 3, "one job is left");
    run_state_finish(&state);
    json_t *line = run_plan(run, 4, &err);
    ok(!line && err.code, "no job beyond the last: %s", err.text);
    run_close(run);
}

/* ---- event files ---- */

static void count(void *ctx, const json_t *event, const char *line, size_t n)
{
    (void)event, (void)line, (void)n;
    ++*(int *)ctx;
}

static void readers_take_whole_lines_once(struct scratch *s)
{
    struct repx_err err = {0};
    struct run *run = run_open(&s->site, RUN_ID, &err);
    struct event_reader *r = event_reader_open(&s->site, run, &err);
    int seen = 0;

    ok(event_reader_poll(r, count, &seen, &err) == 0, "no events yet");
    ok(event_write(&s->site, run, json_pack("{siss}", "i", 0, "e", "done"), &err) == 0,
       "one is written");
    ok(event_reader_poll(r, count, &seen, &err) == 1 && seen == 1, "and read");
    scratch_file(s, ".repx/runs/" RUN_ID "/events/other",
                 "{\"v\":1,\"t\":1,\"i\":1,\"e\":\"done\"}\ngarbage\n{\"v\":1,\"t\":2");
    ok(event_reader_poll(r, count, &seen, &err) == 1,
       "of another node: the whole line");
    scratch_file(s, ".repx/runs/" RUN_ID "/events/other",
                 "{\"v\":1,\"t\":1,\"i\":1,\"e\":\"done\"}\ngarbage\n{\"v\":1,\"t\":2,"
                 "\"i\":2,\"e\":\"done\"}\n");
    ok(event_reader_poll(r, count, &seen, &err) == 1, "the rest when it has come");
    ok(event_reader_poll(r, count, &seen, &err) == 0, "and nothing twice");
    event_reader_close(r);
    run_close(run);
}

static void damaged_plans_are_refused(struct scratch *s)
{
    struct repx_err err = {0};
    uint64_t bad[5] = {0, 5, 3, UINT64_MAX, 1};
    REPX_AUTO_FREE char *path =
        repx_format("%s/runs/" RUN_ID "/plan.idx", s->site.state);

    (void)repx_write_file(AT_FDCWD, path, bad, sizeof bad, 0644, &err);
    struct run *run = run_open(&s->site, RUN_ID, &err);
    ok(run != NULL, "an index of the right size opens");
    for (size_t i = 0; run && i < 4; i++) {
        json_t *line = run_plan(run, i, &err);
        ok(!line, "damaged line %zu is refused: %s", i, err.text);
        json_decref(line);
    }
    run_close(run);
    (void)repx_write_file(AT_FDCWD, path, bad, 8, 0644, &err);
    ok(!run_open(&s->site, RUN_ID, &err), "an index of the wrong size: %s", err.text);
    ok(!run_open(&s->site, "../../x", &err), "a run id that is a path");
}

int main(void)
{
    struct scratch s;

    hostile_plan_lines_are_refused();
    other_records_are_checked();
    run_ids_have_one_form();
    submission_keys_are_stable();
    events_make_a_state();
    scratch_open(&s);
    scratch_run(&s, "", chain);
    a_failure_blocks_all_that_follows(&s);
    readers_take_whole_lines_once(&s);
    damaged_plans_are_refused(&s);
    scratch_close(&s);
    return tap_end();
}
