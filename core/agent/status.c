/* SPDX-License-Identifier: MIT */
/* status.c: V_STATUS. Markers and who lives come first; then what the run that works on a
 * job knows of it, after one look at the queue for all (docs/truth.md). A question that
 * failed is never a state: what was known before stays, with its age. */
#include <stdlib.h>
#include <string.h>

#include <repx/scheduler.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/follow.h"
#include "core/agent/manifest.h"
#include "core/agent/queue_ask.h"
#include "core/agent/run_verbs.h"
#include "core/agent/run_watch.h"
#include "core/agent/state.h"
#include "core/agent/state_check.h"
#include "core/agent/status_runs.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define LINES_MAX (64u << 20)
#define RUNS_EXPLAINED 4

struct status_call {
    int times; /* tell when results were made */
    struct repx_buf lines;
};

struct asked {
    char *id;
    const char *work; /* work key, or NULL: any */
    int status, stale, purged;
    int wanted;       /* its outputs matter: look at them */
    const char *deps; /* of a plan: "3,7": lines of its producers; NULL: of no plan */
    char *reason;
    char key[27]; /* of the unit that works on it; "" */
    char *run;    /* which submitted that unit, or NULL */
    size_t index; /* the job's in that run's plan */
    int64_t at;   /* within an array of jobs, else -1 */
};

/* ---- the request ---- */

int status_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    struct status_call *s = REPX_NEW(struct status_call);

    (void)err;
    s->times = (msg_number(msg, n, F_OPTIONS, 0) & STATUS_TIMES) != 0;
    call_set_own(c, s);
    return 0;
}

int status_data(struct call *c, const void *bytes, size_t n, struct repx_err *err)
{
    struct status_call *s = call_own(c);

    if (s->lines.len + n > LINES_MAX)
        return repx_fail(err, REPX_E_USAGE, "too many jobs in one question");
    repx_buf_add(&s->lines, bytes, n);
    return 0;
}

void status_drop(struct call *c)
{
    struct status_call *s = call_own(c);

    if (!s)
        return;
    repx_buf_free(&s->lines);
    free(s);
    call_set_own(c, NULL);
}

/* ---- one job ---- */

/* What records say of a job that somebody seems to work on: JOB_RUNNING, JOB_QUEUED, or
 * JOB_UNKNOWN for nobody. key: of the unit that is worth asking about, or "". */
static int look_live(struct site *site, struct asked *a)
{
    if (live_get(site, a->id, &a->run, &a->index, a->key, NULL) <= 0) {
        a->key[0] = 0;
        return JOB_UNKNOWN;
    }
    json_t *claim = claim_read(site, a->key, NULL);
    const char *by = state_text(claim, "by", "");
    int alive = strcmp(by, "job") == 0 ? record_alive(site, claim) : -1;
    int void_claim = strcmp(by, "void") == 0;
    json_decref(claim);
    if (void_claim) {
        a->key[0] = 0;
        return JOB_UNKNOWN;
    }
    /* that its supervisor is no more does not say that it does not come again */
    return alive == 1 ? JOB_RUNNING : JOB_QUEUED;
}

/* Who works on it is read first: what ended in between has its result there. */
static void look(struct site *site, struct asked *a, const char *key)
{
    a->work = strcmp(key, "-") == 0 ? NULL : key;
    int live = look_live(site, a);
    a->status = result_status(site, a->id, a->work, &a->stale, &a->reason);
    if (a->status == JOB_SUCCEEDED && !a->stale &&
        (live == JOB_UNKNOWN || !result_purged(site, a->id))) {
        a->key[0] = 0;
    } else if (live != JOB_UNKNOWN) {
        a->status = live;
    }
}

/* ---- what the run and the queue say ---- */

static void set_reason(struct asked *a, const char *text)
{
    char *copy = text ? repx_strdup(text) : NULL;

    free(a->reason);
    a->reason = copy;
}

/* It goes on, by the records: the queue's word for it, and how old that is. */
static void merge_queue(struct asked *a, const struct queue *q, int64_t left)
{
    const json_t *row = queue_row(q, a->key, a->at);
    uint32_t state = row ? scheduler_state(state_text(row, "state", "")) : 0;

    if (state == REPX_STATE_PENDING && a->status != JOB_RUNNING) {
        REPX_AUTO_FREE char *before = repx_strdup(a->reason);
        set_reason(a, queue_word(before, state_text(row, "reason", NULL)));
    } else if (state == REPX_STATE_RUNNING) {
        a->status = JOB_RUNNING;
    } else if (left && (!row || queue_over(state))) {
        REPX_AUTO_FREE char *text =
            repx_format("left the queue %lld s ago, its end is not known yet",
                        (long long)((state_now_ms() - left) / 1000));
        set_reason(a, text);
    }
    if (!q->error)
        return;
    REPX_AUTO_FREE char *text =
        q->t ? repx_format("as of %lld s ago: %s",
                           (long long)((state_now_ms() - q->t) / 1000), q->error)
             : repx_strdup(q->error);
    set_reason(a, text);
}

