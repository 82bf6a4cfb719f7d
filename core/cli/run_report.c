/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* vasprintf */
#include "run_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>

#include "cli.h"
#include "core/json/json.h"
#include "core/wire/verbs.h"
#include "purge_note.h"

/* A line of the report; with --json stdout holds one object only. */
__attribute__((format(printf, 2, 3))) static void say(const struct run_report *r,
                                                      const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;

    if (r->json)
        return;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n >= 0)
        ui_say("%s", text);
    free(n >= 0 ? text : NULL);
}

void report_begin(struct run_report *r, const char *target, const char *scheduler)
{
    r->number = repx_array(r->plan->count, sizeof(*r->number));
    r->state = repx_alloc(r->plan->count);
    r->counted = repx_alloc(r->plan->count);
    say(r, "- Submitting %zu jobs to target '%s' using scheduler '%s'", r->plan->count,
        target, scheduler);
}

static void on_phase(void *ctx, unsigned number, const char *name, const char *summary)
{
    struct run_report *r = ctx;

    say(r, "- [%u/4] %s: %s", number, name, summary);
}

static void on_synced(void *ctx, const char *name, const struct sync_sent *sent)
{
    struct run_report *r = ctx;
    char size[32];

    if (sent->files) {
        say(r, "- %s: sent %llu files, %s", name, (unsigned long long)sent->files,
            ui_bytes(sent->bytes, size, sizeof(size)));
    } else {
        say(r, "- %s: nothing was missing", name);
    }
}

static void on_status(void *ctx, const struct plan *plan,
                      const struct job_status *status)
{
    struct run_report *r = ctx;
    size_t purged = 0;

    for (size_t i = 0; i < plan->count; i++) {
        int again = status[i].purged || (status[i].stale && r->rerun_stale);
        r->state[i] = (unsigned char)(again ? JOB_UNKNOWN : status[i].status);
        purged += status[i].purged != 0;
        if (again || !job_is_done(&status[i]))
            r->number[i] = ++r->todo;
    }
    purge_note_plan(plan, status);
    if (purged) {
        say(r,
            "- %zu results are no longer what their manifests say (purged?) and are "
            "made again",
            purged);
    }
    if (r->todo) {
        say(r, "- Scheduling %zu jobs (%zu are complete already) via %s", r->todo,
            plan->count - r->todo, plan->scheduler);
    }
}

/* "[branch 3, step: cut] " or "[scatter] " or "". */
static void put_phase(struct repx_buf *b, const struct run_event *e)
{
    if (strncmp(e->phase, "step-", 5) == 0) {
        repx_buf_fmt(b, " [branch %lld, step: %s]", (long long)e->branch, e->phase + 5);
    } else if (strcmp(e->phase, "main") != 0) {
        repx_buf_fmt(b, " [%s]", e->phase);
    }
}

/* "[3/7]" */
static char *number_of(struct run_report *r, size_t index)
{
    if (!r->number[index])
        r->number[index] = ++r->todo; /* a result that was lost meanwhile */
    return repx_format("[%zu/%zu]", r->number[index], r->todo);
}

static size_t *count_of(struct run_report *r, unsigned char state)
{
    switch (state) {
    case JOB_SUCCEEDED:
        return &r->ok;
    case JOB_FAILED:
        return &r->failed;
    case JOB_RUNNING:
        return &r->running;
    case JOB_BLOCKED:
        return &r->blocked;
    default:
        return NULL;
    }
}

/* What was told of a job: it counts once, however often and in whichever order. */
static int was(const struct run_report *r, size_t i, unsigned char state)
{
    return r->counted[i] && r->state[i] == state;
}

static void now_is(struct run_report *r, size_t i, unsigned char state)
{
    size_t *before = r->counted[i] ? count_of(r, r->state[i]) : NULL;
    size_t *now = count_of(r, state);

    if (before)
        --*before;
    if (now)
        ++*now;
    r->state[i] = state;
    r->counted[i] = 1;
}

static int ends_job(const struct run_event *e)
{
    return strcmp(e->phase, "main") == 0 || strcmp(e->phase, "gather") == 0 ||
           (strcmp(e->phase, "scatter") == 0 && !e->ok);
}

static void note_failure(struct run_report *r, const struct run_event *e,
                         const char *phase)
{
    repx_buf_fmt(&r->failures, "\n=== %s%s ===\n%s", e->job, phase,
                 *e->reason ? e->reason : "failed");
}

