/* SPDX-License-Identifier: MIT */
#include "core/agent/queue_ask.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <repx/scheduler.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/call_log.h"
#include "core/agent/state.h"
#include "core/agent/state_check.h"

#define ASK_MS 30000
#define WAIT_MS 3000 /* for somebody else's answer to the same question */
#define ANSWER_MAX (256u << 20)
#define ERROR_MAX 4096

int queue_over(uint32_t state)
{
    return state >= REPX_STATE_DONE && state <= REPX_STATE_ENDED;
}

const char *queue_word(const char *recorded, const char *word)
{
    static const char *const dull[] = {"BeginTime", "Resources", "Priority", "None"};
    int tells = word && *word;

    for (size_t i = 0; tells && i < sizeof(dull) / sizeof(dull[0]); i++)
        tells = strcmp(word, dull[i]) != 0;
    return recorded && *recorded && !tells ? recorded : word;
}

int queue_holds(const char *indices, int64_t index)
{
    for (const char *at = indices; at && *at;) {
        char *end;
        long long first = strtoll(at, &end, 10), last = first;
        if (end == at)
            return 0;
        if (*end == '-')
            last = strtoll(end + 1, &end, 10);
        if (index >= first && index <= last)
            return 1;
        at = *end == ',' ? end + 1 : NULL;
    }
    return 0;
}

/* ---- rows ---- */

static int row_over(const json_t *row)
{
    return queue_over(scheduler_state(state_text(row, "state", "")));
}

/* An array's rest may come in several rows, each with its own list of indices. */
static void put_rest(json_t *rows, const char *name, json_t *row)
{
    json_t *list = json_object_get(rows, name);

    if (!list) {
        list = json_array();
        (void)json_object_set_new(rows, name, list);
    }
    (void)json_array_append(list, row);
}

static void put_row(json_t *rows, json_t *row)
{
    const char *key = state_text(row, "key", NULL);
    int64_t index = state_int(row, "index", -1);

    if (!key || !state_key_ok(key))
        return;
    REPX_AUTO_FREE char *name = index < 0
                                    ? repx_format("%s/", key)
                                    : repx_format("%s/%lld", key, (long long)index);
    if (index < 0) {
        put_rest(rows, name, row);
    } else {
        (void)json_object_set(rows, name, row);
    }
    /* for the whole a row that goes on counts more than one that ended */
    const json_t *before = json_object_get(rows, key);
    if (!before || row_over(before))
        (void)json_object_set(rows, key, row);
}

const json_t *queue_row(const struct queue *q, const char *key, int64_t index)
{
    if (index < 0)
        return json_object_get(q->rows, key);
    REPX_AUTO_FREE char *one = repx_format("%s/%lld", key, (long long)index);
    REPX_AUTO_FREE char *rest = repx_format("%s/", key);
    const json_t *row = json_object_get(q->rows, one);
    const json_t *list = json_object_get(q->rows, rest);
    for (size_t i = 0; !row && i < json_array_size(list); i++) {
        const json_t *some = json_array_get(list, i);
        const char *indices = state_text(some, "indices", NULL);
        if (!indices || queue_holds(indices, index))
            row = some;
    }
    return row;
}

void queue_free(struct queue *q)
{
    json_decref(q->rows);
    free(q->error);
    *q = (struct queue){0};
}

/* ---- what is kept ---- */

static char *answer_path(const struct scheduler *s)
{
    return repx_format("calls/%s/.answer", s->name);
}

/* Why no answer came, told to those who may not ask again so soon. */
static char *error_path(const struct scheduler *s)
{
    return repx_format("calls/%s/.error", s->name);
}

static void on_line(void *ctx, const json_t *row)
{
    put_row(((struct queue *)ctx)->rows, (json_t *)(uintptr_t)row);
}