static void merge(struct site *site, struct asked *a, const struct summary *s,
                  const struct queue *q)
{
    size_t i = a->index;
    const char *reason = i < s->run->count ? s->state.reason[i] : NULL;

    if (i >= s->run->count)
        return;
    a->at = s->index[i];
    if (!s->state.terminal[i]) {
        a->status = s->state.status[i] == JOB_UNKNOWN ? a->status : s->state.status[i];
        set_reason(a, reason);
        merge_queue(a, q, s->left[i]);
        return;
    }
    /* what its supervisor wrote, perhaps just now, counts again */
    set_reason(a, NULL);
    a->status = result_status(site, a->id, a->work, &a->stale, &a->reason);
}

static int of_run(const struct asked *a, const char *run)
{
    return a->key[0] && a->run && strcmp(a->run, run) == 0;
}

/* All jobs that one run works on; their keys are done with then. */
static void ask_run(struct site *site, struct asked *jobs, size_t count,
                    const char *run_id)
{
    struct run *run = NULL;
    struct scheduler scheduler;
    struct queue q = {0};
    struct summary s;

    run_look(site, run_id, QUEUE_PERSON_MS);
    run = run_open(site, run_id, NULL);
    int rc = run ? summary_open(&s, site, run, NULL) : -1;
    if (rc == 0 && summary_poll(&s, NULL) < 0)
        rc = -1;
    if (rc == 0 && scheduler_open(&scheduler, site, run->record, NULL) == 0) {
        queue_ask(&scheduler, QUEUE_PERSON_MS, &q);
        scheduler_close(&scheduler);
    }
    for (size_t i = 0; i < count; i++) {
        if (!of_run(jobs + i, run_id))
            continue;
        if (rc == 0)
            merge(site, jobs + i, &s, &q);
        jobs[i].key[0] = 0;
    }
    queue_free(&q);
    if (run) {
        summary_close(&s);
        run_close(run);
    }
}

static void ask_queue(struct site *site, struct asked *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (jobs[i].key[0] && jobs[i].run) {
            REPX_AUTO_FREE char *run = repx_strdup(jobs[i].run);
            ask_run(site, jobs, count, run);
        }
    }
}

/* Who cancelled what was cancelled outside repx: accounts may tell by now. */
static void explain_outside(struct site *site, const struct asked *jobs, size_t count)
{
    json_t *done = json_object();

    for (size_t i = 0; i < count && json_object_size(done) < RUNS_EXPLAINED; i++) {
        if (jobs[i].status != JOB_FAILED || !jobs[i].reason ||
            strcmp(jobs[i].reason, CANCELLED_OUTSIDE) != 0)
            continue;
        REPX_AUTO_FREE char *dir = repx_format("outputs/%s/repx", jobs[i].id);
        json_t *first = NULL, *second = NULL;
        attempt_read(site->base_fd, dir, &first, &second);
        const char *run = state_text(first, "run", NULL);
        if (run && !json_object_get(done, run)) {
            (void)json_object_set_new(done, run, json_true());
            run_look(site, run, QUEUE_PERSON_MS);
        }
        json_decref(first);
        json_decref(second);
    }
    json_decref(done);
}

/* ---- ends without a trace in the job's directory ---- */

static void ask_runs(struct site *site, struct asked *jobs, size_t count)
{
    struct untold *list = repx_array(count + 1, sizeof(*list));
    size_t *at = repx_array(count + 1, sizeof(*at)), n = 0;

    for (size_t i = 0; i < count; i++) {
        int outside = jobs[i].status == JOB_FAILED && jobs[i].reason &&
                      strcmp(jobs[i].reason, CANCELLED_OUTSIDE) == 0;
        if (jobs[i].status != JOB_UNKNOWN && !outside)
            continue;
        list[n].id = jobs[i].id;
        at[n++] = i;
    }
    status_from_runs(site, list, n);
    for (size_t k = 0; k < n; k++) {
        struct asked *a = jobs + at[k];
        if (list[k].status == JOB_UNKNOWN)
            continue;
        a->status = list[k].status;
        free(a->reason);
        a->reason = list[k].reason;
    }
    free(list);
    free(at);
}