static void on_end(struct run_report *r, const struct run_event *e, const char *phase)
{
    char time[32];
    REPX_AUTO_BUF struct repx_buf took = {0};

    if (r->timing)
        repx_buf_fmt(&took, " %s", ui_duration(e->ms, time, sizeof(time)));
    if (e->ok) {
        say(r, "  OK   %s%s%s", e->job, phase, repx_buf_text(&took));
    } else {
        say(r, "  FAIL %s%s%s: %s", e->job, phase, repx_buf_text(&took), e->reason);
    }
    if (!e->ok)
        note_failure(r, e, phase);
    if (!ends_job(e))
        return;
    now_is(r, e->index, e->ok ? JOB_SUCCEEDED : JOB_FAILED);
}

static void say_summary(struct run_report *r)
{
    REPX_AUTO_BUF struct repx_buf b = {0};
    size_t ended = r->ok + r->failed + r->blocked + r->running;

    if (r->json || (r->ok + r->failed) % 10 != 0)
        return;
    repx_buf_fmt(&b, "  --- %zu/%zu ok", r->ok, r->todo);
    if (r->failed)
        repx_buf_fmt(&b, " | %zu/%zu fail", r->failed, r->todo);
    if (r->blocked)
        repx_buf_fmt(&b, " | %zu/%zu blocked", r->blocked, r->todo);
    if (r->running)
        repx_buf_fmt(&b, " | %zu running", r->running);
    if (r->todo > ended)
        repx_buf_fmt(&b, " | %zu pending", r->todo - ended);
    ui_say("%s", repx_buf_text(&b));
}

/* A supervisor may have written its end before the submitter wrote that it was accepted. */
static int has_ended(const struct run_report *r, size_t i)
{
    return was(r, i, JOB_SUCCEEDED) || was(r, i, JOB_FAILED);
}

static void on_submitted(struct run_report *r, const struct run_event *e,
                         const char *phase)
{
    int is_local = strcmp(r->plan->scheduler, "local") == 0;

    if (was(r, e->index, JOB_QUEUED) || was(r, e->index, JOB_RUNNING))
        return; /* told before, or the scatter unit of the same job */
    r->submitted++;
    if (!has_ended(r, e->index))
        now_is(r, e->index, JOB_QUEUED);
    if (!is_local) {
        REPX_AUTO_FREE char *number = number_of(r, e->index);
        say(r, "  %s Submitted job %s%s as %s ID %s", number, e->job, phase,
            strcmp(r->plan->scheduler, "slurm") == 0 ? "SLURM" : r->plan->scheduler,
            e->id);
    }
}

static void on_blocked(struct run_report *r, const struct run_event *e)
{
    if (was(r, e->index, JOB_BLOCKED))
        return;
    now_is(r, e->index, JOB_BLOCKED);
    say(r, "  BLOCKED %s by %s", e->job,
        e->by >= 0 && (uint64_t)e->by < r->plan->count ? r->plan->jobs[e->by].job->id
                                                       : "a failed job");
}

static void on_lost(struct run_report *r, const struct run_event *e)
{
    if (was(r, e->index, JOB_FAILED))
        return;
    now_is(r, e->index, JOB_FAILED);
    say(r, "  FAIL %s: %s", e->job, *e->reason ? e->reason : e->name);
    note_failure(r, e, "");
}

/* Events are told twice when a run that was just submitted is followed. */
static void on_taken(struct run_report *r, const struct run_event *e)
{
    if (was(r, e->index, JOB_QUEUED))
        return;
    now_is(r, e->index, JOB_QUEUED);
    REPX_AUTO_FREE char *number = number_of(r, e->index);
    say(r, "  %s %s is worked on by another run; following it", number, e->job);
}

/* Complete by the time it was looked at: before, or by the run that was followed. */
static void on_done(struct run_report *r, const struct run_event *e)
{
    if (r->state[e->index] == JOB_SUCCEEDED)
        return;
    if (was(r, e->index, JOB_RUNNING)) /* of its end there is no more than the result */
        say(r, "  OK   %s", e->job);
    now_is(r, e->index, JOB_SUCCEEDED);
}

static void on_start(struct run_report *r, const struct run_event *e, const char *phase)
{
    if (strcmp(e->phase, "main") == 0 || strcmp(e->phase, "gather") == 0)
        now_is(r, e->index, JOB_RUNNING);
    REPX_AUTO_FREE char *number = number_of(r, e->index);
    say(r, "  >> %s %s%s (PID %lld)", number, e->job, phase, (long long)e->pid);
}

/* It has no end: the scheduler may start it again. */
static void on_requeued(struct run_report *r, const struct run_event *e,
                        const char *phase)
{
    if (was(r, e->index, JOB_RUNNING))
        now_is(r, e->index, JOB_QUEUED);
    say(r, "  AGAIN %s%s: %s; it waits in the queue", e->job, phase,
        *e->reason ? e->reason : "requeued");
}

