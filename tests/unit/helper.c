/* SPDX-License-Identifier: MIT */
/* The helper's request, and running commands. */
#define _DEFAULT_SOURCE
#include "tap.h"

#include <stdlib.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/helper_request.h>
#include <kit/helper_run.h>

#define UNIT \
    "{\"key\":\"kaaaaaaaaaaaaa\",\"name\":\"n\",\"workdir\":\"/w\",\"argv\":[\"a\"]}"

static const struct {
    const char *verb, *text, *name;
    int good;
} requests[] = {
    {"limits", "{\"v\":1}", "nothing but the version", 1},
    {"limits", "{\"v\":1,\"new\":[{}]}", "unknown keys", 1},
    {"limits", "{}", "no version", 0},
    {"limits", "{\"v\":2}", "another version", 0},
    {"limits", "[1]", "no object", 0},
    {"limits", "{\"v\":1", "cut off", 0},
    {"limits", "{\"v\":1,\"v\":1}", "a key twice", 0},
    {"limits", "{\"v\":1,\"timeout_ms\":-1}", "a negative time", 0},
    {"limits", "{\"v\":1,\"config\":[]}", "config of another type", 0},
    {"submit", "{\"v\":1,\"units\":[" UNIT "]}", "a unit", 1},
    {"submit", "{\"v\":1,\"units\":[]}", "no unit", 0},
    {"submit", "{\"v\":1,\"units\":[{}]}", "an empty unit", 0},
    {"submit", "{\"v\":1,\"units\":[3]}", "a number for a unit", 0},
    {"submit",
     "{\"v\":1,\"units\":[{\"key\":\"short\",\"name\":\"n\",\"workdir\":\"/"
     "w\",\"argv\":[\"a\"]}]}",
     "a key of another form", 0},
    {"submit",
     "{\"v\":1,\"units\":[{\"key\":\"kaaaaaaaaaaaaa\",\"name\":\"n\",\"workdir\":\"w\","
     "\"argv\":[\"a\"]}]}",
     "a relative directory", 0},
    {"submit",
     "{\"v\":1,\"units\":[{\"key\":\"kaaaaaaaaaaaaa\",\"name\":\"n\",\"workdir\":\"/w\"}]"
     "}",
     "a unit without a program", 0},
    {"submit",
     "{\"v\":1,\"units\":[{\"key\":\"kaaaaaaaaaaaaa\",\"name\":\"n\",\"workdir\":\"/w\","
     "\"argv\":[\"a\"],\"deps\":[{\"type\":\"soon\",\"id\":\"1\"}]}]}",
     "a dependency of an unknown type", 0},
    {"submit",
     "{\"v\":1,\"units\":[{\"key\":\"kaaaaaaaaaaaaa\",\"name\":\"n\",\"workdir\":\"/w\","
     "\"argv\":[\"a\"],\"array\":-1}]}",
     "a negative array", 0},
    {"submit",
     "{\"v\":1,\"units\":[{\"key\":\"kaaaaaaaaaaaaa\",\"name\":\"n\",\"workdir\":\"/w\","
     "\"argv\":[\"a\"],\"res\":{\"cpus\":\"4\"}}]}",
     "resources as text", 0},
    {"find", "{\"v\":1,\"keys\":[\"kaaaaaaaaaaaaa\"]}", "keys", 1},
    {"find", "{\"v\":1,\"keys\":[\"../../../../etc\"]}", "what is no key", 0},
    {"cancel", "{\"v\":1,\"ids\":[\"1\",\"2\"]}", "ids", 1},
    {"cancel", "{\"v\":1,\"ids\":[1]}", "ids as numbers", 0},
    {"amend", "{\"v\":1,\"id\":\"1\",\"deps\":[{\"type\":\"any\",\"id\":\"2\"}]}",
     "new dependencies", 1},
    {"amend", "{\"v\":1,\"deps\":[]}", "of nobody", 0},
};

static void requests_are_checked(void)
{
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct repx_helper_request r;
        struct repx_err err = {0};
        int rc = repx_helper_parse(&r, requests[i].verb, requests[i].text,
                                   strlen(requests[i].text), &err);
        ok((rc == 0) == requests[i].good, "%s: %s is %s", requests[i].verb,
           requests[i].name, requests[i].good ? "accepted" : "refused");
        if (rc == 0) {
            repx_helper_request_free(&r);
        } else {
            ok(err.code != 0 && err.text[0], "with a reason: %s", err.text);
        }
    }
}

