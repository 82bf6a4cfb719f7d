/* SPDX-License-Identifier: MIT */
/* job_scratch.h: a base path made by hand, with one run, for tests of the supervisor. */
#ifndef REPX_TEST_JOB_SCRATCH_H
#define REPX_TEST_JOB_SCRATCH_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/job.h"
#include "core/agent/state.h"

#define RUN_ID "20260101T000000Z-abcdefgh"
#define HEX0 "0000000000000000000000000000000000000000000000000000000000000000"
#define HEX1 "1111111111111111111111111111111111111111111111111111111111111111"

struct scratch {
    struct site site;
    size_t jobs;
};

__attribute__((unused)) static void scratch_put(const char *path, const char *text,
                                                mode_t mode)
{
    char *dir = repx_strdup(path);

    *strrchr(dir, '/') = 0;
    (void)repx_make_dirs(dir, 0755, NULL);
    free(dir);
    (void)repx_write_file(AT_FDCWD, path, text, strlen(text), mode, NULL);
}

__attribute__((unused)) static void scratch_file(const struct scratch *s,
                                                 const char *path, const char *text)
{
    REPX_AUTO_FREE char *whole = repx_format("%s/%s", s->site.base, path);

    scratch_put(whole, text, 0644);
}

/* A script of the package HEX0: S/pkg/<HEX0>/bin/<name>. */
__attribute__((unused)) static void scratch_script(const struct scratch *s,
                                                   const char *name, const char *body)
{
    REPX_AUTO_FREE char *path =
        repx_format("%s/pkg/" HEX0 "/bin/%s", s->site.state, name);
    REPX_AUTO_FREE char *text = repx_format("#!/bin/sh\n%s\n", body);

    scratch_put(path, text, 0755);
}

__attribute__((unused)) static void scratch_open(struct scratch *s)
{
    char dir[] = "/tmp/repx-test.XXXXXX";

    *s = (struct scratch){0};
    s->site.base = repx_strdup(mkdtemp(dir));
    (void)chmod(s->site.base, 0755);
    s->site.state = repx_format("%s/.repx", s->site.base);
    (void)mkdir(s->site.state, 0755);
    REPX_AUTO_FREE char *outputs = repx_format("%s/outputs", s->site.base);
    (void)mkdir(outputs, 0755);
    s->site.base_fd = open(s->site.base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    s->site.state_fd = open(s->site.state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    s->site.host = repx_strdup("testnode");
    s->site.boot = repx_strdup("boot-1");
}

__attribute__((unused)) static void scratch_close(struct scratch *s)
{
    (void)repx_remove_tree(AT_FDCWD, s->site.base, NULL);
    (void)close(s->site.base_fd);
    (void)close(s->site.state_fd);
    free(s->site.base);
    free(s->site.state);
    free(s->site.host);
    free(s->site.boot);
}

/* Write the run with these plan lines (the list ends with NULL); more: further members
 * of run.json, each with its leading comma. */
__attribute__((unused)) static void scratch_run(struct scratch *s, const char *more,
                                                const char *const *lines)
{
    REPX_AUTO_BUF struct repx_buf plan = {0};
    REPX_AUTO_BUF struct repx_buf index = {0};

    for (s->jobs = 0; lines[s->jobs]; s->jobs++) {
        uint64_t at = plan.len;
        repx_buf_add(&index, &at, sizeof at);
        repx_buf_fmt(&plan, "%s\n", lines[s->jobs]);
    }
    uint64_t at = plan.len;
    repx_buf_add(&index, &at, sizeof at);
    REPX_AUTO_FREE char *dir = repx_format("%s/runs/" RUN_ID, s->site.state);
    (void)repx_make_dirs(dir, 0755, NULL);
    REPX_AUTO_FREE char *record = repx_format(
        "{\"v\":1,\"run\":\"" RUN_ID "\",\"scheduler\":\"local\",\"count\":%zu%s}\n",
        s->jobs, more);
    REPX_AUTO_FREE char *a = repx_format("%s/plan", dir);
    REPX_AUTO_FREE char *b = repx_format("%s/plan.idx", dir);
    REPX_AUTO_FREE char *c = repx_format("%s/run.json", dir);
    (void)repx_write_file(AT_FDCWD, a, plan.data, plan.len, 0644, NULL);
    (void)repx_write_file(AT_FDCWD, b, index.data, index.len, 0644, NULL);
    scratch_put(c, record, 0644);
}

__attribute__((unused)) static int scratch_wait(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#ifndef SCRATCH_RECORDS_ONLY

/* One unit in a child process, as the scheduler starts it; its pid. */
__attribute__((unused)) static pid_t scratch_start(struct scratch *s, size_t index,
                                                   const char *phase, int64_t branch,
                                                   const char *unit_id)
{
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid)
        return pid;
    struct repx_err err = {0};
    char key[27];
    REPX_AUTO_FREE char *what = repx_format("%s%lld", phase, (long long)branch);
    struct unit u = {.site = &s->site, .index = index, .unit_id = unit_id};

    process_prepare();
    u.run = run_open(&s->site, RUN_ID, &err);
    int rc = u.run ? unit_open(&u, phase, branch, &err) : -1;
    if (rc == 0) {
        submission_key(RUN_ID, u.id, what, 0, key);
        u.key = key;
        (void)live_set(&s->site, u.id, RUN_ID, index, key, NULL); /* as a submitter */
        rc = unit_run(&u, &err);
    }
    if (err.code)
        fprintf(stderr, "# %s\n", err.text);
    unit_close(&u);
    run_close(u.run);
    (void)fflush(stderr);
    _exit(rc < 0 ? 99 : rc);
}

__attribute__((unused)) static int scratch_unit(struct scratch *s, size_t index,
                                                const char *phase, int64_t branch)
{
    return scratch_wait(scratch_start(s, index, phase, branch, "7"));
}

#endif

/* Content of a file below B, or NULL; caller frees. */
__attribute__((unused)) static char *scratch_text(const struct scratch *s,
                                                  const char *path)
{
    struct repx_buf b = {0};

    if (repx_read_file(s->site.base_fd, path, 1u << 20, &b, NULL) < 0) {
        repx_buf_free(&b);
        return NULL;
    }
    return repx_buf_detach(&b);
}

__attribute__((unused)) static int scratch_has(const struct scratch *s,
                                               const char *path)
{
    return faccessat(s->site.base_fd, path, F_OK, 0) == 0;
}

/* How often a word occurs in the run's events. */
__attribute__((unused)) static int scratch_events(const struct scratch *s,
                                                  const char *word)
{
    REPX_AUTO_FREE char *text =
        scratch_text(s, ".repx/runs/" RUN_ID "/events/testnode");
    int n = 0;

    for (const char *at = text; at && (at = strstr(at, word)) != NULL; at++)
        n++;
    return n;
}

#define PLAN_HEAD(id)                                                 \
    "{\"v\":1,\"id\":\"" id "\",\"key\":\"" HEX1 "\",\"pkg\":\"" HEX0 \
    "\",\"run\":\"r\",\"runtime\":\"native\",\"image\":null,\"wanted\":true,"
#define PLAN_SIMPLE(id, script, rest)                                            \
    PLAN_HEAD(id)                                                                \
    "\"type\":\"simple\",\"exes\":{\"main\":{\"path\":\"jobs/" id "/bin/" script \
    "\",\"outputs\":{\"o\":\"$out/o.txt\"}}}" rest "}"

#endif