static void on_event(void *ctx, const struct run_event *e)
{
    struct run_report *r = ctx;
    REPX_AUTO_BUF struct repx_buf phase = {0};

    put_phase(&phase, e);
    if (strcmp(e->name, "submitted") == 0) {
        on_submitted(r, e, repx_buf_text(&phase));
    } else if (strcmp(e->name, "taken") == 0) {
        on_taken(r, e);
    } else if (strcmp(e->name, "done") == 0) {
        on_done(r, e);
    } else if (strcmp(e->name, "refused") == 0) {
        r->refused++;
        on_lost(r, e);
    } else if (strcmp(e->name, "start") == 0) {
        on_start(r, e, repx_buf_text(&phase));
    } else if (strcmp(e->name, "end") == 0) {
        on_end(r, e, repx_buf_text(&phase));
        say_summary(r);
    } else if (strcmp(e->name, "pauses") == 0) {
        say(r, "- %s", e->reason);
    } else if (strcmp(e->name, "requeued") == 0) {
        on_requeued(r, e, repx_buf_text(&phase));
    } else if (strcmp(e->name, "explained") == 0) {
        say(r, "  FAIL %s: %s, as is known now", e->job, e->reason);
    } else if (strcmp(e->name, "blocked") == 0) {
        on_blocked(r, e);
    } else if (strcmp(e->name, "lost") == 0 || strcmp(e->name, "cancelled") == 0) {
        on_lost(r, e);
    }
    ui_flush(); /* whoever reads the pipe sees it now */
    r->ui->progress(r->ui->ctx, "jobs", "jobs", r->ok + r->failed + r->blocked,
                    r->todo);
}

static int on_interrupted(void *ctx)
{
    static int told; /* how many there were when it was told what one more does */
    static int seen;
    int n = ui_interrupts();

    (void)ctx;
    if (n > seen)
        ui_take_interrupt(); /* what is asked of the target now is to be carried out */
    seen = n;
    if (n && !told) {
        told = n; /* a second one that came before that is no wish to leave */
        ui_warn("cancelling what this run started; once more leaves it running");
    }
    return n ? n - told + 1 : 0;
}

struct pipeline_listener report_listener(struct run_report *r)
{
    return (struct pipeline_listener){r,         on_phase, on_synced,
                                      on_status, on_event, on_interrupted};
}

/* A line of the box around job ids and output directories. */
static void say_rule(const struct run_report *r, const char *const marks[3],
                     size_t left, size_t right)
{
    REPX_AUTO_BUF struct repx_buf b = {0};

    repx_buf_str(&b, marks[0]);
    for (size_t i = 0; i < left + 2; i++)
        repx_buf_str(&b, "─");
    repx_buf_str(&b, marks[1]);
    for (size_t i = 0; i < right + 2; i++)
        repx_buf_str(&b, "─");
    repx_buf_str(&b, marks[2]);
    say(r, "%s", repx_buf_text(&b));
}

static void say_table(const struct run_report *r, const struct pipeline *p)
{
    static const char *const top[] = {"┌", "┬", "┐"}, *const middle[] = {"├", "┼", "┤"},
                             *const bottom[] = {"└", "┴", "┘"};
    size_t left = strlen("Job ID"), right = strlen("Output Directory");
    size_t around = strlen(target_base(p->target)) + strlen("/outputs//repx");

    for (size_t i = 0; i < p->plan->count; i++) {
        size_t n = strlen(p->plan->jobs[i].job->id);
        if (!p->plan->jobs[i].wanted)
            continue;
        left = n > left ? n : left;
        right = n + around > right ? n + around : right;
    }
    say_rule(r, top, left, right);
    say(r, "│ %-*s │ %-*s │", (int)left, "Job ID", (int)right, "Output Directory");
    say_rule(r, middle, left, right);
    for (size_t i = 0; i < p->plan->count; i++) {
        const char *id = p->plan->jobs[i].job->id;
        if (!p->plan->jobs[i].wanted)
            continue;
        REPX_AUTO_FREE char *dir =
            repx_format("%s/outputs/%s/repx", target_base(p->target), id);
        say(r, "│ %-*s │ %-*s │", (int)left, id, (int)right, dir);
    }
    say_rule(r, bottom, left, right);
}