static void a_unit_is_read(void)
{
    static const char text[] =
        "{\"v\":1,\"units\":[{\"key\":\"kaaaaaaaaaaaaa\",\"name\":\"n\",\"workdir\":\"/w\","
        "\"argv\":[\"a\",\"b c\"],\"body\":\"exec a\",\"array\":7,\"deps\":[{\"type\":"
        "\"corr\",\"id\":\"42\"},{\"type\":\"ok\",\"key\":\"kbbbbbbbbbbbbb\"}],\"res\":{"
        "\"cpus\":4,\"mem\":1024,\"time\":-2,\"queue\":\"q\",\"native\":[\"--x\"]}}]}";
    struct repx_helper_request r;
    struct repx_err err = {0};

    if (!ok(repx_helper_parse(&r, "submit", text, sizeof(text) - 1, &err) == 0,
            "a unit with everything %s", err.text))
        return;
    const struct repx_unit *u = r.units;
    is(u->argv[1], "b c", "arguments keep their blanks");
    ok(u->argv[2] == NULL, "and end with NULL");
    ok(u->array == 7 && u->dep_count == 2, "array and dependencies");
    ok(u->deps[0].type == REPX_DEP_CORR && u->deps[1].type == REPX_DEP_OK, "types");
    is(u->deps[0].id, "42", "by id");
    is(u->deps[1].key, "kbbbbbbbbbbbbb", "and by key");
    ok(u->resources.cpus == 4 && u->resources.memory == 1024 && u->resources.time == -2,
       "numbers of resources");
    ok(u->resources.nodes == REPX_UNSET, "what is absent is unset");
    is(u->resources.native[0], "--x", "native options");
    repx_helper_request_free(&r);
}

/* ---- commands ---- */

static struct repx_run_output output;

static int run(const char *script, const char *input, int64_t ms, struct repx_run *r,
               struct repx_err *err)
{
    static const char *argv[4] = {"/bin/sh", "-c", NULL, NULL};

    argv[2] = script;
    *r = (struct repx_run){.size = sizeof(*r),
                           .argv = argv,
                           .input = input,
                           .input_len = input ? strlen(input) : 0,
                           .deadline_ms = ms ? repx_now_ms() + ms : 0};
    return repx_run_command(r, &output, err);
}

static void commands(void)
{
    struct repx_run r;
    struct repx_err err = {0};

    ok(run("cat; echo no >&2; exit 3", "in", 0, &r, &err) == 0, "a command runs");
    is(r.out, "in", "its output is its input here");
    is(r.errors, "no\n", "its messages");
    ok(r.status == 3, "its status");
    ok(run("kill -9 $$", NULL, 0, &r, &err) == 0 && r.status == 137,
       "a signal is 128 and its number");
    REPX_AUTO_FREE char *large = repx_alloc(1 << 20);
    memset(large, 'x', (1 << 20) - 1);
    ok(run("exit 0", large, 5000, &r, &err) == 0,
       "a command that does not read its input does no harm");
    ok(run("cat", large, 5000, &r, &err) == 0 && r.out_len == (1 << 20) - 1,
       "a mebibyte goes in and comes out");
    ok(run("sleep 30 & echo x", NULL, 5000, &r, &err) == 0 && r.out_len == 2,
       "nobody waits for a grandchild that keeps the pipe");
}

static void failures_of_commands(void)
{
    static const char *const none[] = {"/nonexistent/program", NULL};
    struct repx_run r = {.size = sizeof(r), .argv = none};
    struct repx_err err = {0};
    int64_t before = repx_now_ms();

    ok(run("echo waiting >&2; sleep 30", NULL, 200, &r, &err) < 0 &&
           err.code == REPX_E_TIMEOUT,
       "past the deadline it is killed");
    ok(repx_now_ms() - before < 5000, "then, and not later");
    is(r.errors, "waiting\n", "what it said is known");
    r = (struct repx_run){.size = sizeof(r), .argv = none};
    ok(repx_run_command(&r, &output, &err) < 0 && err.code == REPX_E_NOENT,
       "a program that is not there: %s", err.text);
    ok(run("yes", NULL, 5000, &r, &err) < 0 && err.code == REPX_E_FAILED,
       "one that writes for ever is stopped");
    repx_run_output_free(&output);
}

int main(void)
{
    requests_are_checked();
    a_unit_is_read();
    commands();
    failures_of_commands();
    return tap_end();
}
