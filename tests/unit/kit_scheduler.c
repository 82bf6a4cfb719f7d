/* SPDX-License-Identifier: MIT */
/* What plugins for schedulers share: arguments, texts, lines, batches, searches. */
#include "tap.h"

#include <stdlib.h>

#include <kit/alloc.h>
#include <kit/scheduler.h>

/* ---- arguments ---- */

static void arguments(void)
{
    struct repx_args a REPX_AUTO_ARGS = {0};

    for (int i = 0; i < 100; i++)
        repx_args_fmt(&a, "%d", i);
    ok(a.count == 100 && strcmp(a.list[99], "99") == 0 && !a.list[100],
       "a hundred arguments, and NULL");
    repx_args_cut(&a, 1);
    ok(a.count == 1 && !a.list[1], "all but one are dropped again");
    repx_args_add(&a, "it's $HOME");
    repx_args_add(&a, "");
    repx_args_add(&a, "--mem=2G");
    REPX_AUTO_FREE char *plain = repx_args_text(&a, NULL);
    is(plain, "0 'it'\\''s $HOME' '' --mem=2G", "a person can type it");
    REPX_AUTO_FREE char *fed = repx_args_text(&a, "true\n");
    is(fed, "0 'it'\\''s $HOME' '' --mem=2G <<'SCRIPT'\ntrue\nSCRIPT",
       "with its input");
}

