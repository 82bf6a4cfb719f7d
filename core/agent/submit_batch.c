/* SPDX-License-Identifier: MIT */
/* submit_batch.c: one batch: intent on paper, the question, the answers on paper. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <repx/scheduler.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state_check.h"
#include "core/agent/submit_own.h"

#define SUBMIT_MS 300000
#define FIND_MS 60000
#define FIND_TRIES 3
#define FIND_WAIT_MS 2000 /* what was asked for may appear a little later */
#define ROOM_MS 60000     /* how long to wait for room in all */

/* ---- the journal ---- */

void journal_line(struct submission *s, const char *what, const char *key, json_t *more)
{
    json_t *j = more ? more : json_object();

    (void)json_object_set_new(j, "v", json_integer(1));
    (void)json_object_set_new(j, "t", json_integer(state_now_ms()));
    (void)json_object_set_new(j, "do", json_string(what));
    (void)json_object_set_new(j, "key", json_string(key));
    REPX_AUTO_FREE char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    if (text) {
        repx_buf_str(&s->lines, text);
        repx_buf_char(&s->lines, '\n');
    }
}

int journal_write(struct submission *s, int durable, struct repx_err *err)
{
    REPX_AUTO_FREE char *name =
        repx_format("journal.%s.%ld", s->site->host, (long)getpid());

    if (s->journal < 0) {
        s->journal =
            openat(s->run->dir, name,
                   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);
    }
    if (s->journal < 0 || repx_write_all(s->journal, s->lines.data, s->lines.len) < 0 ||
        (durable && fdatasync(s->journal) < 0)) {
        return repx_fail_errno(err,
                               "run %s: %s cannot be written, so nothing more is "
                               "submitted",
                               s->run->id, name);
    }
    s->lines.len = 0;
    return 0;
}

/* ---- asking ---- */

static void on_answer(void *ctx, const json_t *answer)
{
    struct submission *s = ctx;
    int64_t i = json_integer_value(json_object_get(answer, "i"));
    const char *id = json_string_value(json_object_get(answer, "id"));
    const char *text = json_string_value(json_object_get(answer, "text"));
    const char *result = json_string_value(json_object_get(answer, "result"));

    if (i < 0 || (size_t)i >= s->batch_count || !result)
        return;
    struct pending *p = s->batch + i;
    p->result = scheduler_result(result);
    if (p->result == REPX_SUBMIT_ACCEPTED && !id)
        p->result = REPX_SUBMIT_PERHAPS;
    free(p->id);
    free(p->text);
    p->id = repx_strdup(id);
    p->text = repx_strdup(text);
}

static void on_found(void *ctx, const json_t *answer)
{
    const char *key = json_string_value(json_object_get(answer, "key"));

    if (key && json_is_string(json_object_get(answer, "id")))
        (void)json_object_set(ctx, key, (json_t *)(uintptr_t)answer);
}

json_t *submission_find(struct submission *s, json_t *keys, struct repx_err *err)
{
    json_t *found = json_object();
    json_t *request = json_pack("{s:O}", "keys", keys);

    if (json_array_size(keys) == 0) {
        json_decref(request);
        return found;
    }
    if (scheduler_call(&s->scheduler, "find", request, FIND_MS, on_found, found, err) <
        0) {
        json_decref(found);
        return NULL;
    }
    return found;
}

/* An array of jobs: its table, and each job's link. */
static int prepare_members(struct submission *s, const struct pending *p,
                           struct repx_err *err)
{
    int rc = array_write(s->site, p->key, p->members, p->array, err);

    for (size_t i = 0; rc == 0 && i < p->array; i++) {
        size_t job = p->members[i];
        struct decided *d = s->jobs + job;
        memcpy(d->key, p->key, sizeof(p->key));
        d->width = p->array;
        d->index = i;
        rc = live_set(s->site, state_text(s->plan[job], "id", ""), s->run->id, job,
                      p->key, err);
    }
    return rc;
}

/* A later part of a step's branches: its indices begin at 0 all the same. */
static int prepare_branches(struct submission *s, const struct pending *p,
                            struct repx_err *err)
{
    size_t *numbers = repx_array(p->array, sizeof(*numbers));

