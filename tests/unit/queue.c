/* SPDX-License-Identifier: MIT */
/* The local scheduler's queue, from outside: through its helper. */
#define _DEFAULT_SOURCE
#include "tap.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/helper_call.h"

#define KEY_A "kaaaaaaaaaaaaa"
#define KEY_B "kbbbbbbbbbbbbb"
#define KEY_C "kcccccccccccccc"
#define KEY_D "kddddddddddddd"

/* A unit as JSON: a shell command in the scratch directory; more: further members. */
static char *unit(const struct helper *h, const char *key, const char *command,
                  const char *more)
{
    return repx_format(
        "{\"key\":\"%s\",\"name\":\"%s\",\"workdir\":\"%s\","
        "\"argv\":[\"/bin/sh\",\"-c\",\"%s\"]%s}",
        key, key, h->dir, command, more);
}

static size_t submit(struct helper *h, const char *config, size_t count,
                     char *const *units)
{
    REPX_AUTO_BUF struct repx_buf b = {0};

    repx_buf_fmt(&b, "{\"v\":1,\"config\":{%s},\"units\":[", config);
    for (size_t i = 0; i < count; i++) {
        repx_buf_fmt(&b, "%s%s", i ? "," : "", units[i]);
        free(units[i]);
    }
    repx_buf_str(&b, "]}");
    return helper_call(h, "submit", repx_buf_detach(&b));
}

static size_t count_lines(const struct helper *h, const char *file)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    REPX_AUTO_FREE char *path = repx_format("%s/%s", h->dir, file);
    size_t n = 0;

    if (repx_read_file(AT_FDCWD, path, 1 << 20, &b, NULL) == 0) {
        for (size_t i = 0; i < b.len; i++)
            n += b.data[i] == '\n';
    }
    return n;
}

/* Pid of the queue, 0 when none has the lease. */
static pid_t queue_pid(const struct helper *h)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    REPX_AUTO_FREE char *path = repx_format("%s/lease", h->workdir);
    const char *at = NULL;

    if (repx_read_file(AT_FDCWD, path, 4096, &b, NULL) == 0)
        at = repx_buf_text(&b);
    for (int field = 0; at && field < 3; field++) {
        at = strchr(at, '\t');
        at = at ? at + 1 : NULL;
    }
    return at ? (pid_t)strtol(at, NULL, 10) : 0;
}

static void kill_queue(const struct helper *h)
{
    pid_t pid = queue_pid(h);

    if (pid > 1)
        (void)kill(pid, SIGKILL);
}

/* A queue that was killed leaves its lease; a zombie has no command line. */
static int queue_runs(const struct helper *h)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    REPX_AUTO_FREE char *path = repx_format("/proc/%ld/cmdline", (long)queue_pid(h));

    return queue_pid(h) > 0 && repx_read_file(AT_FDCWD, path, 65536, &b, NULL) == 0 &&
           b.len > 0;
}

/* Let the queue end before its directory goes. */
static void end(struct helper *h)
{
    for (int i = 0; i < 3000 && queue_runs(h); i++)
        (void)poll(NULL, 0, 10);
    ok(!queue_runs(h), "the queue ends by itself when there is nothing to do");
    helper_close(h);
}

static void results_and_dependencies(void)
{
    struct helper h;
    helper_open(&h, SCHED_LOCAL);
    char *units[] = {
        unit(&h, KEY_A, "exit 0", ""),
        unit(&h, KEY_B, "exit 3", ""),
        unit(&h, KEY_C, "exit 0",
             ",\"deps\":[{\"type\":\"ok\",\"key\":\"" KEY_B "\"}]"),
        unit(&h, KEY_D, "echo x >> d",
             ",\"deps\":[{\"type\":\"any\",\"key\":\"" KEY_B
             "\"},{\"type\":\"ok\",\"key\":\"" KEY_A "\"}]"),
    };

    ok(submit(&h, "", 4, units) == 4 && h.status == 0, "each unit is answered");
    is(helper_text(&h, 3, "result"), "accepted", "and accepted");
    ok(strcmp(helper_text(&h, 0, "id"), helper_text(&h, 1, "id")) != 0,
       "with an id of its own");
    ok(helper_wait(&h, 20000), "all ends");
    is(helper_state(&h, KEY_A, -1), "done", "exit 0 is done");
    is(helper_state(&h, KEY_B, -1), "failed", "exit 3 is failed");
    is(helper_state(&h, KEY_C, -1), "canceled", "after a failure, afterok never runs");
    is(helper_state(&h, KEY_D, -1), "done", "and afterany does");
    ok(count_lines(&h, "d") == 1, "in its working directory");
    end(&h);
}

