/* SPDX-License-Identifier: MIT */
/* run_queue.c: why the jobs of a run wait, as the scheduler says. The answer is kept beside
 * the run, so that many who look cost the scheduler one question; and it outlives a
 * question that fails: that is never an answer. */
#include <stdlib.h>
#include <string.h>

#include <repx/scheduler.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/follow.h"
#include "core/agent/scheduler_call.h"
#include "core/agent/state_check.h"
#include "core/wire/verbs.h"

#define STATUS_MS 30000
#define REASONS 8
#define KEPT_MAX 65536

static int over(uint32_t state)
{
    return state >= REPX_STATE_DONE && state <= REPX_STATE_ENDED;
}

/* By key; of an array a row that still goes on stands for it. */
static void on_row(void *ctx, const json_t *answer)
{
    const char *key = json_string_value(json_object_get(answer, "key"));
    const json_t *before = key ? json_object_get(ctx, key) : NULL;

    if (!key || (before && !over(scheduler_state(state_text(before, "state", "")))))
        return;
    (void)json_object_set(ctx, key, (json_t *)(uintptr_t)answer);
}

static void count_word(json_t *words, const char *word)
{
    if (!json_object_get(words, word) && json_object_size(words) >= REASONS)
        word = "other";
    int64_t n = json_integer_value(json_object_get(words, word));

    (void)json_object_set_new(words, word, json_integer((json_int_t)n + 1));
}

static void take_rows(struct summary *s, const json_t *rows)
{
    json_t *waiting = json_object();

    s->gone = 0;
    for (size_t i = 0; i < s->run->count; i++) {
        if (s->state.terminal[i] || !s->keys[i][0])
            continue;
        const json_t *row = json_object_get(rows, s->keys[i]);
        uint32_t state = row ? scheduler_state(state_text(row, "state", "")) : 0;
        if (!row || over(state)) {
            s->gone++;
        } else if (state == REPX_STATE_PENDING) {
            const char *why = state_text(row, "reason", "");
            count_word(waiting, *why ? why : "waiting");
        }
    }
    json_decref(s->waiting);
    s->waiting = waiting;
}

/* ---- what is kept ---- */

static void keep(const struct summary *s)
{
    json_t *j = json_pack("{s:i,s:I,s:I,s:O}", "v", 1, "t", (json_int_t)s->asked_t,
                          "gone", (json_int_t)s->gone, "waiting", s->waiting);
    REPX_AUTO_FREE char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

    json_decref(j);
    if (text)
        (void)repx_write_file(s->run->dir, "queue", text, strlen(text), 0666, NULL);
}

static void recall(struct summary *s)
{
    static const struct state_field fields[] = {
        {"t", STATE_INT, STATE_REQUIRED},
        {"gone", STATE_COUNT, STATE_REQUIRED},
        {"waiting", STATE_OBJECT, STATE_REQUIRED},
        {NULL, 0, 0},
    };
    REPX_AUTO_BUF struct repx_buf b = {0};

    if (repx_read_file(s->run->dir, "queue", KEPT_MAX, &b, NULL) < 0)
        return;
    json_t *j = state_read(repx_buf_text(&b), b.len, fields, "queue", NULL);
    if (j && state_int(j, "t", 0) > s->asked_t) {
        s->asked_t = state_int(j, "t", 0);
        s->gone = (size_t)state_int(j, "gone", 0);
        json_decref(s->waiting);
        s->waiting = json_incref(json_object_get(j, "waiting"));
    }
    json_decref(j);
}

static int ask(struct summary *s, struct repx_err *err)
{
    struct scheduler scheduler;
    json_t *rows = json_object();
    int rc = scheduler_open(&scheduler, s->site, s->run->record, err);

    if (rc == 0) {
        rc = scheduler_call(&scheduler, "status", json_object(), STATUS_MS, on_row,
                            rows, err);
        scheduler_close(&scheduler);
    }
    /* what ended while the scheduler was asked is no longer missed */
    if (rc == 0 && summary_poll(s, err) >= 0) {
        s->asked_t = state_now_ms();
        take_rows(s, rows);
        keep(s);
    }
    json_decref(rows);
    return rc;
}

void summary_ask(struct summary *s, int64_t max_age_ms)
{
    struct repx_err why = {0};
    size_t counts[JOB_BLOCKED + 1];

    summary_counts(s, counts);
    if (counts[JOB_QUEUED] + counts[JOB_RUNNING] == 0) {
        json_decref(s->waiting);
        s->waiting = NULL;
        s->gone = 0;
        s->asked_t = 0;
        return;
    }
    recall(s);
    if (s->site->readonly || state_now_ms() - s->asked_t < max_age_ms)
        return;
    int rc = ask(s, &why);
    free(s->ask_error);
    s->ask_error = rc < 0 ? repx_strdup(why.text) : NULL;
}