    for (size_t i = 0; i < p->array; i++)
        numbers[i] = p->first + i;
    int rc = array_write(s->site, p->key, numbers, p->array, err);
    free(numbers);
    return rc;
}

int submission_prepare(struct submission *s, size_t at, struct repx_err *err)
{
    const struct pending *p = s->batch + at;
    const char *id = state_text(s->plan[p->job], "id", "");

    if (sub_create(s->site, p->key, err) < 0)
        return -1;
    if (p->members)
        return prepare_members(s, p, err);
    if (p->first && prepare_branches(s, p, err) < 0)
        return -1;
    /* of a scatter-gather job the gather stands for the whole */
    if (strcmp(p->phase, "scatter") == 0 || strncmp(p->phase, "step-", 5) == 0)
        return 0;
    memcpy(s->jobs[p->job].key, p->key, sizeof(p->key));
    return live_set(s->site, id, s->run->id, p->job, p->key, err);
}

static int ask(struct submission *s, struct repx_err *err)
{
    json_t *units = json_array();

    for (size_t i = 0; i < s->batch_count; i++) {
        s->batch[i].result = 0;
        (void)json_array_append(units, s->batch[i].unit);
    }
    return scheduler_call(&s->scheduler, "submit", json_pack("{s:o}", "units", units),
                          SUBMIT_MS, on_answer, s, err);
}

/* ---- what is true of units without an answer ---- */

static int unanswered(const struct pending *p)
{
    return p->result == 0 || p->result == REPX_SUBMIT_PERHAPS;
}

static size_t adopt_found(struct submission *s, const json_t *found)
{
    size_t left = 0;

    for (size_t i = 0; i < s->batch_count; i++) {
        struct pending *p = s->batch + i;
        const char *id =
            json_string_value(json_object_get(json_object_get(found, p->key), "id"));
        if (!unanswered(p))
            continue;
        if (!id) {
            left++;
            continue;
        }
        p->result = REPX_SUBMIT_ACCEPTED;
        free(p->id);
        p->id = repx_strdup(id);
    }
    return left;
}

static json_t *doubtful_keys(const struct submission *s)
{
    json_t *keys = json_array();

    for (size_t i = 0; i < s->batch_count; i++) {
        if (unanswered(s->batch + i))
            (void)json_array_append_new(keys, json_string(s->batch[i].key));
    }
    return keys;
}

/* Make the key void: should the unit appear after all, it ends without doing anything. */
static int give_up(struct submission *s, struct pending *p, const char *why,
                   struct repx_err *err)
{
    json_t *claim = NULL;
    int rc =
        claim_make(s->site, p->key, CLAIM_VOID, s->scheduler.name, "", &claim, err);

    if (rc == 0 && strcmp(state_text(claim, "by", ""), "job") == 0) {
        p->result = REPX_SUBMIT_ACCEPTED; /* it has started meanwhile */
        free(p->id);
        p->id = repx_strdup(state_text(claim, "id", ""));
    } else if (rc >= 0) {
        journal_line(s, "void", p->key, NULL);
        p->result = REPX_SUBMIT_REFUSED;
        free(p->text);
        p->text =
            repx_format("the scheduler gave no answer and does not know it: %s", why);
    }
    json_decref(claim);
    return rc < 0 ? -1 : 0;
}

