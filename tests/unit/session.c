/* SPDX-License-Identifier: MIT */
/* The client's session against a real agent process (tests/agent) over transport-local. */
#define _GNU_SOURCE /* mkdtemp */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "agent/link.h"
#include "agent/verbs.h"
#include "core/wire/msg.h"
#include "core/wire/mux.h"
#include "core/wire/verbs.h"

static char *command; /* that starts the agent */

static int collect(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    (void)err;
    repx_buf_add(ctx, bytes, n);
    return 0;
}

static void the_hello_tells_where_and_what(void)
{
    struct link l;
    struct repx_err err = {0};
    size_t n;
    struct session *s = link_session(&l, command, &err);

    ok(s != NULL, "a session %s", err.text);
    const void *hello = session_hello(s, &n);
    REPX_AUTO_FREE char *base = msg_text(hello, n, F_BASE);
    REPX_AUTO_FREE char *state = msg_text(hello, n, F_STATE);
    REPX_AUTO_FREE char *want = repx_format("%s/.repx", base ? base : "");
    ok(base && strstr(command, base), "the base path");
    is(state, want, "the state directory below it");
    ok(msg_number(hello, n, F_CPUS, 0) >= 1, "processors");
    ok(msg_number(hello, n, F_MEMORY, 0) > 1 << 20, "memory");
    ok(msg_number(hello, n, F_TIME, 0) > 1600000000000, "the time in milliseconds");
    session_destroy(s);
    link_end(&l);
}

static void noise_before_the_agent_is_logged(void)
{
    REPX_AUTO_FREE char *noisy = repx_format(
        "echo Welcome; echo to stderr >&2; printf %%s 'quota: 3%%'; exec %s", command);
    struct link l;
    struct repx_err err = {0};
    struct session *s = link_session(&l, noisy, &err);

    ok(s != NULL, "a session behind noise %s", err.text);
    is(link_logged, "quota: 3%", "whose last line was logged");
    session_destroy(s);
    link_end(&l);
}

static const struct {
    const char *command;
    int32_t code;
    const char *text;
} no_agents[] = {
    {"echo 'bash: repx-agent: not found' >&2; exit 127", REPX_E_LINK, "not found"},
    {"echo 'This account is closed.'", REPX_E_LINK, "account is closed"},
    {"printf '\\001repx-agent-wire\\002\\nnonsense-of-some-length'", REPX_E_CORRUPT,
     "frame"},
    {"exit 0", REPX_E_LINK, "ended before an agent answered"},
};

static void what_a_shell_says_instead_is_shown(void)
{
    for (size_t i = 0; i < sizeof(no_agents) / sizeof(no_agents[0]); i++) {
        struct link l;
        struct repx_err err = {0};
        struct session *s = link_session(&l, no_agents[i].command, &err);
        ok(!s && err.code == no_agents[i].code && strstr(err.text, no_agents[i].text),
           "%s: %s", no_agents[i].text, err.text);
        link_end(&l);
    }
}

static void no_answer_at_all_times_out(void)
{
    struct link l;
    struct repx_err err = {0};

    link_start(&l, "echo 'One moment please'; exec sleep 30");
    struct session *s = session_create(l.ops, l.transport, l.stream, &link_host,
                                       link_host.now_ms(NULL) + 1500, &err);
    ok(!s && err.code == REPX_E_TIMEOUT && strstr(err.text, "One moment please"), "%s",
       err.text);
    link_end(&l);
}

static void an_unusable_base_path_is_an_error_not_a_broken_link(void)
{
    REPX_AUTO_FREE char *bad = repx_format(
        "%.*s /proc/nowhere/at/all", (int)(strrchr(command, ' ') - command), command);
    struct link l;
    struct repx_err err = {0};
    struct session *s = link_session(&l, bad, &err);

    ok(!s && err.code != REPX_E_LINK && strstr(err.text, "base path"), "%s", err.text);
    link_end(&l);
}

/* ---- one session, many calls ---- */