static void say_json(const struct run_report *r, const struct pipeline *p, int rc,
                     const struct repx_err *err)
{
    static const char *const words[] = {"unknown", "succeeded", "failed",
                                        "queued",  "running",   "blocked"};
    REPX_AUTO_BUF struct repx_buf b = {0};
    struct session_stats stats;

    session_stats(target_session(p->target), &stats);
    repx_buf_str(&b, "{\"run\":");
    json_put_string(&b, p->run);
    repx_buf_str(&b, ",\"target\":");
    json_put_string(&b, p->plan->target->name);
    repx_buf_str(&b, ",\"scheduler\":");
    json_put_string(&b, p->plan->scheduler);
    repx_buf_fmt(
        &b,
        ",\"jobs\":%zu,\"todo\":%zu,\"submitted\":%zu,\"succeeded\":%zu,"
        "\"failed\":%zu,\"blocked\":%zu,\"waiting_for_room\":%zu,\"stale\":%zu,"
        "\"logins\":%llu,"
        "\"round_trips\":%llu,\"bytes_sent\":%llu,\"bytes_received\":%llu,",
        p->plan->count, r->todo, r->submitted, r->ok, r->failed, r->blocked, p->waiting,
        p->stale, (unsigned long long)target_logins(p->target),
        (unsigned long long)stats.round_trips, (unsigned long long)stats.bytes_sent,
        (unsigned long long)stats.bytes_received);
    repx_buf_str(&b, "\"error\":");
    if (rc < 0) {
        json_put_string(&b, err->text);
    } else {
        repx_buf_str(&b, "null");
    }
    repx_buf_str(&b, ",\"results\":[");
    for (size_t i = 0; i < p->plan->count; i++) {
        const char *id = p->plan->jobs[i].job->id;
        REPX_AUTO_FREE char *dir =
            repx_format("%s/outputs/%s/out", target_base(p->target), id);
        repx_buf_str(&b, i ? ",\n {\"id\":" : "\n {\"id\":");
        json_put_string(&b, id);
        repx_buf_fmt(&b, ",\"status\":\"%s\",\"out\":", words[r->state[i]]);
        json_put_string(&b, dir);
        repx_buf_char(&b, '}');
    }
    repx_buf_str(&b, "]}");
    ui_say("%s", repx_buf_text(&b));
}

static int fail_summary(const struct run_report *r, struct repx_err *err)
{
    return repx_fail(
        err, REPX_E_FAILED,
        "submission failed: %zu failed, %zu blocked, %zu succeeded of %zu "
        "jobs; `repx log JOB --stderr` shows why, running again repeats only "
        "what did not succeed%s",
        r->failed, r->blocked, r->ok, r->todo, repx_buf_text(&r->failures));
}

/* With -v: what the run cost on the wire. */
static void log_cost(const struct run_report *r, const struct pipeline *p)
{
    char sent[32], received[32];
    struct session_stats stats;

    session_stats(target_session(p->target), &stats);
    REPX_AUTO_FREE char *text =
        repx_format("%llu login, %llu round trips, %s sent, %s received",
                    (unsigned long long)target_logins(p->target),
                    (unsigned long long)stats.round_trips,
                    ui_bytes(stats.bytes_sent, sent, sizeof(sent)),
                    ui_bytes(stats.bytes_received, received, sizeof(received)));
    r->ui->log(r->ui->ctx, "wire", REPX_LOG_INFO, text);
}

static void say_waiting(const struct run_report *r, const struct pipeline *p)
{
    if (!p->waiting)
        return;
    say(r, "- %zu %s for room%s%s.", p->waiting,
        p->waiting == 1 ? "job waits" : "jobs wait", *p->waiting_reason ? ": " : "",
        p->waiting_reason);
}

int report_end(struct run_report *r, const struct pipeline *p, int rc,
               struct repx_err *err)
{
    if (rc == 0 && (r->failed || r->blocked || r->refused))
        rc = fail_summary(r, err);
    if (r->json)
        say_json(r, p, rc, err);
    log_cost(r, p);
    if (p->stale && !p->options->rerun_stale) {
        ui_warn(
            "kept %zu %s made by other scripts, parameters or images than these; "
            "`--stale rerun` runs them again",
            p->stale, p->stale == 1 ? "result" : "results");
    }
    if (rc < 0)
        return -1;
    if (!p->todo) {
        say(r, "All required jobs for this submission are already complete.");
    } else if (p->watched) {
        say(r, "- Executed %zu jobs on target '%s'.", r->ok, p->plan->target->name);
    } else {
        say(r, "- Submitted %zu jobs to target '%s' (run %s).", r->submitted,
            p->plan->target->name, p->run);
        say_waiting(r, p);
    }
    say_table(r, p);
    return 0;
}

void report_finish(struct run_report *r)
{
    free(r->number);
    free(r->state);
    free(r->counted);
    repx_buf_free(&r->failures);
}
