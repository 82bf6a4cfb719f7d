/* SPDX-License-Identifier: MIT */
/* submit_scratch.h: a base path with an agent and schedulers of the test's own.
 *
 * The agent is a script that does what a supervisor does as far as submission sees it: a
 * line in B/started, then B/behave/<index> is run, then the marker and the event. */
#ifndef REPX_TEST_SUBMIT_SCRATCH_H
#define REPX_TEST_SUBMIT_SCRATCH_H

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>
#include <kit/helper_run.h>

#include "core/agent/run_verbs.h"
#include "core/agent/state.h"
#include "core/agent/submit.h"

#define HEX "0000000000000000000000000000000000000000000000000000000000000000"

static const char agent_script[] =
    "#!/bin/sh\n"
    "B=$2 RUN=$3 I=$4 PHASE=$5 KEY=$6\n"
    "S=\"$B/.repx/sub/$KEY\"\n"
    "echo \"{\\\"v\\\":1,\\\"by\\\":\\\"job\\\",\\\"id\\\":\\\"$REPX_UNIT\\\"}\""
    " > \"$S/mine\"\n"
    "ln \"$S/mine\" \"$S/id\" 2> /dev/null || "
    "grep -q \"\\\"id\\\":\\\"$REPX_UNIT\\\"\" \"$S/id\" || exit 0\n"
    "echo \"$I $PHASE $KEY $REPX_UNIT\" >> \"$B/started\"\n"
    "ok=true\n"
    "test ! -e \"$B/behave/$I\" || sh \"$B/behave/$I\" || ok=false\n"
    "mkdir -p \"$B/outputs/job-$I/repx\"\n"
    "if $ok; then : > \"$B/outputs/job-$I/repx/SUCCESS\"; fi\n"
    "echo \"{\\\"v\\\":1,\\\"t\\\":9000000000000,\\\"i\\\":$I,\\\"e\\\":\\\"end\\\","
    "\\\"n\\\":1,\\\"phase\\\":\\\"$PHASE\\\",\\\"ok\\\":$ok}\""
    " >> \"$B/.repx/runs/$RUN/events/fake\"\n"
    "rm -f \"$B/.repx/live/job-$I\"\n"
    "$ok\n";

/* A scheduler that answers as B/mode says: it remembers what it was asked to submit in
 * B/queue unless the mode is "lost" or "refused", and each call in B/calls. B/meanwhile is
 * run once, before the first answer. */
static const char scheduler_script[] =
    "#!/bin/sh\n"
    "B=${0%/bin/*}\n"
    "input=$(cat)\n"
    "keys=$(echo \"$input\" | grep -o '\"key\":\"k[a-z2-7]*\",\"name\"' | cut -d'\"' -f4)\n"
    "mode=$(cat \"$B/mode\")\n"
    "i=0\n"
    "echo \"$1\" >> \"$B/calls\"\n"
    "if mv \"$B/meanwhile\" \"$B/now\" 2> /dev/null; then sh \"$B/now\"; fi\n"
    "case $1 in\n"
    "limits) test ! -e \"$B/limits\" || cat \"$B/limits\" ;;\n"
    "submit) echo \"$input\" >> \"$B/requests\"; for k in $keys; do\n"
    "  case $mode in\n"
    "  lost|refused) ;;\n"
    "  room*) n=$(printf %s \"$input\" | grep -o \"\\\"key\\\":\\\"$k\\\",\\\"name\\\".*\" |"
    " grep -o '\"array\":[0-9]*' | head -n 1 | cut -d: -f2)\n"
    "    if [ \"${n:-1}\" -gt \"${mode#room}\" ]; then room=1; else room=;"
    " echo \"$k\" >> \"$B/queue\"; fi ;;\n"
    "  *) echo \"$k\" >> \"$B/queue\" ;;\n"
    "  esac\n"
    "  case $mode in\n"
    "  accepted) echo \"{\\\"v\\\":1,\\\"i\\\":$i,\\\"result\\\":\\\"accepted\\\","
    "\\\"id\\\":\\\"f-$k\\\"}\" ;;\n"
    "  refused) echo \"{\\\"v\\\":1,\\\"i\\\":$i,\\\"result\\\":\\\"refused\\\","
    "\\\"text\\\":\\\"no\\\"}\" ;;\n"
    "  die) kill -9 $$ ;;\n"
    "  room*) if [ $room ]; then echo \"{\\\"v\\\":1,\\\"i\\\":$i,"
    "\\\"result\\\":\\\"room\\\"}\"; else echo \"{\\\"v\\\":1,\\\"i\\\":$i,"
    "\\\"result\\\":\\\"accepted\\\",\\\"id\\\":\\\"f-$k\\\"}\"; fi ;;\n"
    "  *) echo \"{\\\"v\\\":1,\\\"i\\\":$i,\\\"result\\\":\\\"perhaps\\\"}\" ;;\n"
    "  esac\n"
    "  i=$((i+1))\n"
    "done ;;\n"
    "find|status) touch \"$B/queue\"; while read -r k; do\n"
    "  case $input in *$k*|*scope*) echo \"{\\\"v\\\":1,\\\"key\\\":\\\"$k\\\","
    "\\\"id\\\":\\\"f-$k\\\",\\\"state\\\":\\\"pending\\\"}\" ;; esac\n"
    "done < \"$B/queue\" ;;\n"
    "amend) echo \"$input\" >> \"$B/amended\" ;;\n"
    "esac\n"
    "exit 0\n";

