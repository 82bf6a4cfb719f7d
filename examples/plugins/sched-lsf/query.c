/* SPDX-License-Identifier: MIT */
/* query.c: one bjobs, whatever is asked, read as it comes; records for what that has
 * forgotten. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/stream.h>

#include "own.h"

#define CANCEL_AT_ONCE 500
#define DIGITS "0123456789"

struct row {
    char id[REPX_ID_SIZE], key[REPX_KEY_SIZE];
    int64_t index; /* -1: all that have no row of their own */
    uint32_t state;
    int32_t exit;
    char reason[128], node[128];
};

struct reader {
    void (*each)(void *ctx, const struct row *row); /* only rows with a key */
    void *ctx;
    struct row row;
    int is_list; /* it is the list that was asked for */
};

static void row_begin(struct row *row)
{
    *row = (struct row){.index = -1, .exit = -1, .state = REPX_STATE_RUNNING};
}

static uint32_t state_of(const char *word)
{
    static const struct {
        const char *word;
        uint32_t state;
    } states[] = {
        {"PEND", REPX_STATE_PENDING}, {"PSUSP", REPX_STATE_PENDING},
        {"WAIT", REPX_STATE_PENDING}, {"DONE", REPX_STATE_DONE},
        {"EXIT", REPX_STATE_FAILED},  {"ZOMBI", REPX_STATE_NODE},
    };

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (strcmp(states[i].word, word) == 0)
            return states[i].state;
    }
    return REPX_STATE_RUNNING; /* RUN, USUSP, SSUSP, UNKWN, or what is not known yet */
}

/* "TERM_RUNLIMIT: job killed after reaching LSF run time limit" */
static void take_reason(struct row *row, const char *text)
{
    static const struct {
        const char *word;
        uint32_t state;
    } words[] = {
        {"TERM_RUNLIMIT", REPX_STATE_TIMEOUT},
        {"TERM_DEADLINE", REPX_STATE_TIMEOUT},
        {"TERM_CPULIMIT", REPX_STATE_TIMEOUT},
        {"TERM_MEMLIMIT", REPX_STATE_MEMORY},
        {"TERM_SWAP", REPX_STATE_MEMORY},
        {"TERM_OWNER", REPX_STATE_CANCELED},
        {"TERM_ADMIN", REPX_STATE_CANCELED},
        {"TERM_FORCE_OWNER", REPX_STATE_CANCELED},
        {"TERM_FORCE_ADMIN", REPX_STATE_CANCELED},
    };

    (void)snprintf(row->reason, sizeof(row->reason), "%.127s", text);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t n = strlen(words[i].word);
        if (strncmp(text, words[i].word, n) == 0 && !(text[n] >= 'A' && text[n] <= 'Z'))
            row->state = words[i].state;
    }
}

/* "stage.KEY[3]": a name of ours, and the index from 1 that it may have. */
static void take_name(struct row *row, const char *text)
{
    size_t n = strcspn(text, "[");
    size_t at = n;

    while (at > 0 && text[at - 1] != '.')
        at--;
    if (at > 0)
        (void)repx_key_take(text + at, n - at, row->key);
}

static void take_attribute(struct row *row, const char *name, const char *text)
{
    size_t n = strspn(text, DIGITS);

    if (strcmp(name, "JOBID") == 0) {
        if (n > 0 && n < 19)
            (void)snprintf(row->id, sizeof(row->id), "%.*s", (int)n, text);
    } else if (strcmp(name, "JOBINDEX") == 0) {
        int64_t index = n > 0 && n < 10 ? strtoll(text, NULL, 10) : 0;
        row->index = index > 0 ? index - 1 : -1;
    } else if (strcmp(name, "JOB_NAME") == 0) {
        take_name(row, text);
    } else if (strcmp(name, "STAT") == 0) {
        row->state = state_of(text);
    } else if (strcmp(name, "EXIT_CODE") == 0) {
        row->exit = n > 0 && n < 4 ? (int32_t)strtol(text, NULL, 10) & 0xff : -1;
    } else if (strcmp(name, "EXIT_REASON") == 0) {
        take_reason(row, text);
    } else if (strcmp(name, "FIRST_HOST") == 0) {
        (void)snprintf(row->node, sizeof(row->node), "%.127s", text);
    }
}

/* {"COMMAND":"bjobs","JOBS":2,"RECORDS":[{"JOBID":"12",...},...]} */
static void on_value(void *ctx, const char *const *keys, unsigned depth,
                     const char *text)
{
    struct reader *r = ctx;

    r->is_list |= depth == 1 && strcmp(keys[0], "JOBS") == 0;
    if (depth == 3 && strcmp(keys[0], "RECORDS") == 0)
        take_attribute(&r->row, keys[2], text);
}

static void on_end(void *ctx, const char *const *keys, unsigned depth)
{
    struct reader *r = ctx;

    if (depth != 2 || strcmp(keys[0], "RECORDS") != 0)
        return;
    if (r->row.state == REPX_STATE_DONE)
        r->row.exit = 0;
    if (r->row.id[0] && r->row.key[0])
        r->each(r->ctx, &r->row);
    row_begin(&r->row);
}