static int settle_doubts(struct submission *s, const char *why, struct repx_err *err)
{
    for (int i = 0; i < FIND_TRIES; i++) {
        json_t *keys = doubtful_keys(s);
        size_t left = json_array_size(keys);
        json_t *found = left ? submission_find(s, keys, err) : NULL;
        json_decref(keys);
        if (left && !found) {
            return repx_wrap(err,
                             "whether %zu jobs were submitted is not known; run "
                             "again to find out",
                             left);
        }
        left = found ? adopt_found(s, found) : 0;
        json_decref(found);
        if (!left)
            return 0;
        if (i + 1 < FIND_TRIES)
            (void)poll(NULL, 0, FIND_WAIT_MS);
    }
    for (size_t i = 0; i < s->batch_count; i++) {
        if (unanswered(s->batch + i) && give_up(s, s->batch + i, why, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- answers on paper ---- */

/* index: of the job within its array of jobs, else -1. */
static int accept_job(struct submission *s, const struct pending *p, size_t job,
                      int64_t index, struct repx_err *err)
{
    REPX_AUTO_FREE char *id = array_unit(p->id, index);
    json_t *event = json_pack("{s:I,s:s,s:s,s:s}", "i", (json_int_t)job, "e",
                              "submitted", "key", p->key, "id", id);

    if (strcmp(p->phase, "main") != 0)
        (void)json_object_set_new(event, "phase", json_string(p->phase));
    if (p->array)
        (void)json_object_set_new(event, "array", json_integer((json_int_t)p->array));
    if (index >= 0)
        (void)json_object_set_new(event, "index", json_integer((json_int_t)index));
    if (strcmp(p->key, s->jobs[job].key) == 0) {
        s->jobs[job].what = DECIDE_OURS;
        free(s->jobs[job].unit);
        s->jobs[job].unit = repx_strdup(id);
    }
    s->submitted++;
    return submission_event(s, event, err);
}

static int write_accepted(struct submission *s, struct pending *p, struct repx_err *err)
{
    json_t *claim = NULL;
    int rc = claim_make(s->site, p->key, CLAIM_SUBMITTER, s->scheduler.name, p->id,
                        &claim, err);

    json_decref(claim);
    if (rc < 0)
        return -1;
    json_t *how = json_pack("{s:s}", "id", p->id);
    if (p->text && *p->text)
        (void)json_object_set_new(how, "command", json_string(p->text));
    journal_line(s, "accepted", p->key, how);
    if (s->steps) {
        REPX_AUTO_FREE char *part = submission_part(p->phase, p->first);
        (void)json_object_set_new(s->steps, part, json_string(p->id));
    }
    if (!p->members)
        return accept_job(s, p, p->job, -1, err);
    for (size_t i = 0; i < p->array; i++) {
        if (accept_job(s, p, p->members[i], (int64_t)i, err) < 0)
            return -1;
    }
    return 0;
}

/* The failed producer because of which a refused unit never had a chance. */
static size_t refused_producer(const struct submission *s, size_t job)
{
    const json_t *deps = json_object_get(s->plan[job], "deps");

    for (size_t i = 0; i < json_array_size(deps); i++) {
        size_t d = (size_t)json_integer_value(json_array_get(deps, i));
        if (s->jobs[d].what == DECIDE_REFUSED)
            return d;
        if (s->jobs[d].what == DECIDE_BLOCKED)
            return s->jobs[d].by;
    }
    return job;
}

static int refuse_job(struct submission *s, size_t job, const char *text,
                      struct repx_err *err)
{
    struct decided *d = s->jobs + job;
    int before = d->what == DECIDE_REFUSED || d->what == DECIDE_BLOCKED;

    live_clear(s->site, state_text(s->plan[job], "id", ""), s->run->id, NULL);
    if (before)
        return 0;
    d->by = refused_producer(s, job);
    d->what = d->by == job ? DECIDE_REFUSED : DECIDE_BLOCKED;
    s->refused += d->what == DECIDE_REFUSED;
    json_t *event = d->what == DECIDE_BLOCKED
                        ? json_pack("{s:I,s:s,s:I}", "i", (json_int_t)job, "e",
                                    "blocked", "by", (json_int_t)d->by)
                        : json_pack("{s:I,s:s,s:s}", "i", (json_int_t)job, "e",
                                    "refused", "text", text);
    return submission_event(s, event, err);
}

static int write_refused(struct submission *s, struct pending *p, struct repx_err *err)
{
    const char *text = p->text ? p->text : "";

    journal_line(s, "refused", p->key, json_pack("{s:s}", "text", text));
    if (strncmp(p->phase, "step-", 5) == 0) {
        if (!s->refusal) /* what comes after it is refused because of it */
            s->refusal = repx_strdup(text);
        return 0;
    }
    if (!p->members)
        return refuse_job(s, p->job, text, err);
    for (size_t i = 0; i < p->array; i++) {
        if (refuse_job(s, p->members[i], text, err) < 0)
            return -1;
    }
    return 0;
}

static void pending_finish(struct pending *p)
{
    json_decref(p->unit);
    free(p->id);
    free(p->text);
    free(p->members);
}

/* Write down all answers but "no room": those stay in the batch. Dependencies on units
 * of this batch that have an id now are given by it. */
static int write_answers(struct submission *s, struct repx_err *err)
{
    size_t kept = 0;
    int rc = 0;

    for (size_t i = 0; i < s->batch_count; i++) {
        struct pending *p = s->batch + i;
        if (rc == 0 && p->result == REPX_SUBMIT_ACCEPTED) {
            rc = write_accepted(s, p, err);
        } else if (rc == 0 && p->result == REPX_SUBMIT_REFUSED) {
            rc = write_refused(s, p, err);
        }
        if (p->result == REPX_SUBMIT_ROOM) {
            s->batch[kept++] = *p;
        } else {
            pending_finish(p);
        }
    }
    s->batch_count = kept;
    return rc < 0 ? -1 : journal_write(s, 1, err);
}

static void resolve_key(json_t *dep, const json_t *ids)
{
    const char *key = json_string_value(json_object_get(dep, "key"));
    json_t *id = key ? json_object_get(ids, key) : NULL;

    if (!id)
        return;
    (void)json_object_set(dep, "id", id);
    (void)json_object_del(dep, "key");
}

/* Keys of units that were accepted in an earlier round become ids. */
static void resolve_keys(const struct submission *s, const json_t *ids)
{
    for (size_t i = 0; i < s->batch_count; i++) {
        json_t *deps = json_object_get(s->batch[i].unit, "deps");
        for (size_t k = 0; k < json_array_size(deps); k++)
            resolve_key(json_array_get(deps, k), ids);
    }
}

static json_t *accepted_ids(const struct submission *s)
{
    json_t *ids = json_object();

    for (size_t i = 0; i < s->batch_count; i++) {
        if (s->batch[i].result == REPX_SUBMIT_ACCEPTED) {
            (void)json_object_set_new(ids, s->batch[i].key,
                                      json_string(s->batch[i].id));
        }
    }
    return ids;
}

/* What found no room in the time that may be waited is not submitted, and says so. */
static int refuse_rest(struct submission *s, struct repx_err *err)
{
    for (size_t i = 0; i < s->batch_count; i++) {
        struct pending *p = s->batch + i;
        p->result = REPX_SUBMIT_REFUSED;
        char *text = repx_format("no room: %s; run again when there is",
                                 p->text && *p->text ? p->text : "the queue is full");
        free(p->text);
        p->text = text;
    }
    s->left += s->batch_count;
    return write_answers(s, err);
}

/* One round: ask for what is in the batch; what found no room is in it afterwards. */
static int one_round(struct submission *s, struct repx_err *err)
{
    struct repx_err failed = {0};
    int rc = ask(s, &failed);

    if (settle_doubts(s, rc < 0 ? failed.text : "no reason given", err) < 0)
        return -1;
    json_t *ids = accepted_ids(s);
    rc = write_answers(s, err);
    resolve_keys(s, ids);
    json_decref(ids);
    return rc;
}

int submission_flush(struct submission *s, struct repx_err *err)
{
    int64_t waited = 0, wait = 1000;

    if (s->batch_count == 0)
        return 0;
    if (journal_write(s, 1, err) < 0)
        return -1;
    for (size_t i = 0; i < s->batch_count; i++) {
        if (submission_prepare(s, i, err) < 0)
            return -1;
    }
    for (;;) {
        if (lease_touch(s->site, "feed", err) < 0 || one_round(s, err) < 0)
            return -1;
        int halved = submission_halve(s, err);
        if (halved < 0 || s->batch_count == 0)
            return halved;
        if (halved)
            continue;
        if (waited >= ROOM_MS)
            return refuse_rest(s, err);
        (void)poll(NULL, 0, (int)wait);
        waited += wait;
        wait = wait < 16000 ? wait * 2 : wait;
    }
}