static void errors_keep_code_and_text(struct session *s)
{
    static const struct {
        uint16_t verb;
        int32_t code;
        const char *text;
    } cases[] = {
        {TEST_REFUSE, REPX_E_BUSY, "no room?[31m today"},
        {TEST_LATE, REPX_E_NOENT, "the other half is not there"},
        {TEST_CRASHER, REPX_E_FAILED, "signal 9"},
        {4242, REPX_E_UNSUPPORTED, "4242"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct repx_err err = {0};
        int rc = session_ask(s, cases[i].verb, NULL, 0, NULL, NULL, &err);
        ok(rc < 0 && err.code == cases[i].code && strstr(err.text, cases[i].text), "%s",
           err.text);
    }
}

static void data_goes_both_ways_at_once(struct session *s)
{
    const size_t total = (size_t)8 * MUX_WINDOW;
    REPX_AUTO_FREE char *block = repx_alloc(total);
    REPX_AUTO_BUF struct repx_buf back = {0};
    struct repx_err err = {0};

    for (size_t i = 0; i < total; i++)
        block[i] = (char)(i * 31 >> 4);
    struct session_call *c = session_call(s, TEST_ECHO, NULL, 0, collect, &back);
    ok(session_send(c, block, total, &err) == 0, "eight windows go %s", err.text);
    ok(session_finish(c, NULL, &err) == 0, "and are answered %s", err.text);
    ok(back.len == total && memcmp(back.data, block, total) == 0, "with the same");
}

static void an_early_error_ends_an_upload(struct session *s)
{
    REPX_AUTO_FREE char *block = repx_alloc(MUX_WINDOW);
    struct repx_err err = {0}, again = {0};
    struct session_call *c = session_call(s, TEST_REFUSE_DATA, NULL, 0, NULL, NULL);
    int rc = 0;

    for (int i = 0; rc == 0 && i < 100; i++)
        rc = session_send(c, block, MUX_WINDOW, &err);
    ok(rc < 0 && err.code == REPX_E_CORRUPT, "within a few windows: %s", err.text);
    ok(session_finish(c, NULL, &again) < 0 && again.code == REPX_E_CORRUPT,
       "and finish says it again");
}

struct bulk_check {
    int64_t at;
    int bad;
};

static int check_bulk(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    struct bulk_check *b = ctx;
    const char *p = bytes;

    (void)err;
    for (size_t i = 0; i < n; i++)
        b->bad |= p[i] != (char)((b->at + (int64_t)i) * 7 >> 3);
    b->at += (int64_t)n;
    return 0;
}

static void bulk_of_a_worker_does_not_hold_up_others(struct session *s)
{
    const int64_t total = 64 << 20;
    REPX_AUTO_BUF struct repx_buf msg = {0}, fields = {0};
    struct repx_err err = {0};
    struct bulk_check check = {0};
    int64_t between = 0;

    msg_put_number(&msg, F_LENGTH, total);
    struct session_call *c =
        session_call(s, TEST_BULK, msg.data, msg.len, check_bulk, &check);
    for (int i = 0; i < 10; i++) {
        int64_t before = check.at;
        ok(session_ask(s, TEST_ECHO, NULL, 0, NULL, NULL, &err) == 0, "a call between");
        between = check.at - before > between ? check.at - before : between;
    }
    ok(between <= (int64_t)4 * MUX_WINDOW, "waits for %lld bytes of bulk",
       (long long)between);
    ok(session_finish(c, &fields, &err) == 0, "the bulk ends %s", err.text);
    ok(check.at == total && !check.bad, "whole");
    ok(msg_number(fields.data, fields.len, F_COUNT, 0) == total, "with its fields");
}

static void pipelined_calls_are_one_round_trip(struct session *s)
{
    enum { COUNT = 3000 };
    static struct session_call *calls[COUNT];
    struct session_stats before, after;
    struct repx_err err = {0};
    int bad = 0;

    session_stats(s, &before);
    for (int i = 0; i < COUNT; i++) {
        calls[i] = session_call(s, TEST_ECHO, NULL, 0, NULL, NULL);
        bad += session_send(calls[i], "x", 1, &err) < 0;
        session_end(calls[i]);
    }
    for (int i = 0; i < COUNT; i++)
        bad += session_finish(calls[i], NULL, &err) < 0;
    session_stats(s, &after);
    ok(bad == 0, "three thousand calls succeed %s", err.text);
    ok(after.round_trips - before.round_trips == 1, "in one round trip");
    ok(after.bytes_sent > before.bytes_sent, "bytes are counted");
}

/* A process that ended may wait for init to collect it. */
static int ended(pid_t pid)
{
    REPX_AUTO_FREE char *path = repx_format("/proc/%ld/stat", (long)pid);
    REPX_AUTO_BUF struct repx_buf stat = {0};

    if (kill(pid, 0) < 0 && errno == ESRCH)
        return 1;
    if (repx_read_file(AT_FDCWD, path, 4096, &stat, NULL) < 0)
        return 1;
    return strstr(repx_buf_text(&stat), ") Z ") != NULL;
}

static int pid_alive(pid_t pid)
{
    const struct timespec step = {.tv_nsec = 5 * 1000000L};

    for (int i = 0; i < 1000; i++) {
        if (ended(pid))
            return 0;
        (void)nanosleep(&step, NULL);
    }
    return 1;
}

/* Starts a sleeper and waits for its process id. */
static struct session_call *sleeper(struct session *s, struct repx_buf *data,
                                    pid_t *pid)
{
    struct repx_err err = {0};
    struct session_call *c = session_call(s, TEST_SLEEPER, NULL, 0, collect, data);

    *pid = 0;
    for (int i = 0; data->len < sizeof(*pid) && i < 100; i++)
        (void)session_poll(c, link_host.now_ms(NULL) + 20, &err);
    if (data->len >= sizeof(*pid))
        memcpy(pid, data->data, sizeof(*pid));
    return c;
}

static void cancel_ends_the_worker(struct session *s)
{
    REPX_AUTO_BUF struct repx_buf data = {0};
    struct repx_err err = {0};
    pid_t pid;
    struct session_call *c = sleeper(s, &data, &pid);

    ok(pid > 0 && kill(pid, 0) == 0, "a worker sleeps");
    ok(session_poll(c, link_host.now_ms(NULL) + 20, &err) == 0, "its call is not done");
    session_cancel(c);
    ok(session_ask(s, TEST_ECHO, NULL, 0, NULL, NULL, &err) == 0,
       "the session goes on");
    ok(pid > 0 && !pid_alive(pid), "and the worker is gone");
}

static int refuse_data(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    (void)ctx, (void)bytes, (void)n;
    return repx_fail(err, REPX_E_CORRUPT, "the disk here is full");
}

static void a_failing_receiver_cancels(struct session *s)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};
    struct repx_err err = {0};

    msg_put_number(&msg, F_LENGTH, 64 << 20);
    struct session_call *c =
        session_call(s, TEST_BULK, msg.data, msg.len, refuse_data, NULL);
    ok(session_finish(c, NULL, &err) < 0, "a receiver that fails");
    is(err.text, "the disk here is full", "is why");
}

