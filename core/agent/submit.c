/* SPDX-License-Identifier: MIT */
#include "core/agent/submit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state_check.h"
#include "core/agent/submit_own.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define BATCH_MAX 1000
#define BATCH_FIRST 100 /* so that work begins while the rest is being written down */
#define LEASE_WAIT_MS 600000

/* ---- beginning and end ---- */

static void on_event(void *ctx, const json_t *event, const char *line, size_t n)
{
    struct submission *s = ctx;

    (void)line, (void)n;
    run_state_event(&s->state, event);
}

int submission_events(struct submission *s, struct repx_err *err)
{
    if (!s->reader)
        s->reader = event_reader_open(s->site, s->run, err);
    if (!s->reader || event_reader_poll(s->reader, on_event, s, err) < 0)
        return -1;
    return 0;
}

static int journal_exists(const struct run *run)
{
    int fd = openat(run->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    int found = d == NULL;

    for (const struct dirent *e = d ? readdir(d) : NULL; e && !found; e = readdir(d))
        found = strncmp(e->d_name, "journal.", 8) == 0;
    if (d) {
        (void)closedir(d);
    } else {
        repx_close_fd(&fd);
    }
    return found;
}

int submission_open(struct submission *s, struct site *site, struct run *run,
                    struct repx_err *err)
{
    *s = (struct submission){.site = site, .run = run, .out = -1, .journal = -1};
    s->plan = repx_array(run->count + 1, sizeof(void *));
    s->jobs = repx_array(run->count + 1, sizeof(*s->jobs));
    run_state_init(&s->state, run->count);
    s->fresh = !journal_exists(run);
    if (site->readonly) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "%s belongs to somebody else or to a newer repx: nothing can "
                         "be submitted there",
                         site->base);
    }
    return scheduler_open(&s->scheduler, site, run->record, err);
}

void submission_close(struct submission *s)
{
    for (size_t i = 0; i < s->run->count; i++) {
        json_decref(s->plan[i]);
        free(s->jobs[i].unit);
    }
    for (size_t i = 0; i < s->batch_count; i++) {
        json_decref(s->batch[i].unit);
        free(s->batch[i].id);
        free(s->batch[i].text);
        free(s->batch[i].members);
    }
    free(s->plan);
    free(s->jobs);
    free(s->batch);
    run_state_finish(&s->state);
    event_reader_close(s->reader);
    run_close(s->other);
    scheduler_close(&s->scheduler);
    json_decref(s->steps);
    free(s->refusal);
    repx_buf_free(&s->lines);
    repx_close_fd(&s->journal);
}

int submission_event(struct submission *s, json_t *event, struct repx_err *err)
{
    json_t *shown = json_incref(event); /* gets v and t from event_write */
    int rc = event_write(s->site, s->run, event, err);

    if (rc == 0 && s->out >= 0) {
        REPX_AUTO_FREE char *text = json_dumps(shown, JSON_COMPACT);
        REPX_AUTO_FREE char *line = repx_format("%s\n", text ? text : "{}");
        if (repx_write_all(s->out, line, strlen(line)) < 0)
            s->out = -1; /* nobody listens any more: no reason to stop */
    }
    json_decref(shown);
    return rc;
}

/* ---- the jobs in order ---- */

/* The job that keeps i from ever starting, or i. */
static size_t blocker(const struct submission *s, size_t i)
{
    const json_t *deps = json_object_get(s->plan[i], "deps");

    for (size_t k = 0; k < json_array_size(deps); k++) {
        size_t d = (size_t)json_integer_value(json_array_get(deps, k));
        if (s->jobs[d].what >= DECIDE_REFUSED)
            return s->jobs[d].what == DECIDE_BLOCKED ? s->jobs[d].by : d;
    }
    return i;
}

static int add_job(struct submission *s, size_t i, struct repx_err *err)
{
    struct decided *d = s->jobs + i;
    int scattered = strcmp(state_text(s->plan[i], "type", ""), "scatter-gather") == 0;

    if (!scattered) {
        if (submission_add(s, i, "main", 0, submission_deps(s, i), err) < 0)
            return -1;
    } else {
        if (submission_add(s, i, "scatter", 0, submission_deps(s, i), err) < 0)
            return -1;
        const char *scatter = s->batch[s->batch_count - 1].key;
        json_t *deps = json_pack("[o]", submission_dep("ok", NULL, scatter));
        if (submission_add(s, i, "gather", 0, deps, err) < 0)
            return -1;
    }
    memcpy(d->key, s->batch[s->batch_count - 1].key, sizeof(d->key));
    return 0;
}

