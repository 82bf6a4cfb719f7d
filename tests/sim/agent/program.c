/* SPDX-License-Identifier: MIT */
/* program.c: what the processes do. A script is a while of virtual time, and what it has to
 * leave behind. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/job.h"
#include "core/agent/run_verbs.h"
#include "core/agent/state_check.h"
#include "core/agent/submission.h"
#include "core/agent/submit.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"
#include "sim/agent/world.h"

#define PAUSE_MS 60000
#define ATTEMPTS 200

const char *const run_ids[RUNS] = {
    "20260101T000000Z-aaaaaaaa", "20260101T000000Z-bbbbbbbb",
    "20260101T000000Z-cccccccc", "20260101T000000Z-dddddddd",
    "20260101T000000Z-eeeeeeee", "20260101T000000Z-ffffffff",
    "20260101T000000Z-gggggggg", "20260101T000000Z-hhhhhhhh"};
int no_lease, no_mark;

/* ---- the script ---- */

static int run_number(const char *id)
{
    for (int i = 0; i < RUNS; i++) {
        if (strcmp(run_ids[i], id) == 0)
            return i;
    }
    return -1;
}

/* A scatter that was given up while it ran, and that could not be told to end, goes no
 * further than its work list; another run does not wait for it. */
static int same_work(const struct execution *x, const struct unit *u)
{
    return x->job == (int)u->index && x->branch == u->branch &&
           strcmp(x->phase, u->phase) == 0 &&
           (strcmp(u->phase, "scatter") != 0 || x->run == run_number(u->run->id));
}

/* One that was asked to end is on its way out. */
static void compare(const struct execution *before, const struct unit *u)
{
    int dying = world->procs[before->proc].asked != 0;

    if (!same_work(before, u))
        return;
    if (!before->over && !dying) {
        violation("%s %s of branch %d runs twice at once", u->id, u->phase,
                  (int)u->branch);
    }
    /* another run has other work, or what that replaced was made once more */
    int others = world->works && before->job == JOBS - 1 &&
                 before->run != run_number(u->run->id);
    if (before->ok && !others) {
        violation("%s %s of branch %d runs again after it succeeded", u->id, u->phase,
                  (int)u->branch);
    }
}

static void begin(const struct unit *u)
{
    struct execution *x = world->executions + world->execution_count;
    int run = run_number(u->run->id);

    say("runs %s %s, branch %d", u->id, u->phase, (int)u->branch);
    for (int i = 0; i < world->execution_count; i++)
        compare(world->executions + i, u);
    if (run >= 0 && world->cancelled[run] && world->cancelled[run] < self->began) {
        violation("%s %s starts after run %s was cancelled", u->id, u->phase,
                  u->run->id);
    }
    if (world->execution_count == EXECUTIONS) {
        violation("more than %d executions", EXECUTIONS);
        return;
    }
    *x = (struct execution){.job = (int)u->index,
                            .run = run,
                            .proc = (int)(self - world->procs),
                            .branch = u->branch};
    (void)snprintf(x->phase, sizeof(x->phase), "%s", u->phase);
    world->execution_count++;
}

static void write_items(const struct attempt *a)
{
    struct repx_buf text REPX_AUTO_BUF = {0};
    REPX_AUTO_FREE char *path = repx_format("%s/work_items.json", a->out);

    repx_buf_char(&text, '[');
    for (int i = 0; i < world->branches; i++)
        repx_buf_fmt(&text, "%s%d", i ? "," : "", i);
    repx_buf_char(&text, ']');
    (void)repx_write_file(AT_FDCWD, path, text.data, text.len, 0644, NULL);
}

/* NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the linker's names */
void __wrap_script_run(const struct unit *u, const struct attempt *a,
                       const char *inputs, const char *parameters, struct outcome *o);

void __wrap_script_run(const struct unit *u, const struct attempt *a,
                       const char *inputs, const char *parameters, struct outcome *o)
{
    (void)inputs, (void)parameters;
    *o = (struct outcome){.exit = 0, .ok = 1};
    if (!self->asked) {
        begin(u);
        self->in_script = 1;
        rest(between(100, 20000));
        self->in_script = 0;
    }
    if (self->asked) {
        *o = (struct outcome){.exit = -1, .signal = 15, .asked = 15};
        outcome_set(o, "cancelled");
    } else if (strcmp(u->phase, "scatter") == 0) {
        write_items(a);
    }
}

