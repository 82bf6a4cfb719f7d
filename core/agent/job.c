/* SPDX-License-Identifier: MIT */
#include "job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state_check.h"
#include "core/agent/state_next.h"
#include "core/agent/submission.h"
#include "core/wire/verbs.h"

#define NFS_MAGIC 0x6969
#define NFS_WAIT_MS 30000 /* longer than a client caches "there is no such file" */

int unit_open(struct unit *u, const char *phase, int64_t branch, struct repx_err *err)
{
    u->plan = run_plan(u->run, u->index, err);
    if (!u->plan)
        return -1;
    u->phase = phase;
    u->branch = branch;
    u->id = state_text(u->plan, "id", "");
    u->sched = state_text(u->run->record, "scheduler", "");
    u->exe = json_object_get(json_object_get(u->plan, "exes"), phase);
    if (!u->exe)
        return repx_fail(err, REPX_E_USAGE, "job %s has no phase %s", u->id, phase);
    return 0;
}

void unit_close(struct unit *u)
{
    json_decref(u->plan);
    json_decref(u->made);
    u->plan = u->made = NULL;
}

/* ---- may it run? ---- */

/* 1 this unit is the one that was meant, 0 it is not, -1. */
static int unit_claim(const struct unit *u, struct repx_err *err)
{
    struct repx_err why = {0};
    json_t *claim = claim_read(u->site, u->key, &why);

    if (!claim && why.code != REPX_E_NOENT) {
        (void)repx_fail(err, why.code, "%s", why.text);
        return -1;
    }
    if (!claim &&
        (sub_create(u->site, u->key, err) < 0 ||
         claim_make(u->site, u->key, CLAIM_JOB, u->sched, u->unit_id, &claim, err) < 0))
        return -1;
    int mine = strcmp(state_text(claim, "by", ""), "void") != 0 &&
               strcmp(state_text(claim, "id", ""), u->unit_id) == 0;
    json_decref(claim);
    return mine;
}

int64_t producer_wait_ms(const struct unit *u)
{
    struct statfs fs;

    if (fstatfs(u->run->dir, &fs) < 0 || fs.f_type != NFS_MAGIC)
        return 0;
    return NFS_WAIT_MS;
}

/* A scatter that was given up, and of which the job was submitted anew, may still start. */
static int is_last_scatter(const struct unit *u)
{
    char last[27];

    return !sub_last_key(u->site, u->run->id, u->id, "scatter", last) ||
           strcmp(last, u->key) == 0;
}

/* 1 when S/live says that the job is this unit's, or when other work on it came first and the
 * scheduler has started this since that ended: now it is this one's. A scheduler may start again
 * what has ended (a queue that lost its journal, a unit that was put back), or what was
 * given up, and by then the job may be another run's. Who gave it up took its link away: it
 * ended, was cancelled, is blocked or lost, and may have been submitted anew. */
static int unit_live(const struct unit *u)
{
    REPX_AUTO_FREE char *run = NULL;
    char key[27];
    size_t index;
    int there = live_get(u->site, u->id, &run, &index, key, NULL);
    int ours = there > 0 && strcmp(run, u->run->id) == 0;

    if (strncmp(u->phase, "step-", 5) == 0)
        return there <= 0 || ours;
    if (strcmp(u->phase, "scatter") == 0) { /* its gather has the link */
        return is_last_scatter(u) &&
               (next_begin(u->site, u->id, u->run->id, NULL) || ours);
    }
    return (ours && strcmp(key, u->key) == 0) ||
           next_begin(u->site, u->id, u->run->id, u->key);
}

/* Another node may see late whose job it is. */
static int unit_is_live(const struct unit *u)
{
    const struct timespec pause = {1, 0};
    int live = unit_live(u);

    for (int64_t left = live ? 0 : producer_wait_ms(u); !live && left > 0;
         left -= 1000) {
        live_look_again(u->site);
        (void)nanosleep(&pause, NULL);
        live = unit_live(u);
    }
    return live;
}

/* The run was cancelled or stopped: says who did it. */
static const char *run_over(const struct unit *u)
{
    if (faccessat(u->run->dir, "cancel", F_OK, 0) == 0)
        return "cancel";
    if (faccessat(u->run->dir, "stop", F_OK, 0) == 0)
        return "stop";
    return NULL;
}

/* ---- the simple phase ---- */