struct scratch {
    struct site site;
    char *base;
};

__attribute__((unused)) static void
scratch_put(const struct scratch *s, const char *path, const char *text, mode_t mode)
{
    REPX_AUTO_FREE char *whole = repx_format("%s/%s", s->base, path);
    REPX_AUTO_FREE char *dir = repx_strdup(whole);

    *strrchr(dir, '/') = 0;
    (void)repx_make_dirs(dir, 0755, NULL);
    (void)repx_write_file(AT_FDCWD, whole, text, strlen(text), mode, NULL);
}

__attribute__((unused)) static void scratch_open(struct scratch *s)
{
    char dir[] = "/tmp/repx-test.XXXXXX";
    struct repx_err err = {0};
    struct repx_buf helper REPX_AUTO_BUF = {0};

    s->base = repx_strdup(mkdtemp(dir));
    if (site_open(&s->site, s->base, "", &err) < 0)
        printf("# %s\n", err.text);
    scratch_put(s, "bin/x/repx-agent", agent_script, 0755);
    scratch_put(s, "bin/x/sched-fake", scheduler_script, 0755);
    scratch_put(s, "mode", "accepted", 0644);
    (void)repx_read_file(AT_FDCWD, SCHED_LOCAL, 64 << 20, &helper, NULL);
    REPX_AUTO_FREE char *path = repx_format("%s/bin/x/sched-local", s->base);
    (void)repx_write_file(AT_FDCWD, path, helper.data, helper.len, 0755, NULL);
}

__attribute__((unused)) static void scratch_close(struct scratch *s)
{
    REPX_AUTO_FREE char *lease = repx_format("%s/.repx/queue/lease", s->base);

    for (int i = 0; i < 400 && access(lease, F_OK) == 0; i++)
        (void)usleep(10000); /* the queue ends before its directory goes */
    (void)repx_remove_tree(AT_FDCWD, s->base, NULL);
    site_close(&s->site);
    free(s->base);
}

/* Write the run; deps: for each job a JSON list of its producers. */
__attribute__((unused)) static void scratch_run(const struct scratch *s,
                                                const char *run, const char *scheduler,
                                                size_t count, const char *const *deps)
{
    struct repx_buf plan REPX_AUTO_BUF = {0}, index REPX_AUTO_BUF = {0};
    REPX_AUTO_FREE char *record = repx_format(
        "{\"v\":1,\"run\":\"%s\",\"scheduler\":\"%s\",\"helper\":{\"%s\":"
        "\"bin/x/sched-%s\"},\"agents\":{\"%s\":\"bin/x/repx-agent\"},\"count\":%zu,"
        "\"jobs_limit\":4}\n",
        run, scheduler, REPX_TEST_ARCH, scheduler, REPX_TEST_ARCH, count);
    REPX_AUTO_FREE char *a = repx_format(".repx/runs/%s/events/none", run);
    REPX_AUTO_FREE char *b = repx_format("%s/.repx/runs/%s/plan", s->base, run);
    REPX_AUTO_FREE char *c = repx_format("%s/.repx/runs/%s/plan.idx", s->base, run);
    REPX_AUTO_FREE char *d = repx_format(".repx/runs/%s/run.json", run);
    uint64_t at = 0;

    for (size_t i = 0; i < count; i++) {
        at = plan.len;
        repx_buf_add(&index, &at, sizeof(at));
        repx_buf_fmt(
            &plan,
            "{\"v\":1,\"id\":\"job-%zu\",\"key\":\"" HEX "\",\"pkg\":\"" HEX
            "\",\"type\":\"simple\",\"runtime\":\"native\",\"exes\":{\"main\":{"
            "\"path\":\"jobs/job-%zu/bin/run\"}},\"deps\":%s}\n",
            i, i, deps ? deps[i] : "[]");
    }
    at = plan.len;
    repx_buf_add(&index, &at, sizeof(at));
    scratch_put(s, a, "", 0644);
    (void)repx_write_file(AT_FDCWD, b, plan.data, plan.len, 0644, NULL);
    (void)repx_write_file(AT_FDCWD, c, index.data, index.len, 0644, NULL);
    scratch_put(s, d, record, 0644);
}

/* The text of a file below B; "" when it is not there. Caller frees. */
__attribute__((unused)) static char *scratch_text(const struct scratch *s,
                                                  const char *path)
{
    REPX_AUTO_FREE char *whole = repx_format("%s/%s", s->base, path);
    struct repx_buf b = {0};

    (void)repx_read_file(AT_FDCWD, whole, 1 << 24, &b, NULL);
    return repx_buf_detach(&b);
}

/* How often a text occurs in a file. */
__attribute__((unused)) static size_t scratch_count(const struct scratch *s,
                                                    const char *path, const char *text)
{
    REPX_AUTO_FREE char *all = scratch_text(s, path);
    size_t n = 0;

    for (const char *p = strstr(all, text); p; p = strstr(p + 1, text))
        n++;
    return n;
}

/* Lines of our own events with that word. */
__attribute__((unused)) static size_t scratch_events(const struct scratch *s,
                                                     const char *run, const char *word)
{
    REPX_AUTO_FREE char *path =
        repx_format(".repx/runs/%s/events/%s", run, s->site.host);
    REPX_AUTO_FREE char *text = repx_format("\"e\":\"%s\"", word);

    return scratch_count(s, path, text);
}

#endif
