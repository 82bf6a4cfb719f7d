/* SPDX-License-Identifier: MIT */
/* run_summary.c: a run of any size on one screen. Memory is a few words a job; the plan is
 * read for the jobs that are named, and whole only to tell who is blocked. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>

#include "core/agent/follow.h"
#include "core/agent/manifest.h"
#include "core/agent/state_check.h"
#include "core/agent/waiting.h"
#include "core/wire/verbs.h"

#define NAMED 5   /* jobs that are named of each kind */
#define REASONS 8 /* that are told apart */
#define MINUTE 60000
#define RATE_MS 600000

int summary_open(struct summary *s, struct site *site, struct run *run,
                 struct repx_err *err)
{
    *s = (struct summary){.site = site, .run = run};
    run_state_init(&s->state, run->count);
    s->started = repx_array(run->count + 1, sizeof(*s->started));
    s->ended = repx_array(run->count + 1, sizeof(*s->ended));
    s->submitted = repx_array(run->count + 1, sizeof(*s->submitted));
    s->left = repx_array(run->count + 1, sizeof(*s->left));
    s->index = repx_array(run->count + 1, sizeof(*s->index));
    s->keys = repx_array(run->count + 1, sizeof(*s->keys));
    s->reader = event_reader_open(site, run, err);
    return s->reader ? 0 : -1;
}

void summary_close(struct summary *s)
{
    run_state_finish(&s->state);
    free(s->started);
    free(s->ended);
    free(s->submitted);
    free(s->left);
    free(s->index);
    free(s->keys);
    event_reader_close(s->reader);
    json_decref(s->waiting);
    free(s->ask_error);
    *s = (struct summary){0};
}

static void note_key(struct summary *s, size_t i, const json_t *event)
{
    const char *key = state_text(event, "key", "");

    if (strlen(key) >= sizeof(s->keys[i]))
        return;
    memcpy(s->keys[i], key, strlen(key) + 1);
    s->index[i] = state_int(event, "index", -1);
    s->submitted[i] = state_int(event, "t", 0);
}

static void note_end(struct summary *s, size_t i, const json_t *event)
{
    s->ended[i] = state_int(event, "t", 0);
    if (s->state.status[i] == JOB_FAILED && s->first_count < SUMMARY_FIRST)
        s->first[s->first_count++] = i;
}

static void on_event(void *ctx, const json_t *event, const char *line, size_t n)
{
    struct summary *s = ctx;
    size_t i = (size_t)state_int(event, "i", 0);
    const char *what = state_text(event, "e", "");

    (void)line, (void)n;
    if (i >= s->run->count)
        return;
    int was = s->state.terminal[i];
    run_state_event(&s->state, event);
    if ((strcmp(what, "submitted") == 0 || strcmp(what, "taken") == 0) &&
        strncmp(state_text(event, "phase", "main"), "step-", 5) != 0)
        note_key(s, i, event);
    if (strcmp(what, "withdrawn") == 0)
        s->keys[i][0] = 0;
    if (strcmp(what, "gone") == 0) {
        s->left[i] = s->left[i] ? s->left[i] : state_int(event, "t", 0);
    } else {
        s->left[i] = 0;
    }
    if (strcmp(what, "done") == 0)
        s->before += !was;
    if (s->state.status[i] == JOB_RUNNING && strcmp(what, "start") == 0 &&
        (!s->started[i] || was))
        s->started[i] = state_int(event, "t", 0);
    if (!was && s->state.terminal[i])
        note_end(s, i, event);
}

int64_t summary_poll(struct summary *s, struct repx_err *err)
{
    int64_t n = event_reader_poll(s->reader, on_event, s, err);

    if (n < 0)
        return -1;
    /* in memory only: whoever looks writes nothing */
    if (s->state.left && s->state.failed &&
        run_state_block(&s->state, s->run, NULL, NULL, err) < 0)
        return -1;
    return n;
}

void summary_counts(const struct summary *s, size_t *counts)
{
    memset(counts, 0, (JOB_BLOCKED + 1) * sizeof(*counts));
    for (size_t i = 0; i < s->run->count; i++)
        counts[s->state.status[i] <= JOB_BLOCKED ? s->state.status[i] : 0]++;
}