static int ask_queue(const struct lsf *s, struct reader *r, int64_t deadline_ms,
                     struct repx_err *err)
{
    struct repx_stream stream = {.value = on_value, .end = on_end, .ctx = r};
    struct repx_args a REPX_AUTO_ARGS = {0};
    struct repx_run run = {
        .deadline_ms = deadline_ms, .output = repx_stream_take, .output_ctx = &stream};

    row_begin(&r->row);
    lsf_command(s, &a, "bjobs");
    const char *const args[] = {"-a", "-json", "-o",
                                "jobid jobindex stat job_name exit_code exit_reason "
                                "first_host"};
    for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++)
        repx_args_add(&a, args[i]);
    int rc = lsf_run(s, &a, &run, err);
    int whole = repx_stream_end(&stream) == 0 && r->is_list;
    if (rc < 0)
        return -1;
    if (!whole &&
        (strstr(run.errors, "No job found") || strstr(run.errors, "No unfinished job")))
        return 0;
    if (run.status != 0)
        return lsf_fail(&run, "bjobs", err);
    if (!whole)
        return repx_fail(err, REPX_E_CORRUPT,
                         "bjobs: its answer is cut off or no list");
    return 0;
}

/* ---- status ---- */

static void tell_row(void *ctx, const struct row *row)
{
    const struct repx_status_sink *sink = ctx;
    const struct repx_status status = {
        .size = sizeof(status),
        .id = row->id,
        .key = row->key,
        .index = row->index,
        .state = row->state,
        .exit = row->exit,
        .reason = row->reason,
        .node = row->node,
    };

    sink->row(sink->ctx, &status);
}

int32_t lsf_status(void *self, uint32_t scope, const struct repx_status_sink *sink,
                   int64_t deadline_ms, struct repx_err *err)
{
    struct repx_status_sink to = *sink;
    struct reader r = {.each = tell_row, .ctx = &to};

    (void)scope;
    return ask_queue(self, &r, deadline_ms, err);
}

/* ---- find ---- */

struct finding {
    const struct lsf *s;
    struct repx_search search;
};

static void note(void *ctx, const struct row *row)
{
    struct finding *f = ctx;

    repx_search_note(&f->search, row->key, row->id, row->state);
}

static void look_up(void *ctx, const char *key)
{
    struct finding *f = ctx;
    char id[REPX_ID_SIZE];
    uint32_t state;

    if (repx_records_find(f->s->records, key, id, &state))
        repx_search_note(&f->search, key, id, state);
}

/* NOLINTNEXTLINE(readability-function-size): as the vtable has it */
int32_t lsf_find(void *self, const char *const *keys, uint64_t count, int64_t since,
                 const struct repx_found_sink *sink, int64_t deadline_ms,
                 struct repx_err *err)
{
    struct finding f = {.s = self};
    struct reader r = {.each = note, .ctx = &f};

    (void)since;
    repx_search_open(&f.search, keys, count);
    int rc = count ? ask_queue(self, &r, deadline_ms, err) : 0;
    if (rc == 0) {
        repx_search_rest(&f.search, look_up, &f);
        repx_search_tell(&f.search, sink);
    }
    repx_search_close(&f.search);
    return rc;
}

/* ---- cancel ---- */

/* Only complaints about what has ended already. */
static int only_gone(const char *text)
{
    static const char *const gone[] = {"is being terminated", "has already finished",
                                       "Job has already",     "No matching job found",
                                       "already finished",    NULL};

    while (*text) {
        size_t n = strcspn(text, "\n");
        char line[256];
        (void)snprintf(line, sizeof(line), "%.*s", (int)(n < 255 ? n : 255), text);
        if (n && !repx_says(line, gone))
            return 0;
        text += n + (text[n] == '\n');
    }
    return 1;
}

int32_t lsf_cancel(void *self, const char *const *ids, uint64_t count,
                   int64_t deadline_ms, struct repx_err *err)
{
    for (uint64_t i = 0; i < count;) {
        struct repx_args a REPX_AUTO_ARGS = {0};
        struct repx_run run = {.deadline_ms = deadline_ms};
        lsf_command(self, &a, "bkill");
        for (size_t k = 0; i < count && k < CANCEL_AT_ONCE; k++, i++) {
            struct repx_buf id REPX_AUTO_BUF = {0};
            if (!lsf_id_ok(ids[i]))
                return repx_fail(err, REPX_E_USAGE, "\"%s\" is no id of a job", ids[i]);
            lsf_id_put(&id, ids[i]);
            repx_args_add(&a, id.data);
        }
        if (lsf_run(self, &a, &run, err) < 0)
            return -1;
        if (run.status != 0 && (lsf_unreachable(run.errors) || !only_gone(run.errors)))
            return lsf_fail(&run, "bkill", err);
    }
    return 0;
}

/* ---- amend needs the key of an id ---- */

struct wanted {
    const char *id;
    char *key;
};

static void take_key(void *ctx, const struct row *row)
{
    const struct wanted *w = ctx;

    if (strcmp(row->id, w->id) == 0)
        (void)snprintf(w->key, REPX_KEY_SIZE, "%s", row->key);
}

int lsf_key_of(struct lsf *s, const char *id, char key[REPX_KEY_SIZE],
               int64_t deadline_ms, struct repx_err *err)
{
    struct wanted w = {id, key};
    struct reader r = {.each = take_key, .ctx = &w};

    key[0] = 0;
    if (ask_queue(s, &r, deadline_ms, err) < 0)
        return -1;
    return key[0] != 0;
}
