/* SPDX-License-Identifier: MIT */
/* internal-execute: RepX's flags, RepX's directories. */
#include "job_scratch.h"
#include "tap.h"

#include "core/agent/submit.h"
#include "core/wire/verbs.h"

int submit_branches(struct site *site, struct run *run, size_t index, const char *key,
                    size_t branches, struct repx_err *err)
{
    (void)site, (void)run, (void)index, (void)key, (void)branches, (void)err;
    return 0;
}

/* Standard error goes to <base>/errors. */
static int call(struct scratch *s, const char *const *more)
{
    REPX_AUTO_FREE char *script =
        repx_format("%s/artifacts/jobs/j-1/bin/j", s->site.base);
    REPX_AUTO_FREE char *errors = repx_format("%s/errors", s->site.base);
    const char *argv[32] = {"internal-execute", "--job-id",         "j-1",
                            "--runtime",        "native",           "--base-path",
                            s->site.base,       "--host-tools-dir", "t0",
                            "--executable-path"};
    int n = 10;

    argv[n++] = script;
    while (*more)
        argv[n++] = *more++;
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(errors, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        (void)dup2(fd, 2);
        int rc = internal_execute_main(n, (char **)(uintptr_t)argv);
        (void)fflush(stderr);
        _exit(rc);
    }
    return scratch_wait(pid);
}

static void put_script(struct scratch *s, const char *body)
{
    REPX_AUTO_FREE char *path =
        repx_format("%s/artifacts/jobs/j-1/bin/j", s->site.base);
    REPX_AUTO_FREE char *text = repx_format("#!/bin/sh\n%s\n", body);

    scratch_put(path, text, 0755);
}

int main(void)
{
    static const char *const none[] = {NULL};
    static const char *const debug[] = {"--debug", "-vvv", NULL};
    static const char *const fds[] = {"--inputs-json-path", "/dev/fd/9", NULL};
    static const char *const bogus[] = {"--bogus", NULL};
    static const char *const bwrap[] = {"--runtime=bwrap", NULL};
    struct scratch s;

    scratch_open(&s);
    put_script(&s, "echo hello >\"$1/o\"; cat \"$2\" >>\"$1/o\"");
    scratch_file(&s, "outputs/j-1/repx/inputs.json", "{}");
    scratch_file(&s, "outputs/j-1/repx/FAIL", "");
    ok(call(&s, none) == 0, "a good script: 0");
    REPX_AUTO_FREE char *o = scratch_text(&s, "outputs/j-1/out/o");
    is(o, "hello\n{}", "ran with its inputs");
    ok(scratch_has(&s, "outputs/j-1/repx/SUCCESS") &&
           !scratch_has(&s, "outputs/j-1/repx/FAIL"),
       "markers");
    REPX_AUTO_FREE char *log = scratch_text(&s, "outputs/completions.jsonl");
    is(log, "{\"id\":\"j-1\",\"s\":\"ok\"}\n", "completions.jsonl");

    int ends[2];
    ok(pipe(ends) == 0 && write(ends[1], "{\"a\":\"b\"}", 9) == 9,
       "a pipe with inputs");
    (void)close(ends[1]);
    (void)dup2(ends[0], 9);
    put_script(&s, "[ -f \"$2\" ] && cat \"$2\" \"$2\" >\"$1/o\"");
    ok(call(&s, fds) == 0, "inputs through /dev/fd");
    REPX_AUTO_FREE char *twice = scratch_text(&s, "outputs/j-1/out/o");
    is(twice, "{\"a\":\"b\"}{\"a\":\"b\"}", "are a regular file for the script");

    put_script(&s, "echo why it broke >&2; exit 4");
    REPX_AUTO_FREE char *cache = repx_format("%s/xdg", s.site.base);
    (void)setenv("XDG_CACHE_HOME", cache, 1);
    ok(call(&s, debug) == 1, "a bad script: 1");
    REPX_AUTO_FREE char *errors = scratch_text(&s, "errors");
    ok(errors && strstr(errors, "Execution failed") && strstr(errors, "exit code 4") &&
           strstr(errors, "why it broke"),
       "its errors are told");
    ok(scratch_has(&s, "outputs/j-1/repx/FAIL"), "FAIL");
    ok(scratch_has(&s, "xdg/repx/logs/repx-internal.log"), "a log with -vvv");

    REPX_AUTO_FREE char *jobs = repx_format("%s/artifacts", s.site.base);
    (void)repx_remove_tree(AT_FDCWD, jobs, NULL);
    ok(call(&s, none) == 1, "no script: 1");
    REPX_AUTO_FREE char *gone = scratch_text(&s, "errors");
    ok(gone && strstr(gone, "No such file or directory"), "and says so");
    ok(call(&s, bogus) == 2, "an unknown flag: 2");
    ok(call(&s, bwrap) == 2, "bwrap without an image tag: 2");
    scratch_close(&s);
    return tap_end();
}