static void native(void)
{
    static const char *const reserved[] = {"-N", "--array", "-t*", NULL};
    static const struct {
        const char *option, *words; /* NULL: refused */
    } rows[] = {
        {"--exclusive", "--exclusive"},
        {"--account=a b", "'--account=a b'"},
        {"-q name", "-q name"},
        {"-q\t name", NULL},
        {"-l a=b c", "-l 'a=b c'"},
        {"-q ", "'-q '"},
        {"-Nx", "-Nx"},
        {"--arrays", "--arrays"},
        {"-N", NULL},
        {"-N x", NULL},
        {"-N=x", NULL},
        {"-N\tx", NULL},
        {"--array=1-3", NULL},
        {"-t1-3", NULL},
        {"", NULL},
        {"-", NULL},
        {"--", NULL},
        {"name", NULL},
        {"-x\n--array=1", NULL},
        {"-x\x7f", NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct repx_args a REPX_AUTO_ARGS = {0};
        struct repx_err err = {0};
        const struct repx_resources r = {.native = &rows[i].option, .native_count = 1};
        int rc = repx_args_native(&a, &r, "qsub", reserved, &err);
        if (rows[i].words) {
            REPX_AUTO_FREE char *text = repx_args_text(&a, NULL);
            ok(rc == 0 && strcmp(text, rows[i].words) == 0, "native \"%s\": %s",
               rows[i].option, text);
        } else {
            ok(rc < 0 && err.code == REPX_E_USAGE && a.count == 0,
               "native option %zu is refused: %s", i, err.text);
        }
    }
}

/* ---- what users write ---- */

static void words(void)
{
    static const struct {
        const char *text;
        int is;
    } rows[] = {{"a", 1},    {"Z9_x", 1}, {"a.b", 1},   {"", 0},
                {"-a", 0},   {"a b", 0},  {"a;b", 0},   {"a\n", 0},
                {"\xc3", 0}, {"a$b", 0},  {"_under", 1}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct repx_err err = {0};
        ok((repx_text_word("queue", rows[i].text, "._", &err) == 0) == rows[i].is &&
               (rows[i].is || (err.code == REPX_E_USAGE && strstr(err.text, "queue"))),
           "word %zu", i);
    }
    ok(repx_text_plain("x", "a \xc3\xa9 $'\"", NULL) == 0 &&
           repx_text_plain("x", "a\tb", NULL) < 0 &&
           repx_text_plain("x", "a\x1b", NULL) < 0,
       "plain texts hold no control characters");
    ok(repx_number_least("cpus", REPX_UNSET, 1, NULL) == 0 &&
           repx_number_least("cpus", 1, 1, NULL) == 0 &&
           repx_number_least("cpus", 0, 1, NULL) < 0 &&
           repx_number_least("cpus", -2, 1, NULL) < 0,
       "unset or enough");
}

static void memory(void)
{
    static const struct {
        int64_t memory, each, cpus, tasks, nodes, is;
    } rows[] = {
        {-1, -1, 4, 1, 1, -1},
        {500, 100, 4, 1, 1, 500},
        {-1, 100, 4, -1, -1, 400},
        {-1, 100, -1, -1, -1, 100},
        {-1, 100, 2, 8, 4, 400},
        {-1, 100, 2, 9, 4, 600},
        {-1, 0, 2, 1, 1, -1},
        {-1, INT64_MAX, 2, 1, 1, INT64_MAX},
        {-1, INT64_MAX / 3, 2, 5, 1, INT64_MAX},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct repx_resources r = {.size = sizeof(r),
                                         .memory = rows[i].memory,
                                         .memory_per_cpu = rows[i].each,
                                         .cpus = rows[i].cpus,
                                         .tasks = rows[i].tasks,
                                         .nodes = rows[i].nodes};
        ok(repx_memory_per_node(&r) == rows[i].is, "memory per node %zu", i);
    }
    const struct repx_resources old = {
        .size = offsetof(struct repx_resources, memory_per_cpu),
        .memory = REPX_UNSET,
        .memory_per_cpu = 100,
        .cpus = 2};
    ok(repx_memory_per_node(&old) == REPX_UNSET,
       "what lies behind an older struct is not read");
}

/* ---- what commands say ---- */

static void said(void)
{
    static const struct {
        const char *errors, *lead, *is;
    } rows[] = {
        {"", NULL, ""},
        {"\n\n", NULL, ""},
        {"one\n", NULL, "one"},
        {"one\r\ntwo\n", NULL, "one; two"},
        {"error: one\nerror: two", "error: ", "one; two"},
        {"error: ", "error: ", ""},
        {"error", "error: ", "error"},
        {"x error: one", "error: ", "x error: one"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        REPX_AUTO_FREE char *text = repx_said(rows[i].errors, rows[i].lead);
        is(text, rows[i].is, "what it said, as one line");
    }
    struct repx_buf long_line REPX_AUTO_BUF = {0};
    for (int i = 0; i < 5000; i++)
        repx_buf_str(&long_line, i % 700 ? "x" : "\n");
    REPX_AUTO_FREE char *text = repx_said(long_line.data, "x");
    ok(strlen(text) <= 1000 && !strchr(text, '\n'), "at most 1000 bytes: %zu",
       strlen(text));
    static const char *const phrases[] = {"no such", "unknown", NULL};
    ok(repx_says("job 3: unknown", phrases) && !repx_says("fine", phrases) &&
           !repx_says("", phrases),
       "phrases are found");
}

static void on_line(void *ctx, char *line)
{
    repx_buf_fmt(ctx, "[%s]", line);
    *line = '!'; /* it may be changed */
}

static void lines(void)
{
    static const char text[] = "one\n\ntwo two\nthree";

    for (size_t step = 1; step <= sizeof(text) - 1; step++) {
        struct repx_buf got REPX_AUTO_BUF = {0};
        struct repx_lines l = {.line = on_line, .ctx = &got};
        for (size_t at = 0; at < sizeof(text) - 1; at += step) {
            size_t left = sizeof(text) - 1 - at;
            repx_lines_take(&l, text + at, left < step ? left : step);
        }
        int rc = repx_lines_end(&l);
        ok(rc < 0 && l.count == 3 && strcmp(got.data, "[one][][two two]") == 0,
           "in pieces of %zu: %s", step, got.data);
    }
    struct repx_buf got REPX_AUTO_BUF = {0};
    struct repx_lines l = {.line = on_line, .ctx = &got};
    repx_lines_take(&l, "", 0);
    repx_lines_take(&l, "all\n", 4);
    ok(repx_lines_end(&l) == 0, "whole lines are no error");
}

static void a_line_without_end(void)
{
    struct repx_buf got REPX_AUTO_BUF = {0};
    struct repx_lines l = {.line = on_line, .ctx = &got};
    REPX_AUTO_FREE char *many = repx_alloc(300000);

    memset(many, 'x', 300000);
    repx_lines_take(&l, "a\n", 2);
    for (int i = 0; i < 20; i++)
        repx_lines_take(&l, many, 300000);
    ok(l.rest.cap < 4u << 20, "a line without end takes no memory");
    repx_lines_take(&l, "tail\nb\n", 7);
    is(got.data, "[a][b]", "its last part is no line of its own");
    ok(repx_lines_end(&l) < 0, "and the answer counts as damaged");
}

/* ---- units ---- */

static void keys(void)
{
    static const struct {
        const char *text;
        size_t n;
        int is;
    } rows[] = {{"kabcdefghijkl", 13, 1},
                {"kabcdefghijk", 12, 0},
                {"k234567abcdefg trailing", 14, 1},
                {"kABCDEFGHIJKL", 13, 0},
                {"kabcdefghijk/", 13, 0},
                {"kabcdefghijklmnopqrstuvwxyz01234", 32, 1},
                {"kabcdefghijklmnopqrstuvwxyz012345", 33, 0}};
    char key[REPX_KEY_SIZE];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int taken = repx_key_take(rows[i].text, rows[i].n, key);
        ok(taken == rows[i].is && (!taken || (strlen(key) == rows[i].n &&
                                              !strncmp(key, rows[i].text, rows[i].n))),
           "key %zu", i);
    }
}

static void programs(void)
{
    static const char *const argv[] = {"/bin/x y", "a'b", NULL};
    const struct repx_unit by_argv = {.argv = argv};
    const struct repx_unit by_body = {.argv = argv, .body = "echo\n"};
    struct repx_buf a REPX_AUTO_BUF = {0}, b REPX_AUTO_BUF = {0};

    repx_unit_program(&by_argv, &a);
    is(a.data, "exec '/bin/x y' 'a'\\''b'\n", "a program by its arguments");
    repx_unit_program(&by_body, &b);
    is(b.data, "echo\n", "or by its body");
}

static void batches(void)
{
    const struct repx_dep by_id = {.id = "7", .key = "k1"}, by_key = {.key = "k1"},
                          none = {.key = "k2"}, empty = {0};
    struct repx_batch b;

    repx_batch_open(&b, 2);
    repx_batch_add(&b, "k1", "11");
    ok(strcmp(repx_batch_id(&b, &by_id), "7") == 0 &&
           strcmp(repx_batch_id(&b, &by_key), "11") == 0,
       "a dependency by id, and by the key of a unit of the batch");
    ok(!repx_batch_id(&b, &none) && !repx_batch_id(&b, &empty) &&
           !repx_batch_id(NULL, &by_key) && repx_batch_id(NULL, &by_id),
       "what was not accepted has none");
    repx_batch_close(&b);
}

static void on_found(void *ctx, const char *key, const char *id, uint32_t state)
{
    repx_buf_fmt(ctx, "%s=%s:%u ", key, id, state);
}

static void look(void *ctx, const char *key)
{
    repx_buf_fmt(ctx, "%s? ", key);
}

static void searches(void)
{
    static const char *const wanted[] = {"kc", "ka", "kb", "ka"};
    struct repx_buf got REPX_AUTO_BUF = {0};
    const struct repx_found_sink sink = {&got, on_found};
    struct repx_search s;

    repx_search_open(&s, wanted, 4);
    ok(s.count == 3, "a key that is asked for twice is one");
    repx_search_note(&s, "ka", "1", REPX_STATE_FAILED);
    repx_search_note(&s, "ka", "2", REPX_STATE_RUNNING);
    repx_search_note(&s, "ka", "3", REPX_STATE_DONE);
    repx_search_note(&s, "kz", "4", REPX_STATE_DONE);
    repx_search_note(&s, "kc", "5", REPX_STATE_DONE);
    ok(s.found == 2, "two are found");
    repx_search_rest(&s, look, &got);
    repx_search_tell(&s, &sink);
    is(got.data, "kb? ka=2:2 kc=5:3 ",
       "of several with one key the one that goes on counts");
    repx_search_close(&s);
    repx_search_open(&s, NULL, 0);
    repx_search_note(&s, "ka", "1", REPX_STATE_DONE);
    repx_search_tell(&s, &sink);
    repx_search_close(&s);
    ok(s.list == NULL, "nothing is asked for, nothing told");
}

int main(void)
{
    arguments();
    native();
    words();
    memory();
    said();
    lines();
    a_line_without_end();
    keys();
    programs();
    batches();
    searches();
    return tap_end();
}