static void environment(void)
{
    struct helper h;
    helper_open(&h, SCHED_LOCAL);
    char *units[] = {
        unit(&h, KEY_A,
             "test -n $REPX_UNIT -a -z $REPX_INDEX && ! test -t 0 && "
             "test $(ls /proc/self/fd | wc -l) -le 4",
             ""),
        unit(&h, KEY_B, "test $REPX_INDEX -ge 0 && test $REPX_INDEX -lt 3",
             ",\"array\":3"),
        unit(&h, KEY_C, "exit 0", ""),
    };

    (void)submit(&h, "", 3, units);
    ok(helper_wait(&h, 20000), "all ends");
    is(helper_state(&h, KEY_A, -1), "done",
       "a unit has its id, no index, no terminal and no descriptors of ours");
    is(helper_state(&h, KEY_B, 2), "done", "an element of an array has its index");
    is(helper_state(&h, KEY_B, 3), "", "and there are no more of them than asked for");
    end(&h);
}

static void arrays(void)
{
    struct helper h;
    helper_open(&h, SCHED_LOCAL);
    char *units[] = {
        unit(&h, KEY_A, "test $REPX_INDEX != 1", ",\"array\":4"),
        unit(&h, KEY_B, "echo $REPX_INDEX >> b",
             ",\"array\":4,\"deps\":[{\"type\":\"corr\",\"key\":\"" KEY_A "\"}]"),
        unit(&h, KEY_C, "exit 0",
             ",\"deps\":[{\"type\":\"any\",\"key\":\"" KEY_B "\"}]"),
        unit(&h, KEY_D, "exit 0",
             ",\"deps\":[{\"type\":\"ok\",\"key\":\"" KEY_B "\"}]"),
    };

    (void)submit(&h, "", 4, units);
    ok(helper_wait(&h, 20000), "all ends");
    is(helper_state(&h, KEY_A, 1), "failed", "one element of the first array fails");
    is(helper_state(&h, KEY_B, 1), "canceled", "its counterpart never runs");
    is(helper_state(&h, KEY_B, 2), "done", "the others do");
    ok(count_lines(&h, "b") == 3, "once each");
    is(helper_state(&h, KEY_C, -1), "done", "afterany waits for all elements");
    is(helper_state(&h, KEY_D, -1), "canceled", "afterok wants all of them to succeed");
    end(&h);
}

static void cancel_and_amend(void)
{
    struct helper h;
    helper_open(&h, SCHED_LOCAL);
    char *units[] = {
        unit(&h, KEY_A, "exec sleep 60", ""),
        unit(&h, KEY_B, "exit 0",
             ",\"deps\":[{\"type\":\"ok\",\"key\":\"" KEY_A "\"}]"),
        unit(&h, KEY_C, "trap 'echo t >> c; exit 1' TERM; while :; do sleep 0.05; done",
             ""),
        unit(&h, KEY_D, "exit 0",
             ",\"deps\":[{\"type\":\"ok\",\"key\":\"" KEY_A "\"}]"),
    };

    (void)submit(&h, "\"jobs\":4", 4, units);
    REPX_AUTO_FREE char *a = repx_strdup(helper_text(&h, 0, "id"));
    REPX_AUTO_FREE char *c = repx_strdup(helper_text(&h, 2, "id"));
    REPX_AUTO_FREE char *d = repx_strdup(helper_text(&h, 3, "id"));
    (void)poll(NULL, 0, 200);
    (void)helper_call(&h, "amend",
                      repx_format("{\"v\":1,\"id\":\"%s\",\"deps\":[{\"type\":\"any\","
                                  "\"id\":\"%s\"}]}",
                                  d, a));
    ok(h.status == 0, "dependencies can be replaced");
    (void)helper_call(&h, "cancel",
                      repx_format("{\"v\":1,\"ids\":[\"%s\",\"%s\",\"never\"]}", a, c));
    ok(h.status == 0, "cancelling what is not known is no error");
    int64_t before = repx_now_ms();
    ok(helper_wait(&h, 20000), "all ends");
    ok(repx_now_ms() - before < 5000, "at once, since TERM is enough");
    is(helper_state(&h, KEY_A, -1), "canceled", "a cancelled unit");
    is(helper_state(&h, KEY_B, -1), "canceled", "what depends on it");
    is(helper_state(&h, KEY_D, -1), "done", "what depends on it in another way by now");
    ok(count_lines(&h, "c") == 1, "a unit hears TERM first");
    end(&h);
}