static void what_a_worker_leaves_behind_is_not_waited_for(struct session *s)
{
    REPX_AUTO_BUF struct repx_buf data = {0};
    struct repx_err err = {0};
    int64_t start = link_host.now_ms(NULL);

    ok(session_ask(s, TEST_STARTER, NULL, 0, &data, NULL, &err) == 0, "a starter %s",
       err.text);
    is(repx_buf_text(&data), "started", "has started something");
    ok(link_host.now_ms(NULL) - start < 10000, "and ended before it");
}

static pid_t parent_of(pid_t pid)
{
    REPX_AUTO_FREE char *path = repx_format("/proc/%ld/stat", (long)pid);
    REPX_AUTO_BUF struct repx_buf stat = {0};

    if (repx_read_file(AT_FDCWD, path, 4096, &stat, NULL) < 0)
        return 0;
    const char *after = strrchr(repx_buf_text(&stat), ')');
    return after ? (pid_t)strtol(after + 4, NULL, 10) : 0;
}

static void an_agent_that_was_stopped_is_given_up(void)
{
    REPX_AUTO_BUF struct repx_buf data = {0};
    struct link l;
    struct repx_err err = {0};
    struct session *s = link_session(&l, command, &err);
    pid_t pid;
    struct session_call *c = sleeper(s, &data, &pid);
    pid_t agent = parent_of(pid);

    session_patience(s, 50, 2000);
    ok(session_poll(c, link_host.now_ms(NULL) + 4000, &err) == 0,
       "a long wait is none when the agent gives signs of life %s", err.text);
    if (agent > 1)
        (void)kill(agent, SIGSTOP);
    ok(session_finish(c, NULL, &err) < 0 && err.code == REPX_E_LINK &&
           strstr(err.text, "silent"),
       "a stopped agent: %s", err.text);
    ok(strstr(link_logged, "does not answer") != NULL, "and before that: %s",
       link_logged);
    if (agent > 1)
        (void)kill(agent, SIGKILL);
    session_destroy(s);
    link_end(&l);
}

/* Hashing gigabytes takes seconds, within one call: a client that waits must see that the agent
 * is alive. The file is one hole, which takes no room. */
static void an_agent_at_work_is_not_silent(void)
{
    const int64_t large = (int64_t)2 << 30;
    char path[] = "/tmp/repx-large-XXXXXX";
    REPX_AUTO_CLOSE int fd = mkstemp(path);
    REPX_AUTO_BUF struct repx_buf msg = {0};
    REPX_AUTO_BUF struct repx_buf fields = {0};
    struct link l;
    struct repx_err err = {0};
    struct session *s = link_session(&l, command, &err);

    session_patience(s, 50, 900);
    msg_put_text(&msg, F_NAME, path);
    ok(fd >= 0 && ftruncate(fd, large) == 0, "a large file");
    int64_t from = link_host.now_ms(NULL);
    ok(session_ask(s, TEST_HASH, msg.data, msg.len, NULL, &fields, &err) == 0,
       "an agent that hashes for %lld ms gives signs of life %s",
       (long long)(link_host.now_ms(NULL) - from), err.text);
    ok(msg_number(fields.data, fields.len, F_LENGTH, 0) == large, "and has read all");
    (void)unlink(path);
    session_destroy(s);
    link_end(&l);
}