static int block_job(struct submission *s, size_t i, size_t by, struct repx_err *err)
{
    s->jobs[i].what = DECIDE_BLOCKED;
    s->jobs[i].by = by;
    return submission_event(s,
                            json_pack("{s:I,s:s,s:I}", "i", (json_int_t)i, "e",
                                      "blocked", "by", (json_int_t)by),
                            err);
}

/* A producer's result that was made from something else is never used silently: the job
 * would only find that out when it starts. */
static int refuse_stale(struct submission *s, size_t i, size_t producer,
                        struct repx_err *err)
{
    REPX_AUTO_FREE char *text = repx_format(
        "the result of %s was made from another script, parameters or inputs; "
        "have stale results made anew",
        state_text(s->plan[producer], "id", ""));

    s->jobs[i].what = DECIDE_REFUSED;
    s->jobs[i].by = i;
    return submission_event(
        s, json_pack("{s:I,s:s,s:s}", "i", (json_int_t)i, "e", "refused", "text", text),
        err);
}

static size_t stale_producer(const struct submission *s, size_t i)
{
    const json_t *deps = json_object_get(s->plan[i], "deps");

    for (size_t k = 0; k < json_array_size(deps); k++) {
        size_t d = (size_t)json_integer_value(json_array_get(deps, k));
        if (s->jobs[d].what == DECIDE_DONE && s->jobs[d].stale)
            return d;
    }
    return i;
}

int submission_cancelled(const struct submission *s, struct repx_err *err)
{
    if (faccessat(s->run->dir, "cancel", F_OK, 0) < 0)
        return 0;
    return repx_fail(err, REPX_E_CANCELED, "run %s was cancelled", s->run->id);
}

int submit_may(struct submission *s, size_t i, struct repx_err *err)
{
    size_t by = blocker(s, i), stale = stale_producer(s, i);

    if (by != i)
        return block_job(s, i, by, err) < 0 ? -1 : 0;
    if (stale != i)
        return refuse_stale(s, i, stale, err) < 0 ? -1 : 0;
    return 1;
}

int submit_job(struct submission *s, size_t i, struct repx_err *err)
{
    if (add_job(s, i, err) < 0)
        return -1;
    return s->batch_count >= (s->submitted ? BATCH_MAX : BATCH_FIRST)
               ? submission_flush(s, err)
               : 0;
}

static int submit_jobs(struct submission *s, struct repx_err *err)
{
    size_t most = submission_array_max(s);

    if (most)
        return submission_arrays(s, most, err);
    for (size_t i = 0; i < s->run->count; i++) {
        if (s->jobs[i].what != DECIDE_NEW)
            continue;
        if (submission_cancelled(s, err) < 0)
            return -1;
        int may = submit_may(s, i, err);
        if (may < 0 || (may && submit_job(s, i, err) < 0))
            return -1;
    }
    return submission_flush(s, err);
}

/* Every job of the run has at least one event afterwards, or the call has failed. */
static int submit_all(struct submission *s, struct repx_err *err)
{
    for (size_t i = 0; i < s->run->count; i++) {
        s->plan[i] = run_plan(s->run, i, err);
        if (!s->plan[i])
            return -1;
    }
    if (submission_events(s, err) < 0 || submission_decide(s, err) < 0 ||
        submit_jobs(s, err) < 0)
        return -1;
    if (s->left) {
        return repx_fail(
            err, REPX_E_BUSY,
            "the scheduler has no room for %zu of the run's units; run again "
            "when there is",
            s->left);
    }
    return 0;
}

int submit_run(struct site *site, const char *run_id, unsigned options, int out,
               struct repx_buf *fields, struct repx_err *err)
{
    struct run *run = run_open(site, run_id, err);
    struct submission s;
    uint64_t epoch;

    if (!run)
        return -1;
    (void)signal(SIGPIPE, SIG_IGN); /* a client that left ends nothing here */
    int rc = submission_open(&s, site, run, err);
    s.options = options;
    s.out = out;
    if (rc == 0 && lease_take(site, "feed", LEASE_WAIT_MS, &epoch, err) < 0) {
        rc = repx_wrap(err, "run %s", run_id);
    } else if (rc == 0) {
        rc = submit_all(&s, err);
        if (s.lines.len)
            (void)journal_write(&s, 0, NULL);
        lease_drop(site, "feed");
    }
    msg_put_number(fields, F_COUNT, (int64_t)s.submitted);
    submission_close(&s);
    run_close(run);
    return rc;
}
