/* SPDX-License-Identifier: MIT */
#include "core/agent/submit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state_check.h"
#include "core/agent/submit_own.h"
#include "core/agent/waiting.h"

#define BATCH_MAX 1000
#define BATCH_FIRST 100 /* so that work begins while the rest is being written down */
#define BATCH_FEED 4    /* where there was no room lately: little is written in vain */

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

    for (const struct dirent *e; !found && (e = repx_readdir(d));)
        found = strncmp(e->d_name, "journal.", 8) == 0;
    if (d) {
        found |= errno != 0; /* what cannot be read may be one */
        (void)closedir(d);
    } else {
        repx_close_fd(&fd);
    }
    return found;
}

int submission_open(struct submission *s, struct site *site, struct run *run,
                    struct repx_err *err)
{
    *s = (struct submission){
        .site = site,
        .run = run,
        .out = -1,
        .journal = -1,
        .batch_most = BATCH_FIRST,
        .given = json_object(),
    };
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
    if (scheduler_open(&s->scheduler, site, run->record, err) < 0)
        return -1;
    s->nodes = submission_nodes(s);
    return 0;
}

static void decided_finish(struct decided *d)
{
    free(d->unit);
    json_decref(d->after);
    free(d->scatter);
}

void submission_close(struct submission *s)
{
    for (size_t i = 0; i < s->run->count; i++) {
        json_decref(s->plan[i]);
        decided_finish(s->jobs + i);
    }
    (void)submission_drop(s);
    free(s->asked);
    free(s->room);
    json_decref(s->given);
    free(s->plan);
    free(s->jobs);
    free(s->batch);
    run_state_finish(&s->state);
    event_reader_close(s->reader);
    run_close(s->other);
    submission_readers_forget(s);
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

/* Its scatter is on its way, and only the gather went missing: never both again, or the
 * scatter would be at work twice. 1, 0 when there is no such scatter, -1. */
static int add_gather(struct submission *s, size_t i, struct repx_err *err)
{
    struct decided *d = s->jobs + i;
    int ask = !d->scatter && d->missing && s->nodes != NODES_NO;

    if (ask && submission_alive(s, i, "scatter", d->scatter_key, &d->scatter, err) < 0)
        return -1;
    d->missing = 0; /* what comes after this was withdrawn, if it is there */
    if (!d->scatter)
        return 0;
    json_t *deps = json_pack("[o]", submission_dep("ok", d->scatter, NULL));
    return submission_add(s, i, "gather", 0, deps, err) < 0 ? -1 : 1;
}

static int add_scattered(struct submission *s, size_t i, struct repx_err *err)
{
    struct decided *d = s->jobs + i;

    if (request_there(s->site, s->run->id, i))
        return submission_branches(s, i, err);
    int rc = add_gather(s, i, err);
    if (rc)
        return rc < 0 ? -1 : 0;
    if (submission_add(s, i, "scatter", 0, submission_deps(s, i), err) < 0)
        return -1;
    d->halfway = s->nodes == NODES_NO && s->has_backstop;
    if (d->halfway)
        return 0;
    const char *scatter = s->batch[s->batch_count - 1].key;
    json_t *deps = json_pack("[o]", submission_dep("ok", NULL, scatter));
    return submission_add(s, i, "gather", 0, deps, err);
}

static int add_job(struct submission *s, size_t i, struct repx_err *err)
{
    struct decided *d = s->jobs + i;
    int scattered = strcmp(state_text(s->plan[i], "type", ""), "scatter-gather") == 0;
    int rc = scattered ? add_scattered(s, i, err)
                       : submission_add(s, i, "main", 0, submission_deps(s, i), err);

    if (rc == 0 && s->batch_count)
        memcpy(d->key, s->batch[s->batch_count - 1].key, sizeof(d->key));
    return rc;
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

/* There is no room for it now, or none for what it waits for. */
static int is_later(const struct submission *s, size_t i)
{
    const json_t *deps = json_object_get(s->plan[i], "deps");
    int later = s->full || s->again;

    for (size_t k = 0; !later && k < json_array_size(deps); k++) {
        size_t d = (size_t)json_integer_value(json_array_get(deps, k));
        later = s->jobs[d].what == DECIDE_LATER || s->jobs[d].halfway;
    }
    return later;
}

int submit_may(struct submission *s, size_t i, struct repx_err *err)
{
    size_t by = blocker(s, i), stale = stale_producer(s, i);

    if (by != i)
        return block_job(s, i, by, err) < 0 ? -1 : 0;
    if (stale != i)
        return refuse_stale(s, i, stale, err) < 0 ? -1 : 0;
    if (!is_later(s, i))
        return 1;
    s->jobs[i].what = DECIDE_LATER;
    return 0;
}

int submit_job(struct submission *s, size_t i, struct repx_err *err)
{
    if (add_job(s, i, err) < 0)
        return -1;
    if (s->batch_count < s->batch_most)
        return 0;
    if (s->batch_most == BATCH_FIRST) {
        s->batch_most = BATCH_MAX;
    } else if (s->batch_most < BATCH_MAX / 2) {
        s->batch_most *= 2;
    }
    return submission_flush(s, err);
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

int submission_know(struct submission *s, struct repx_err *err)
{
    for (size_t i = 0; i < s->run->count; i++) {
        unsigned tries = s->jobs[i].tries;
        decided_finish(s->jobs + i);
        s->jobs[i] = (struct decided){.tries = tries};
        if (!s->plan[i])
            s->plan[i] = run_plan(s->run, i, err);
        if (!s->plan[i])
            return -1;
    }
    s->full = s->again = s->stopped = s->overtaken = 0;
    s->queued = 0;
    (void)json_object_clear(s->given);
    if (s->trust)
        s->batch_most = BATCH_FEED;
    return submission_events(s, err) < 0 || submission_decide(s, err) < 0 ? -1 : 0;
}

size_t submission_count(const struct submission *s, enum decision what)
{
    size_t n = 0;

    for (size_t i = 0; i < s->run->count; i++)
        n += s->jobs[i].what == what;
    return n;
}

int submission_give(struct submission *s, struct repx_err *err)
{
    for (;;) {
        s->again = 0;
        if (submit_jobs(s, err) < 0)
            return -1;
        if (!s->again || s->full)
            return 0;
        for (size_t i = 0; i < s->run->count; i++) {
            if (s->jobs[i].what == DECIDE_LATER)
                s->jobs[i].what = DECIDE_NEW;
        }
        s->fresh = 0; /* the keys of what comes again are spent */
    }
}
