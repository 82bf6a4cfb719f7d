/* SPDX-License-Identifier: MIT */
/* scheduler_many.c: many units, many rows, few descriptors, little memory, the end in the
 * middle. Against the fake, which counts. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/clock.h>
#include <kit/file.h>

#include "batch.h"
#include "trial.h"

#define ROWS 1000000u
#define ROWS_MEMORY (256u << 20)
#define ROWS_S 120
#define FEW_FDS 24
#define SOME 120

/* ---- a million rows ---- */

static void become(const struct helper *h, int in, int out)
{
    const struct rlimit memory = {ROWS_MEMORY, ROWS_MEMORY};
    int null = open("/dev/null", O_WRONLY);

    (void)dup2(in, 0);
    (void)dup2(out, 1);
    (void)dup2(null, 2);
    (void)setrlimit(RLIMIT_AS, &memory);
    (void)execl(h->program, h->program, "status", h->workdir, (char *)NULL);
    _exit(127);
}

static size_t count_lines(int fd, int64_t deadline)
{
    char bytes[65536];
    size_t lines = 0;

    while (repx_now_ms() < deadline) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 1000) <= 0)
            continue;
        ssize_t n = read(fd, bytes, sizeof(bytes));
        if (n == 0 || (n < 0 && errno != EINTR))
            break;
        for (ssize_t i = 0; i < n; i++)
            lines += bytes[i] == '\n';
    }
    return lines;
}

static void many_rows(struct trial *t)
{
    int in[2], out[2], status = -1;
    int64_t begun = repx_now_ms();

#ifdef __SANITIZE_ADDRESS__
    untested("a million rows in little memory: a sanitizer needs more");
    return;
#endif
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
        return;
    REPX_AUTO_FREE char *ask = repx_format("{\"v\":1,\"timeout_ms\":%d,\"config\":%s}",
                                           ROWS_S * 1000, repx_buf_text(&t->h.config));
    batch_rows(t->c, ROWS);
    pid_t pid = fork();
    if (pid == 0)
        become(&t->h, in[0], out[1]);
    repx_close_fd(&in[0]);
    repx_close_fd(&out[1]);
    (void)repx_write_all(in[1], ask, strlen(ask));
    repx_close_fd(&in[1]);
    size_t lines = count_lines(out[0], begun + INT64_C(1000) * ROWS_S);
    repx_close_fd(&out[0]);
    if (pid > 0) {
        (void)kill(pid, SIGKILL); /* it has closed its output, or is late */
        (void)waitpid(pid, &status, 0);
    }
    batch_rows(t->c, 0);
    (void)check(lines >= ROWS, "status of %u units within %u MiB: %zu rows, %lld ms",
                ROWS, ROWS_MEMORY >> 20, lines, (long long)(repx_now_ms() - begun));
}

/* ---- many units ---- */

static char *some_units(struct trial *t, size_t n, const char *script,
                        struct repx_buf *keys)
{
    struct repx_buf units REPX_AUTO_BUF = {0};
    char key[KEY_LEN + 1];

    for (size_t i = 0; i < n; i++) {
        trial_key(t, key);
        if (i)
            repx_buf_char(&units, ',');
        trial_put(t, &units, key, script, "");
        repx_buf_fmt(keys, "%s\"%s\"", i ? "," : "\"keys\":[", key);
    }
    repx_buf_char(keys, ']');
    return repx_format("\"units\":[%s]", repx_buf_text(&units));
}

static size_t count_accepted(const struct helper *h)
{
    size_t n = 0;

    for (size_t i = 0; i < h->count; i++)
        n += strcmp(helper_text(h, i, "result"), "accepted") == 0;
    return n;
}

/* As long as it takes, they take no more than a few. */
static void few_descriptors(struct trial *t)
{
    struct repx_buf keys REPX_AUTO_BUF = {0};
    REPX_AUTO_FREE char *members = some_units(t, SOME, "true", &keys);
    struct rlimit before, few;

    if (getrlimit(RLIMIT_NOFILE, &before) < 0)
        return;
    few = before;
    few.rlim_cur = FEW_FDS;
    (void)setrlimit(RLIMIT_NOFILE, &few);
    int rc = helper_call(&t->h, "submit", members, CALL_S);
    size_t accepted = count_accepted(&t->h);
    (void)setrlimit(RLIMIT_NOFILE, &before);
    (void)check(rc == 0 && accepted == SOME,
                "%d units with %d descriptors: %zu accepted", SOME, FEW_FDS, accepted);
}