/* ---- safeguards that may be left out ---- */

int __real_lease_take(struct site *site, const char *name, int64_t wait_ms,
                      uint64_t *epoch, struct repx_err *err);
int __wrap_lease_take(struct site *site, const char *name, int64_t wait_ms,
                      uint64_t *epoch, struct repx_err *err);
int __real_lease_touch(struct site *site, const char *name, struct repx_err *err);
int __wrap_lease_touch(struct site *site, const char *name, struct repx_err *err);
int __real_faccessat(int fd, const char *path, int mode, int flags);
int __wrap_faccessat(int fd, const char *path, int mode, int flags);

int __wrap_lease_take(struct site *site, const char *name, int64_t wait_ms,
                      uint64_t *epoch, struct repx_err *err)
{
    if (!no_lease || strcmp(name, "feed") != 0)
        return __real_lease_take(site, name, wait_ms, epoch, err);
    if (epoch)
        *epoch = 0;
    return 0;
}

int __wrap_lease_touch(struct site *site, const char *name, struct repx_err *err)
{
    return no_lease ? 0 : __real_lease_touch(site, name, err);
}

int __wrap_faccessat(int fd, const char *path, int mode, int flags)
{
    return no_mark && self && self->kind == JOB && strcmp(path, "cancel") == 0
               ? -1
               : __real_faccessat(fd, path, mode, flags);
}

/* NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming) */

/* ---- a supervisor ---- */

int job_start(int unit, int element)
{
    struct queued *u = world->units + unit;
    char id[16], index[16], name[] = "job";
    char *argv[] = {name, world->base, u->run, u->job, u->phase, u->key, NULL};

    (void)snprintf(id, sizeof(id), "%d", unit);
    (void)snprintf(index, sizeof(index), "%d", element);
    (void)setenv("REPX_UNIT", id, 1);
    if (u->array)
        (void)setenv("REPX_INDEX", index, 1);
    return job_main(6, argv);
}

/* ---- clients ---- */

/* How it ended, JOB_*; -1 when that is not known. */
static int client(int run, int watches)
{
    struct site site;
    struct repx_err err = {0};
    struct repx_buf fields REPX_AUTO_BUF = {0};
    int status = -1, out = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (site_open(&site, world->base, NULL, &err) < 0) {
        violation("the base path cannot be opened: %s", err.text);
        return -1;
    }
    say("submits run %s", run_ids[run]);
    int rc = submit_run(&site, run_ids[run], world->works ? SUBMIT_RERUN_STALE : 0, out,
                        &fields, &err);
    if (rc < 0)
        say("could not: %s", err.text);
    if (rc == 0 && watches) {
        struct repx_buf told REPX_AUTO_BUF = {0};
        rc = run_watch(&site, run_ids[run], 0, out, &told, &err);
        status = rc == 0 ? (int)msg_number(told.data, told.len, F_STATUS, -1) : -1;
        say("has watched run %s: %d, %s", run_ids[run], status, rc ? err.text : "");
    }
    site_close(&site);
    (void)close(out);
    return status;
}

int client_main(void)
{
    (void)client(self->run, chance(2) == 0);
    return 0;
}

/* A run that follows another's job fails with that, and is begun anew. */
int last_client_main(void)
{
    int run = LAST, status = -1;

    for (int i = 0; i < ATTEMPTS && run < RUNS && status != JOB_SUCCEEDED; i++) {
        status = client(run, 1);
        run += status == JOB_FAILED;
        if (status < 0)
            rest(PAUSE_MS);
    }
    world->finished = status == JOB_SUCCEEDED;
    return 0;
}

int canceller_main(void)
{
    struct site site;
    struct repx_err err = {0};
    struct repx_buf fields REPX_AUTO_BUF = {0};

    if (site_open(&site, world->base, NULL, &err) < 0)
        return 1;
    say("cancels run %s", run_ids[self->run]);
    int rc = run_cancel(&site, run_ids[self->run], &fields, &err);
    if (rc == 0)
        world->cancelled[self->run] = world->now;
    say("has cancelled it: %d %s", rc, err.text);
    site_close(&site);
    return 0;
}