/* ---- results that are gone ---- */

/* Only those that something asked for needs: a job of a plan that is wanted, or whose
 * consumer has to run; of no plan, each. */
static void look_at_results(struct site *site, struct asked *jobs, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        struct asked *a = jobs + i;
        int done = a->status == JOB_SUCCEEDED;
        if (done && (a->wanted || !a->deps))
            a->purged = result_purged(site, a->id);
        if (done && !a->stale && !a->purged)
            continue;
        for (const char *p = a->deps; p && *p;) {
            char *end;
            unsigned long at = strtoul(p, &end, 10);
            if (end == p)
                break;
            if (at < i)
                jobs[at].wanted = 1;
            p = end + (*end == ',');
        }
    }
}

/* ---- the worker ---- */

/* "ID KEY[ W DEPS]", cut up; W: w or -. */
static int parse_line(struct asked *a, char *line, char **key)
{
    char *rest = strchr(line, ' ');

    if (!rest)
        return -1;
    *rest++ = 0;
    *key = rest;
    char *flag = strchr(rest, ' ');
    if (flag) {
        *flag++ = 0;
        a->wanted = *flag == 'w';
        a->deps = *flag && flag[1] == ' ' ? flag + 2 : "";
    }
    return state_name_ok(line) ? 0 : -1;
}

static struct asked *parse(struct site *site, struct repx_buf *lines, size_t *count,
                           struct repx_err *err)
{
    struct asked *jobs = NULL;
    size_t cap = 0;
    char *next = lines->len ? lines->data : NULL;

    *count = 0;
    while (next && *next) {
        char *line = next, *end = strchr(line, '\n');
        next = end ? end + 1 : NULL;
        if (end)
            *end = 0;
        struct asked job = {.wanted = 0};
        char *key = NULL;
        if (!end || parse_line(&job, line, &key) < 0) {
            (void)repx_fail(err, REPX_E_USAGE, "not a question about a job: %.60s",
                            line);
            return jobs;
        }
        if (*count == cap) {
            cap = cap ? cap * 2 : 256;
            jobs = repx_grow(jobs, cap, sizeof(*jobs));
        }
        job.id = repx_strdup(line);
        jobs[*count] = job;
        look(site, jobs + (*count)++, key);
    }
    return jobs;
}

static void put_job(struct site *site, struct repx_buf *to, const struct asked *a,
                    int times)
{
    struct repx_buf one REPX_AUTO_BUF = {0};

    msg_put_text(&one, F_NAME, a->id);
    msg_put_number(&one, F_STATUS, a->status);
    msg_put_text(&one, F_REASON, a->reason);
    if (a->stale)
        msg_put_number(&one, F_STALE, 1);
    if (a->purged)
        msg_put_number(&one, F_PURGED, 1);
    if (times && a->status == JOB_SUCCEEDED)
        msg_put_number(&one, F_TIME, result_made(site, a->id));
    msg_put(to, F_JOB, one.data, (uint32_t)one.len);
}

static int status_worker(struct site *site, void *arg, int out, struct repx_buf *fields,
                         struct repx_err *err)
{
    struct status_call *c = arg;
    struct repx_buf data REPX_AUTO_BUF = {0};
    struct repx_err why = {0};
    size_t count;

    (void)fields;
    struct asked *jobs = parse(site, &c->lines, &count, &why);
    if (why.code == REPX_E_NONE)
        ask_queue(site, jobs, count);
    if (why.code == REPX_E_NONE)
        explain_outside(site, jobs, count);
    if (why.code == REPX_E_NONE)
        ask_runs(site, jobs, count);
    if (why.code == REPX_E_NONE)
        look_at_results(site, jobs, count);
    for (size_t i = 0; i < count; i++) {
        put_job(site, &data, jobs + i, c->times);
        free(jobs[i].id);
        free(jobs[i].reason);
        free(jobs[i].run);
    }
    free(jobs);
    if (why.code != REPX_E_NONE) {
        *err = why;
        return -1;
    }
    return repx_write_all(out, data.data, data.len) < 0 ? repx_fail_errno(err, "status")
                                                        : 0;
}

int status_end(struct call *c, struct repx_err *err)
{
    (void)err;
    call_fork(c, status_worker, call_own(c));
    return 0;
}
