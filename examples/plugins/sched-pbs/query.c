/* SPDX-License-Identifier: MIT */
/* query.c: one qstat, whatever is asked, read as it comes; records for what that has
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

/* "12[3].server" is index 3 of "12[]", "12.server" is "12". */
static void take_id(struct row *row, const char *name)
{
    size_t n = strspn(name, DIGITS);

    if (n == 0 || n > 18)
        return;
    if (name[n] == '[' && name[n + 1] != ']')
        row->index = strtoll(name + n + 1, NULL, 10);
    (void)snprintf(row->id, sizeof(row->id), "%.*s%s", (int)n, name,
                   name[n] == '[' ? "[]" : "");
}

static uint32_t state_of(const char *letter)
{
    switch (*letter) {
    case 'H':
    case 'Q':
    case 'T':
    case 'W':
        return REPX_STATE_PENDING;
    case 'F':
    case 'X':
        return REPX_STATE_ENDED; /* Exit_status says more */
    default:
        return REPX_STATE_RUNNING; /* B, E, M, R, S, U, or what is not known yet */
    }
}

/* A job ended: 0..255 its own, 256 and more by a signal, negative: PBS did not start or
 * lost it, 271 qdel. */
static void take_exit(struct row *row, const char *text)
{
    long status = strtol(text, NULL, 10);

    row->exit = status >= 0 && status < 256 ? (int32_t)status : -1;
    if (status >= 256)
        row->exit = (int32_t)(128 + (status - 256) % 128);
    row->state = status == 0                     ? REPX_STATE_DONE
                 : status == 271                 ? REPX_STATE_CANCELED
                 : status == -3 || status == -11 ? REPX_STATE_NODE
                 : status == -29                 ? REPX_STATE_TIMEOUT
                                                 : REPX_STATE_FAILED;
}

static void take_attribute(struct row *row, const char *name, const char *text)
{
    if (strcmp(name, "Job_Name") == 0) {
        const char *dot = strrchr(text, '.');
        if (dot)
            (void)repx_key_take(dot + 1, strlen(dot + 1), row->key);
    } else if (strcmp(name, "job_state") == 0) {
        if (row->exit < 0 && row->state == REPX_STATE_RUNNING)
            row->state = state_of(text);
    } else if (strcmp(name, "Exit_status") == 0) {
        take_exit(row, text);
    } else if (strcmp(name, "comment") == 0) {
        (void)snprintf(row->reason, sizeof(row->reason), "%.127s", text);
    } else if (strcmp(name, "exec_host") == 0) {
        (void)snprintf(row->node, sizeof(row->node), "%.*s",
                       (int)(strcspn(text, "/") < 127 ? strcspn(text, "/") : 127),
                       text);
    }
}

/* {"Jobs": {"12.server": {"Job_Name": "...", ...}, ...}} */
static void on_value(void *ctx, const char *const *keys, unsigned depth,
                     const char *text)
{
    struct reader *r = ctx;

    r->is_list |= depth == 1 && strcmp(keys[0], "pbs_version") == 0;
    if (depth == 3 && strcmp(keys[0], "Jobs") == 0)
        take_attribute(&r->row, keys[2], text);
}

static void on_end(void *ctx, const char *const *keys, unsigned depth)
{
    struct reader *r = ctx;

    if (depth != 2 || strcmp(keys[0], "Jobs") != 0)
        return;
    take_id(&r->row, keys[1]);
    /* of an array each index has its own row, by -t */
    int is_array = strchr(r->row.id, '[') && r->row.index < 0;
    if (r->row.id[0] && r->row.key[0] && !is_array)
        r->each(r->ctx, &r->row);
    row_begin(&r->row);
}

static int ask_queue(const struct pbs *s, struct reader *r, int64_t deadline_ms,
                     struct repx_err *err)
{
    struct repx_stream stream = {.value = on_value, .end = on_end, .ctx = r};
    struct repx_args a REPX_AUTO_ARGS = {0};
    struct repx_run run = {
        .deadline_ms = deadline_ms, .output = repx_stream_take, .output_ctx = &stream};

    row_begin(&r->row);
    pbs_command(s, &a, "qstat");
    const char *const args[] = {"-x", "-t", "-f", "-F", "json"};
    for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++)
        repx_args_add(&a, args[i]);
    int rc = pbs_run(s, &a, &run, err);
    int whole = repx_stream_end(&stream) == 0 && r->is_list;
    if (rc < 0)
        return -1;
    if (run.status != 0)
        return pbs_fail(&run, "qstat", err);
    if (!whole)
        return repx_fail(err, REPX_E_CORRUPT,
                         "qstat: its answer is cut off or no list");
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

int32_t pbs_status(void *self, uint32_t scope, const struct repx_status_sink *sink,
                   int64_t deadline_ms, struct repx_err *err)
{
    struct repx_status_sink to = *sink;
    struct reader r = {.each = tell_row, .ctx = &to};

    (void)scope;
    return ask_queue(self, &r, deadline_ms, err);
}

/* ---- find ---- */

struct finding {
    const struct pbs *s;
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
int32_t pbs_find(void *self, const char *const *keys, uint64_t count, int64_t since,
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
    static const char *const gone[] = {"Unknown Job Id", "has finished",
                                       "Request invalid for state of job", NULL};

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

int32_t pbs_cancel(void *self, const char *const *ids, uint64_t count,
                   int64_t deadline_ms, struct repx_err *err)
{
    for (uint64_t i = 0; i < count;) {
        struct repx_args a REPX_AUTO_ARGS = {0};
        struct repx_run run = {.deadline_ms = deadline_ms};
        pbs_command(self, &a, "qdel");
        for (size_t k = 0; i < count && k < CANCEL_AT_ONCE; k++, i++) {
            struct repx_buf id REPX_AUTO_BUF = {0};
            if (!pbs_id_ok(ids[i]))
                return repx_fail(err, REPX_E_USAGE, "\"%s\" is no id of a job", ids[i]);
            pbs_id_put(&id, ids[i]);
            repx_args_add(&a, id.data);
        }
        if (pbs_run(self, &a, &run, err) < 0)
            return -1;
        if (run.status != 0 && (pbs_unreachable(run.errors) || !only_gone(run.errors)))
            return pbs_fail(&run, "qdel", err);
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

int pbs_key_of(struct pbs *s, const char *id, char key[REPX_KEY_SIZE],
               int64_t deadline_ms, struct repx_err *err)
{
    struct wanted w = {id, key};
    struct reader r = {.each = take_key, .ctx = &w};

    key[0] = 0;
    if (ask_queue(s, &r, deadline_ms, err) < 0)
        return -1;
    return key[0] != 0;
}