/* Units of many small scripts that each write one line. */
static void submit_many(struct helper *h, size_t count)
{
    char **units = repx_array(count, sizeof(*units));

    for (size_t i = 0; i < count; i++) {
        REPX_AUTO_FREE char *key = repx_format("kmany%09zu", i);
        units[i] = unit(h, key, "echo $REPX_UNIT >> many", "");
    }
    (void)submit(h, "\"jobs\":4", count, units);
    free(units);
}

/* How often each line of the file occurs, at most. */
static size_t most_often(const struct helper *h, const char *file)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    REPX_AUTO_FREE char *path = repx_format("%s/%s", h->dir, file);
    json_t *seen = json_object();
    size_t most = 0;

    (void)repx_read_file(AT_FDCWD, path, 1 << 20, &b, NULL);
    for (char *line = b.len ? b.data : NULL; line && *line;) {
        char *stop = strchr(line, '\n');
        if (stop)
            *stop = 0;
        json_int_t n = json_integer_value(json_object_get(seen, line)) + 1;
        (void)json_object_set_new(seen, line, json_integer(n));
        most = (size_t)n > most ? (size_t)n : most;
        line = stop ? stop + 1 : NULL;
    }
    json_decref(seen);
    return most;
}

static void killed_again_and_again(void)
{
    struct helper h;
    unsigned kills = 0;
    helper_open(&h, SCHED_LOCAL);

    submit_many(&h, 300);
    for (int i = 0; i < 25; i++) {
        (void)poll(NULL, 0, 3 + i % 5);
        kills += queue_pid(&h) > 1;
        kill_queue(&h);
        (void)helper_call(&h, "status", repx_strdup("{\"v\":1}"));
    }
    ok(kills > 5, "the queue was killed %u times", kills);
    ok(helper_wait(&h, 60000), "all ends all the same");
    ok(count_lines(&h, "many") == 300, "every unit ran");
    ok(most_often(&h, "many") == 1, "and none twice");
    end(&h);
}

static void what_runs_is_adopted(void)
{
    struct helper h;
    helper_open(&h, SCHED_LOCAL);
    char *units[] = {
        unit(&h, KEY_A, "sleep 1; echo x >> a", ""),
        unit(&h, KEY_B, "echo x >> b",
             ",\"deps\":[{\"type\":\"ok\",\"key\":\"" KEY_A "\"}]"),
    };

    (void)submit(&h, "", 2, units);
    (void)poll(NULL, 0, 300);
    kill_queue(&h);
    (void)helper_call(&h, "status", repx_strdup("{\"v\":1}"));
    is(helper_state(&h, KEY_A, -1), "running", "a unit goes on without its queue");
    ok(helper_wait(&h, 20000), "the next queue sees its end");
    is(helper_state(&h, KEY_A, -1), "ended", "of which it cannot know how it was");
    ok(count_lines(&h, "a") == 1, "it ran once");
    is(helper_state(&h, KEY_B, -1), "done", "and what waited for it runs");
    end(&h);
}

static void files_that_are_torn(void)
{
    struct helper h;
    helper_open(&h, SCHED_LOCAL);
    REPX_AUTO_FREE char *spool = repx_format("%s/spool", h.workdir);
    REPX_AUTO_FREE char *bad = repx_format("%s/00000000001-torn", spool);
    REPX_AUTO_FREE char *journal = repx_format("%s/journal", h.workdir);
    static const char torn[] = "batch\t1\t\t0\t0\t0\nunit\tlx-0\tk\tn\t/tmp\t0\t1\t1\n";
    char *units[] = {unit(&h, KEY_A, "exit 0", "")};

    (void)repx_make_dirs(spool, 0700, NULL);
    (void)repx_write_file(AT_FDCWD, bad, torn, sizeof(torn) - 1, 0600, NULL);
    (void)repx_write_file(AT_FDCWD, journal, "run\tlx-0\t0\t1", 12, 0600, NULL);
    (void)submit(&h, "", 1, units);
    ok(helper_wait(&h, 20000), "half a request and half a journal line stop nothing");
    is(helper_state(&h, KEY_A, -1), "done", "the unit runs");
    ok(json_array_size(h.answer) == 1, "and the torn one does not");
    end(&h);
}