static int phase_main(struct unit *u, struct repx_err *err)
{
    REPX_AUTO_FREE char *home = repx_format("outputs/%s", u->id);
    struct outcome o = {.exit = -1};
    struct repx_err why = {0};
    struct attempt a;
    int rc = attempt_make(u, home, &a, &why);
    REPX_AUTO_FREE char *inputs = attempt_path(&a, "inputs.json");
    REPX_AUTO_FREE char *parameters = attempt_path(&a, "parameters.json");

    if (rc == 0)
        rc = attempt_files(u, &a, &why);
    if (rc == 0)
        rc = attempt_begin(u, &a, NULL, &why);
    if (rc == 0)
        rc = record_start(u, &a, &why);
    if (rc == 0) {
        script_run(u, &a, inputs, parameters, &o);
    } else {
        outcome_set(&o, "not started: %s", why.text);
    }
    if (a.record_fd >= 0)
        rc = attempt_end(u, &a, &o, err);
    if (record_job_end(u, a.n, &o, err) < 0)
        rc = -1;
    int status = rc < 0 || !o.ok;
    attempt_finish(&a);
    outcome_finish(&o);
    return status;
}

/* ---- one unit ---- */

/* What is known of it on its way. */
struct course {
    int status; /* to exit with */
    size_t by;  /* the producer that is not ready */
};

static void over(const struct unit *u, json_t *event, struct repx_err *err)
{
    (void)event_write(u->site, u->run, event, err);
    if (strncmp(u->phase, "step-", 5) != 0)
        live_clear(u->site, u->id, u->run->id, NULL);
}

static int unit_phase(struct unit *u, struct repx_err *err)
{
    if (strcmp(u->phase, "main") == 0)
        return phase_main(u, err);
    if (strcmp(u->phase, "scatter") == 0)
        return phase_scatter(u, err);
    if (strcmp(u->phase, "gather") == 0)
        return phase_gather(u, err);
    return phase_step(u, err);
}

static enum entry_saw saw_of(int rc)
{
    if (rc < 0)
        return ENTRY_SAW_FAILED;
    return rc ? ENTRY_SAW_YES : ENTRY_SAW_NO;
}

static void tell_cancelled(struct unit *u, struct repx_err *err)
{
    const char *who = run_over(u);
    json_t *e = event_of(u, "cancelled", 0);

    json_object_set_new(e, "by", json_string(who ? who : "cancel"));
    over(u, e, err);
}

static void tell_blocked(struct unit *u, size_t by, struct repx_err *err)
{
    json_t *e = event_of(u, "blocked", 0);

    json_object_set_new(e, "by", json_integer((json_int_t)by));
    over(u, e, err);
}

/* Does what the machine asks for. */
static enum entry_saw perform(struct unit *u, enum entry_act act, struct course *c,
                              struct repx_err *err)
{
    switch (act) {
    case ENTRY_DO_CLAIM:
        return saw_of(unit_claim(u, err));
    case ENTRY_DO_MEANT:
        return saw_of(unit_is_live(u));
    case ENTRY_DO_WANTED:
        return saw_of(run_over(u) == NULL);
    case ENTRY_DO_PRODUCERS:
        return saw_of(producers_ready(u, &c->by, err));
    case ENTRY_DO_RUN:
        c->status = unit_phase(u, err);
        break;
    case ENTRY_DO_BLOCKED:
        tell_blocked(u, c->by, err);
        c->status = 1;
        break;
    case ENTRY_DO_CANCELLED:
        tell_cancelled(u, err);
        c->status = 1;
        break;
    case ENTRY_DO_FEED:
        if (u->feed)
            u->feed(u->site, u->run->id);
        break;
    case ENTRY_DO_NOTHING:
        break;
    }
    return ENTRY_SAW_YES;
}

int unit_run(struct unit *u, struct repx_err *err)
{
    int first = strcmp(u->phase, "main") == 0 || strcmp(u->phase, "scatter") == 0;
    struct entry e = entry_begin(first);
    struct course c = {0};

    while (!entry_over(&e)) {
        enum entry_act act = entry_next(&submission_rules_all, &e);
        entry_saw(&submission_rules_all, &e, perform(u, act, &c, err));
    }
    return e.state == ENTRY_BROKEN ? 1 : c.status;
}

char *state_path_read(const char *base)
{
    REPX_AUTO_FREE char *path = repx_format("%s/.repx/state", base);
    REPX_AUTO_BUF struct repx_buf b = {0};

    if (repx_read_file(AT_FDCWD, path, 8192, &b, NULL) < 0 || !b.len)
        return NULL;
    b.data[strcspn(b.data, "\n")] = 0;
    return repx_strdup(b.data);
}
