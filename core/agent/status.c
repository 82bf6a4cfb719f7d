/* SPDX-License-Identifier: MIT */
/* status.c: V_STATUS. Markers are the truth; then claims and who lives; then the queue,
 * when it may be asked. A question that failed is never a state: what was known before
 * stays, with the reason. */
#include <stdlib.h>
#include <string.h>

#include <repx/scheduler.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/manifest.h"
#include "core/agent/run_verbs.h"
#include "core/agent/scheduler_call.h"
#include "core/agent/state.h"
#include "core/agent/state_check.h"
#include "core/agent/status_runs.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define LINES_MAX (64u << 20)
#define FIND_MS 30000

struct status_call {
    char *scheduler, *helper;
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
};

/* ---- the request ---- */

int status_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    struct status_call *s = REPX_NEW(struct status_call);

    (void)err;
    s->scheduler = msg_text(msg, n, F_SCHEDULER);
    s->helper = msg_text(msg, n, F_HELPER);
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
    free(s->scheduler);
    free(s->helper);
    repx_buf_free(&s->lines);
    free(s);
    call_set_own(c, NULL);
}

/* ---- one job ---- */

/* What records say of a job that somebody seems to work on: JOB_RUNNING, JOB_QUEUED, or
 * JOB_UNKNOWN for nobody. key: of the unit that is worth asking about, or "". */
static int look_live(struct site *site, struct asked *a)
{
    size_t index;

    if (live_get(site, a->id, &a->run, &index, a->key, NULL) <= 0) {
        a->key[0] = 0;
        return JOB_UNKNOWN;
    }
    json_t *claim = claim_read(site, a->key, NULL);
    const char *by = state_text(claim, "by", "");
    int alive = strcmp(by, "job") == 0 ? record_alive(site, claim) : -1;
    alive = strcmp(by, "void") == 0 ? 0 : alive;
    json_decref(claim);
    if (alive >= 0)
        a->key[0] = 0; /* it works no more, or surely: no need to ask the queue */
    if (alive == 0)
        return JOB_UNKNOWN;
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

/* ---- the queue ---- */

static void on_found(void *ctx, const json_t *answer)
{
    const char *key = json_string_value(json_object_get(answer, "key"));

    if (key)
        (void)json_object_set(ctx, key, json_object_get(answer, "state"));
}

static void set_reason(struct asked *a, const char *text)
{
    free(a->reason);
    a->reason = repx_strdup(text);
}

static void merge(struct site *site, struct asked *a, const json_t *found)
{
    const json_t *state = json_object_get(found, a->key);
    uint32_t s = state ? scheduler_state(json_string_value(state)) : REPX_STATE_ENDED;

    if (s == REPX_STATE_RUNNING) {
        a->status = JOB_RUNNING;
    } else if (s == REPX_STATE_PENDING) {
        a->status = JOB_QUEUED;
    } else {
        /* gone: what its supervisor wrote, perhaps just now, counts again */
        free(a->reason);
        a->status = result_status(site, a->id, a->work, &a->stale, &a->reason);
    }
}

/* The scheduler that the run was submitted to, with the keys of that day's configuration;
 * when the run cannot be read, the one that the client names. */
static int scheduler_of_run(struct scheduler *s, struct site *site,
                            const struct status_call *c, const char *id,
                            struct repx_err *err)
{
    struct run *run = id ? run_open(site, id, NULL) : NULL;

    if (!run)
        return scheduler_open_at(s, site, c->scheduler, c->helper, err);
    int rc = scheduler_open(s, site, run->record, err);
    run_close(run);
    return rc;
}

static int of_run(const struct asked *a, const char *run)
{
    return a->key[0] && (run ? a->run && strcmp(a->run, run) == 0 : !a->run);
}

/* All jobs of one run by one question; their keys are done with then. */
static void ask_run(struct site *site, const struct status_call *c, struct asked *jobs,
                    size_t count, const char *run)
{
    json_t *keys = json_array(), *found = json_object();
    struct repx_err err = {0};
    struct scheduler s;

    for (size_t i = 0; i < count; i++) {
        if (of_run(jobs + i, run))
            (void)json_array_append_new(keys, json_string(jobs[i].key));
    }
    int rc = scheduler_of_run(&s, site, c, run, &err);
    if (rc == 0) {
        rc = scheduler_call(&s, "find", json_pack("{s:O}", "keys", keys), FIND_MS,
                            on_found, found, &err);
        scheduler_close(&s);
    }
    for (size_t i = 0; i < count; i++) {
        if (!of_run(jobs + i, run))
            continue;
        if (rc == 0) {
            merge(site, jobs + i, found);
        } else {
            set_reason(jobs + i, err.text);
        }
        jobs[i].key[0] = 0;
    }
    json_decref(keys);
    json_decref(found);
}

static void ask_queue(struct site *site, const struct status_call *c,
                      struct asked *jobs, size_t count)
{
    for (size_t i = 0; c->scheduler && c->helper && i < count; i++) {
        if (jobs[i].key[0])
            ask_run(site, c, jobs, count, jobs[i].run);
    }
}

/* ---- ends without a trace in the job's directory ---- */

static void ask_runs(struct site *site, struct asked *jobs, size_t count)
{
    struct untold *list = repx_array(count + 1, sizeof(*list));
    size_t *at = repx_array(count + 1, sizeof(*at)), n = 0;

    for (size_t i = 0; i < count; i++) {
        if (jobs[i].status != JOB_UNKNOWN)
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
        ask_queue(site, c, jobs, count);
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