/* Is it the file that was read last? Answers may be large. */
static int same_answer(struct scheduler *s, const char *path, struct queue *q)
{
    struct stat st;

    if (fstatat(s->site->state_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 1;
    const uint64_t now[3] = {(uint64_t)st.st_ino, (uint64_t)st.st_mtim.tv_sec,
                             (uint64_t)st.st_mtim.tv_nsec};
    int same = q->rows && memcmp(now, q->seen, sizeof(now)) == 0;
    memcpy(q->seen, now, sizeof(now));
    return same;
}

/* The last answer, whatever its age; nobody is asked. */
static void recall(struct scheduler *s, struct queue *q)
{
    REPX_AUTO_FREE char *path = answer_path(s);
    REPX_AUTO_BUF struct repx_buf b = {0};
    struct queue fresh = {.rows = json_object()};

    if (!same_answer(s, path, q) &&
        repx_read_file(s->site->state_fd, path, ANSWER_MAX, &b, NULL) == 0 && b.len) {
        const char *end = memchr(b.data, '\n', b.len);
        json_t *head =
            end ? state_parse(b.data, (size_t)(end - b.data), "answer", NULL) : NULL;
        fresh.t = state_int(head, "t", 0);
        size_t at = end ? (size_t)(end - b.data) + 1 : b.len;
        if (head && fresh.t > q->t &&
            scheduler_answer(s->name, b.data + at, b.len - at, on_line, &fresh, NULL) ==
                0) {
            json_decref(q->rows);
            q->rows = json_incref(fresh.rows);
            q->t = fresh.t;
        }
        json_decref(head);
    }
    if (!q->rows)
        q->rows = json_object();
    queue_free(&fresh);
}

/* The answer as the helper wrote it, under the time when it came. */
static void keep(struct scheduler *s, int64_t t)
{
    REPX_AUTO_FREE char *path = answer_path(s);
    REPX_AUTO_BUF struct repx_buf b = {0};

    repx_buf_fmt(&b, "{\"v\":1,\"t\":%lld}\n", (long long)t);
    repx_buf_add(&b, repx_buf_text(&s->output.out), s->output.out.len);
    (void)repx_write_file(s->site->state_fd, path, b.data, b.len, 0666, NULL);
}

/* ---- asking ---- */

static void set_error(struct queue *q, const char *text)
{
    free(q->error);
    q->error = repx_strdup(text);
}

static void ask(struct scheduler *s, struct queue *q, int kept)
{
    struct repx_err why = {0};
    struct queue fresh = {.rows = json_object()};
    int64_t t = state_now_ms();
    int rc = scheduler_call(s, "status", json_object(), ASK_MS, on_line, &fresh, &why);

    if (rc == 0) {
        json_decref(q->rows);
        q->rows = json_incref(fresh.rows);
        q->t = t;
        set_error(q, NULL);
        if (kept)
            keep(s, t);
    } else {
        REPX_AUTO_FREE char *path = error_path(s);
        set_error(q, why.text);
        if (kept) {
            (void)repx_write_file(s->site->state_fd, path, why.text, strlen(why.text),
                                  0666, NULL);
        }
    }
    queue_free(&fresh);
}

/* It is left alone for a while, after it gave no answer. */
static void tell_silence(struct scheduler *s, struct queue *q)
{
    static const char none[] = "it did not answer in time when it was asked last";
    REPX_AUTO_FREE char *path = error_path(s);
    REPX_AUTO_BUF struct repx_buf why = {0};
    struct stat st;

    if (fstatat(s->site->state_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        repx_read_file(s->site->state_fd, path, ERROR_MAX, &why, NULL) < 0 ||
        !why.len) {
        set_error(q, none);
        return;
    }
    REPX_AUTO_FREE char *text =
        repx_format("no answer when it was asked %lld s ago: %s",
                    (long long)(state_now_ms() / 1000 - (int64_t)st.st_mtim.tv_sec),
                    repx_buf_text(&why));
    set_error(q, text);
}

static int fresh_enough(const struct queue *q, int64_t max_age_ms)
{
    int64_t age = state_now_ms() - q->t;

    return q->t && age >= -max_age_ms && age < max_age_ms;
}

/* Somebody else asks just now: his answer is ours. */
static void await(struct scheduler *s, int64_t max_age_ms, struct queue *q)
{
    for (int64_t ms = 0; ms < (q->t ? WAIT_MS : ASK_MS); ms += 100) {
        (void)poll(NULL, 0, 100);
        recall(s, q);
        if (fresh_enough(q, max_age_ms))
            return;
    }
    set_error(q, "another process has been asking the scheduler for long");
}

void queue_ask(struct scheduler *s, int64_t max_age_ms, struct queue *q)
{
    uint64_t epoch;

    set_error(q, NULL);
    q->next = 0;
    if (strcmp(s->name, "local") == 0) { /* our own queue */
        ask(s, q, 0);
        return;
    }
    recall(s, q);
    if (fresh_enough(q, max_age_ms))
        return;
    if (s->site->readonly) {
        set_error(q,
                  "this base path is another's: its jobs are asked about by its "
                  "owner alone");
        return;
    }
    REPX_AUTO_FREE char *lease = repx_format("ask-%s", s->name);
    if (lease_take(s->site, lease, 0, &epoch, NULL) < 0) {
        await(s, max_age_ms, q);
        return;
    }
    recall(s, q);
    struct budget b = call_log_budget(s->site, s->name);
    if (!fresh_enough(q, max_age_ms)) {
        q->next = b.wait_ms;
        if (b.wait_ms == 0) {
            ask(s, q, 1);
        } else if (b.silent) {
            tell_silence(s, q);
        }
    }
    lease_drop(s->site, lease);
}

/* ---- the accounts ---- */

static void on_ended(void *ctx, const json_t *row)
{
    struct queue *q = ctx;
    const char *key = state_text(row, "key", NULL);
    int64_t index = state_int(row, "index", -1);
    const json_t *before = key && state_key_ok(key) ? queue_row(q, key, index) : NULL;

    /* the queue knows better what goes on, and an account that was never closed is no
     * job; but of an end the accounts tell more */
    if (key && row_over(row) && (!before || row_over(before)))
        put_row(q->rows, (json_t *)(uintptr_t)row);
}

int queue_ask_ended(struct scheduler *s, int64_t since_s, struct queue *q,
                    struct repx_err *err)
{
    if (!q->rows)
        q->rows = json_object();
    return scheduler_call(s, "ended", json_pack("{s:I}", "since", (json_int_t)since_s),
                          ASK_MS, on_ended, q, err);
}