static void the_user_can_stop_waiting(struct session *s)
{
    REPX_AUTO_BUF struct repx_buf data = {0};
    struct repx_err err = {0};
    pid_t pid;
    struct session_call *c = sleeper(s, &data, &pid);

    link_cancel(1);
    ok(session_finish(c, NULL, &err) < 0 && err.code == REPX_E_CANCELED, "canceled");
    ok(session_ask(s, TEST_SLEEPER, NULL, 0, NULL, NULL, &err) < 0 &&
           err.code == REPX_E_CANCELED,
       "nothing else waits any more");
    link_cancel(0);
    ok(pid > 0 && !pid_alive(pid), "the worker is gone");
}

static void one_session(void)
{
    struct link l;
    struct repx_err err = {0};
    struct session *s = link_session(&l, command, &err);

    ok(s != NULL, "a session %s", err.text);
    errors_keep_code_and_text(s);
    data_goes_both_ways_at_once(s);
    an_early_error_ends_an_upload(s);
    bulk_of_a_worker_does_not_hold_up_others(s);
    pipelined_calls_are_one_round_trip(s);
    cancel_ends_the_worker(s);
    a_failing_receiver_cancels(s);
    what_a_worker_leaves_behind_is_not_waited_for(s);
    the_user_can_stop_waiting(s);
    session_destroy(s);
    link_end(&l);
}

/* ---- ends ---- */

static void workers_end_with_the_session(void)
{
    REPX_AUTO_BUF struct repx_buf data = {0};
    struct link l;
    struct repx_err err = {0};
    struct session *s = link_session(&l, command, &err);
    pid_t pid;

    (void)sleeper(s, &data, &pid);
    ok(pid > 0, "a worker sleeps");
    session_destroy(s);
    link_end(&l);
    ok(!pid_alive(pid), "until the session ends");
}

static void a_killed_agent_is_a_broken_link(void)
{
    REPX_AUTO_BUF struct repx_buf data = {0};
    struct link l;
    struct repx_err err = {0};
    struct session *s = link_session(&l, command, &err);
    pid_t pid;

    struct session_call *c = sleeper(s, &data, &pid);
    ok(session_ask(s, TEST_DIE, NULL, 0, NULL, NULL, &err) < 0 &&
           err.code == REPX_E_LINK,
       "%s", err.text);
    ok(session_finish(c, NULL, &err) < 0 && err.code == REPX_E_LINK, "for every call");
    ok(session_ask(s, TEST_ECHO, NULL, 0, NULL, NULL, &err) < 0 &&
           err.code == REPX_E_LINK,
       "and every later one");
    ok(pid > 0 && !pid_alive(pid), "its worker is gone, too");
    session_destroy(s);
    link_end(&l);
}

static const struct {
    const char *arguments;
    int status;
} programs[] = {
    {"--version", 0},
    {"", 2},
    {"unknown", 2},
    {"session", 2},
    {"session /a /b /c", 2},
    {"verify", 2},
    {"verify 00 /dev/null", 2},
    {"verify e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 /dev/null",
     0},
    {"verify 03b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 /dev/null",
     1},
    {"verify e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 /no/such",
     1},
    {"job", 2},
    {"internal-execute", 2},
    {"internal-gc", 2},
};

static void programs_of_the_agent_say_how_they_went(void)
{
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        REPX_AUTO_FREE char *line = repx_format("exec %s %s >/dev/null 2>&1 </dev/null",
                                                TEST_AGENT, programs[i].arguments);
        int status = system(line);
        ok(WIFEXITED(status) && WEXITSTATUS(status) == programs[i].status, "agent %s",
           programs[i].arguments);
    }
}

int main(void)
{
    char base[] = "/tmp/repx-session-XXXXXX";
    struct repx_err err = {0};

    if (!mkdtemp(base))
        return 99;
    command = repx_format("%s session %s/base", TEST_AGENT, base);
    programs_of_the_agent_say_how_they_went();
    the_hello_tells_where_and_what();
    noise_before_the_agent_is_logged();
    what_a_shell_says_instead_is_shown();
    no_answer_at_all_times_out();
    an_unusable_base_path_is_an_error_not_a_broken_link();
    an_agent_that_was_stopped_is_given_up();
    an_agent_at_work_is_not_silent();
    one_session();
    workers_end_with_the_session();
    a_killed_agent_is_a_broken_link();
    free(command);
    ok(repx_remove_tree(AT_FDCWD, base, &err) == 0, "cleans up");
    return tap_end();
}