static void few_questions(struct trial *t)
{
    struct repx_buf keys REPX_AUTO_BUF = {0}, ids REPX_AUTO_BUF = {0};
    REPX_AUTO_FREE char *members = some_units(t, SOME, "sleep 60", &keys);

    int rc = helper_call(&t->h, "submit", members, CALL_S);
    for (size_t i = 0; rc == 0 && i < t->h.count; i++) {
        repx_buf_fmt(&ids, "%s\"%s\"", i ? "," : "\"ids\":[",
                     helper_text(&t->h, i, "id"));
    }
    repx_buf_char(&ids, ']');
    static const char *const verbs[] = {"status", "find", "cancel"};
    const char *const asks[] = {"", repx_buf_text(&keys), repx_buf_text(&ids)};
    for (size_t i = 0; i < 3; i++) {
        size_t before = batch_calls(t->c);
        rc = helper_call(&t->h, verbs[i], asks[i], CALL_S);
        size_t used = batch_calls(t->c) - before;
        (void)check(rc == 0 && used <= 4,
                    "%s for %d units asks few commands, not one each: %zu, %lld ms",
                    verbs[i], SOME, used, (long long)t->h.ms);
    }
}

/* ---- the end in the middle ---- */

static void deadline_in_the_middle(struct trial *t)
{
    struct repx_buf keys REPX_AUTO_BUF = {0};
    REPX_AUTO_FREE char *members = some_units(t, SOME, "true", &keys);
    int64_t before = batch_jobs(t->c);

    batch_fault(t->c, "submit slow 100000\n");
    int rc = helper_call(&t->h, "submit", members, 2);
    batch_fault(t->c, "");
    size_t accepted = count_accepted(&t->h);
    int refused = 0;
    for (size_t i = 0; i < t->h.count; i++)
        refused |= strcmp(helper_text(&t->h, i, "result"), "refused") == 0;
    (void)check(rc == 0 && t->h.count == SOME && !refused && accepted > 0 &&
                    accepted < SOME && t->h.ms < 5000,
                "a deadline in the middle: all %d are answered in time (%lld ms), none "
                "as refused; %zu accepted",
                SOME, (long long)t->h.ms, accepted);
    int64_t made = batch_jobs(t->c) - before;
    (void)check(made >= (int64_t)accepted && made <= (int64_t)accepted + 1,
                "and what was accepted is there, at most one more: %lld",
                (long long)made);
}

static void killed_in_the_middle(struct trial *t)
{
    struct repx_buf keys REPX_AUTO_BUF = {0};
    REPX_AUTO_FREE char *members = some_units(t, SOME, "true", &keys);
    REPX_AUTO_FREE char *ask =
        repx_format("{\"v\":1,\"config\":%s,%s}", repx_buf_text(&t->h.config), members);
    int64_t before = batch_jobs(t->c);

    batch_fault(t->c, "submit slow 100000\n");
    (void)helper_raw(&t->h, "submit", ask, strlen(ask), 2);
    size_t told = count_accepted(&t->h);
    (void)poll(NULL, 0, 300);
    int64_t made = batch_jobs(t->c) - before;
    (void)poll(NULL, 0, 500);
    batch_fault(t->c, "");
    (void)check(told > 0 && made >= (int64_t)told && made <= (int64_t)told + 1,
                "killed in the middle: each unit was told as soon as it was there: %zu "
                "of %lld",
                told, (long long)made);
    (void)check(batch_jobs(t->c) - before == made,
                "and nothing is submitted after its death");
    int rc = helper_call(&t->h, "find", repx_buf_text(&keys), CALL_S);
    (void)check(rc == 0 && (int64_t)t->h.count == made,
                "find knows afterwards what is there, and no more: %zu", t->h.count);
}

void scheduler_many(struct trial *t)
{
    few_descriptors(t);
    few_questions(t);
    deadline_in_the_middle(t);
    killed_in_the_middle(t);
    many_rows(t);
}