json_t *summary_states(const struct summary *s)
{
    static const char *const names[] = {"unsubmitted", "succeeded", "failed",
                                        "queued",      "running",   "blocked"};
    size_t counts[JOB_BLOCKED + 1];
    json_t *states = json_object();

    summary_counts(s, counts);
    for (size_t k = 0; k <= JOB_BLOCKED; k++) {
        (void)json_object_set_new(states, names[k],
                                  json_integer((json_int_t)counts[k]));
    }
    return states;
}

int64_t summary_made(const struct summary *s)
{
    size_t i = 0;

    while (i < s->run->count && s->state.status[i] != JOB_SUCCEEDED)
        i++;
    json_t *plan = i < s->run->count ? run_plan(s->run, i, NULL) : NULL;
    const char *id = state_text(plan, "id", NULL);
    int64_t made = id ? result_made(s->site, id) : 0;

    json_decref(plan);
    return made;
}

json_t *summary_head(const struct run *run)
{
    static const char *const keys[] = {"run",       "t",     "user", "host", "target",
                                       "scheduler", "specs", "lab",  "count"};
    json_t *head = json_object();

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        json_t *v = json_object_get(run->record, keys[i]);
        (void)json_object_set(head, keys[i], v ? v : json_null());
    }
    (void)json_object_set_new(
        head, "cancelled", json_boolean(faccessat(run->dir, "cancel", F_OK, 0) == 0));
    return head;
}

/* ---- parts of the screen ---- */

static json_t *job_named(const struct summary *s, size_t i)
{
    json_t *plan = run_plan(s->run, i, NULL);
    json_t *job =
        json_pack("{s:s,s:I}", "id", state_text(plan, "id", "?"), "i", (json_int_t)i);

    json_decref(plan);
    return job;
}

static json_t *first_failures(const struct summary *s)
{
    json_t *list = json_array();

    for (size_t k = 0; k < s->first_count && json_array_size(list) < NAMED; k++) {
        size_t i = s->first[k];
        if (s->state.status[i] != JOB_FAILED || !s->state.terminal[i])
            continue;
        json_t *job = job_named(s, i);
        const char *reason = s->state.reason[i];
        (void)json_object_set_new(job, "reason",
                                  json_string(reason ? reason : "failed"));
        (void)json_object_set_new(job, "t", json_integer((json_int_t)s->ended[i]));
        (void)json_array_append_new(list, job);
    }
    return list;
}

void summary_count(json_t *words, const char *word)
{
    if (!json_object_get(words, word) && json_object_size(words) >= REASONS)
        word = "other";
    int64_t n = json_integer_value(json_object_get(words, word));

    (void)json_object_set_new(words, word, json_integer((json_int_t)n + 1));
}

static json_t *failure_reasons(const struct summary *s)
{
    json_t *words = json_object();

    for (size_t i = 0; i < s->run->count; i++) {
        if (s->state.status[i] == JOB_FAILED && s->state.terminal[i])
            summary_count(words, s->state.reason[i] ? s->state.reason[i] : "failed");
    }
    return words;
}

/* The jobs that block most others. */
static json_t *blockers(const struct summary *s)
{
    size_t *by = repx_array(s->run->count + 1, sizeof(*by));
    json_t *list = json_array();

    for (size_t i = 0; i < s->run->count; i++) {
        const char *text = s->state.reason[i];
        size_t k = s->state.status[i] == JOB_BLOCKED && text ? strtoul(text, NULL, 10)
                                                             : s->run->count;
        by[k < s->run->count && k != i ? k : s->run->count]++;
    }
    for (size_t n = 0; n < NAMED; n++) {
        size_t best = s->run->count;
        for (size_t i = 0; i < s->run->count; i++) {
            if (by[i] && (best == s->run->count || by[i] > by[best]))
                best = i;
        }
        if (best == s->run->count)
            break;
        json_t *job = job_named(s, best);
        (void)json_object_set_new(job, "blocks", json_integer((json_int_t)by[best]));
        (void)json_array_append_new(list, job);
        by[best] = 0;
    }
    free(by);
    return list;
}