static void two_at_once(void)
{
    struct helper h;
    helper_open(&h, SCHED_LOCAL);
    pid_t pids[4];

    for (int i = 0; i < 4; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            REPX_AUTO_FREE char *key = repx_format("kstarter%06d", i);
            char *units[] = {unit(&h, key, "echo $REPX_UNIT >> many", ",\"array\":20")};
            _exit(submit(&h, "", 1, units) == 1 ? 0 : 1);
        }
    }
    for (int i = 0; i < 4; i++)
        (void)waitpid(pids[i], NULL, 0);
    ok(helper_wait(&h, 20000), "four starters at once");
    ok(count_lines(&h, "many") == 80, "every element ran once: one queue served all");
    end(&h);
}

static void room(void)
{
    struct helper h;
    helper_open(&h, SCHED_LOCAL);
    static const char command[] = "mkdir lock && sleep 0.05 && rmdir lock";
    char *units[] = {
        unit(&h, KEY_A, command, ",\"array\":5"),
        unit(&h, KEY_B, command, ",\"res\":{\"mem\":1000000000000000}"),
    };
    char *heavy[] = {
        unit(&h, KEY_C, command, ",\"array\":5,\"res\":{\"mem\":700000}"),
    };

    (void)submit(&h, "\"run\":\"one\",\"jobs\":1", 2, units);
    ok(helper_wait(&h, 20000), "all ends");
    is(helper_state(&h, KEY_A, 4), "done", "one job at a time");
    is(helper_state(&h, KEY_B, -1), "done", "what is too large runs alone");
    (void)submit(&h, "\"run\":\"two\",\"jobs\":4,\"memory\":1000000", 1, heavy);
    ok(helper_wait(&h, 20000), "all ends");
    is(helper_state(&h, KEY_C, 4), "done", "two that do not fit together wait in turn");
    end(&h);
}

static void fail_fast(void)
{
    struct helper h;
    helper_open(&h, SCHED_LOCAL);
    char *units[] = {
        unit(&h, KEY_A, "exit 1", ""),
        unit(&h, KEY_B, "echo x >> b", ""),
    };

    (void)submit(&h, "\"run\":\"r\",\"jobs\":1,\"fail_fast\":true", 2, units);
    ok(helper_wait(&h, 20000), "all ends");
    is(helper_state(&h, KEY_B, -1), "canceled", "after a failure nothing more starts");
    end(&h);
}

static void refusals(void)
{
    struct helper h;
    helper_open(&h, SCHED_LOCAL);
    char *units[] = {
        unit(&h, KEY_A, "exit 0",
             ",\"deps\":[{\"type\":\"ok\",\"key\":\"" KEY_B "\"}]"),
        repx_format("{\"key\":\"" KEY_C
                    "\",\"name\":\"c\",\"workdir\":\"/tmp\",\"argv\":"
                    "[\"/nonexistent/program\"]}"),
    };

    (void)submit(&h, "", 2, units);
    is(helper_text(&h, 0, "result"), "refused", "a dependency on nothing is refused");
    ok(helper_wait(&h, 20000), "all ends");
    is(helper_state(&h, KEY_C, -1), "failed", "a program that is not there fails");
    (void)helper_call(&h, "find",
                      repx_strdup("{\"v\":1,\"keys\":[\"" KEY_C "\",\"" KEY_D "\"]}"));
    ok(json_array_size(h.answer) == 1,
       "find knows what was accepted, and nothing else");
    is(helper_text(&h, 0, "state"), "failed", "with its state");
    end(&h);
}

int main(void)
{
    results_and_dependencies();
    environment();
    arrays();
    cancel_and_amend();
    killed_again_and_again();
    what_runs_is_adopted();
    files_that_are_torn();
    two_at_once();
    room();
    fail_fast();
    refusals();
    return tap_end();
}