/* Those that the scheduler never starts, since what they wait for cannot come. */
static json_t *never_come(const struct summary *s)
{
    json_t *first = NULL;
    size_t n = 0;

    for (size_t i = 0; i < s->run->count; i++) {
        const char *by = s->state.reason[i];
        if (s->state.status[i] != JOB_BLOCKED || !by || strtoul(by, NULL, 10) != i)
            continue;
        if (n++ == 0)
            first = job_named(s, i);
    }
    return json_pack("{s:I,s:o}", "count", (json_int_t)n, "first",
                     first ? first : json_null());
}

/* Longest running first. */
static json_t *oldest(const struct summary *s)
{
    size_t found[NAMED], n = 0;
    json_t *list = json_array();

    for (size_t i = 0; i < s->run->count; i++) {
        if (s->state.status[i] != JOB_RUNNING)
            continue;
        size_t at = n;
        while (at > 0 && s->started[found[at - 1]] > s->started[i])
            at--;
        if (at >= NAMED)
            continue;
        n += n < NAMED;
        memmove(found + at + 1, found + at, (n - at - 1) * sizeof(*found));
        found[at] = i;
    }
    for (size_t k = 0; k < n; k++) {
        json_t *job = job_named(s, found[k]);
        (void)json_object_set_new(job, "since",
                                  json_integer((json_int_t)s->started[found[k]]));
        (void)json_array_append_new(list, job);
    }
    return list;
}

/* Jobs that ended on their own within the last minute and the last ten. */
static json_t *rates(const struct summary *s, int64_t now)
{
    size_t minute = 0, ten = 0;
    int64_t last = 0;

    for (size_t i = 0; i < s->run->count; i++) {
        int64_t t = s->started[i] ? s->ended[i] : 0;
        minute += t && now - t <= MINUTE;
        ten += t && now - t <= RATE_MS;
        last = t > last ? t : last;
    }
    return json_pack("{s:I,s:I,s:I}", "ended_1min", (json_int_t)minute, "ended_10min",
                     (json_int_t)ten, "last_end", (json_int_t)last);
}

/* Jobs that no scheduler has yet, since it takes no more. */
static json_t *without_room(const struct summary *s)
{
    struct waiting w;
    json_t *j = json_null();

    if (s->state.left && waiting_read(s->site, s->run->id, &w)) {
        j = json_pack("{s:I,s:I,s:s,s:b}", "jobs", (json_int_t)w.jobs, "t",
                      (json_int_t)w.t, "reason", w.reason ? w.reason : "",
                      "needs_client", w.needs_client);
        waiting_finish(&w);
    }
    return j;
}

json_t *summary_json(const struct summary *s)
{
    int64_t now = state_now_ms();
    json_t *j = summary_head(s->run);

    (void)json_object_set_new(j, "v", json_integer(1));
    (void)json_object_set_new(j, "now", json_integer((json_int_t)now));
    (void)json_object_set_new(j, "ended", json_boolean(s->state.left == 0));
    (void)json_object_set_new(j, "states", summary_states(s));
    (void)json_object_set_new(j, "made", json_integer((json_int_t)summary_made(s)));
    (void)json_object_set_new(j, "complete_before",
                              json_integer((json_int_t)s->before));
    (void)json_object_set_new(j, "rates", rates(s, now));
    (void)json_object_set_new(j, "failures", failure_reasons(s));
    (void)json_object_set_new(j, "failed_first", first_failures(s));
    (void)json_object_set_new(j, "blocked_by", blockers(s));
    (void)json_object_set_new(j, "never_satisfied", never_come(s));
    (void)json_object_set_new(j, "oldest_running", oldest(s));
    (void)json_object_set(j, "waiting", s->waiting ? s->waiting : json_null());
    (void)json_object_set_new(j, "room", without_room(s));
    (void)json_object_set_new(j, "gone", json_integer((json_int_t)s->gone));
    (void)json_object_set_new(j, "queue_t", json_integer((json_int_t)s->asked_t));
    (void)json_object_set_new(j, "queue_error",
                              s->ask_error ? json_string(s->ask_error) : json_null());
    (void)json_object_set_new(j, "queue_next_ms",
                              json_integer((json_int_t)s->ask_next));
    return j;
}
