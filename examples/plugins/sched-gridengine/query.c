/* SPDX-License-Identifier: MIT */
/* query.c: one qstat, whatever is asked; records.c and qacct for what that has forgotten. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kit/alloc.h>

#include "own.h"
#include "parse.h"

#define CANCEL_AT_ONCE 500
#define ACCOUNT_DAYS 7

/* Grid Engine's commands want a name. */
static int know_user(struct gridengine *g, int64_t deadline_ms, struct repx_err *err)
{
    struct repx_args a REPX_AUTO_ARGS = {0};
    struct repx_run run = {.deadline_ms = deadline_ms};

    if (g->user)
        return 0;
    repx_args_add(&a, "id");
    repx_args_add(&a, "-un");
    if (ge_run(g, &a, &run, err) < 0)
        return -1;
    size_t n = strcspn(run.out, "\n");
    if (run.status != 0 || n == 0)
        return repx_fail(err, REPX_E_FAILED, "id -un does not know who we are");
    g->user = repx_strndup(run.out, n);
    return 0;
}

/* Run a command and read its answer line by line: *status is its exit status. */
static int read_answer(const struct gridengine *g, const struct repx_args *a,
                       void (*line)(void *, char *), struct ge_reader *r,
                       struct repx_run *run, struct repx_err *err)
{
    struct repx_lines lines = {.line = line, .ctx = r};

    run->output = repx_lines_take;
    run->output_ctx = &lines;
    int rc = ge_run(g, a, run, err);
    if (repx_lines_end(&lines) < 0)
        r->whole = 0;
    return rc;
}

static int ask_queue(struct gridengine *g, struct ge_reader *r, int64_t deadline_ms,
                     struct repx_err *err)
{
    struct repx_args a REPX_AUTO_ARGS = {0};
    struct repx_run run = {.deadline_ms = deadline_ms};

    if (know_user(g, deadline_ms, err) < 0)
        return -1;
    ge_command(g, &a, "qstat");
    repx_args_add(&a, "-xml");
    repx_args_add(&a, "-u");
    repx_args_add(&a, g->user);
    if (read_answer(g, &a, ge_read_queue, r, &run, err) < 0)
        return -1;
    if (run.status != 0)
        return ge_fail(&run, "qstat", err);
    if (!r->whole)
        return repx_fail(err, REPX_E_CORRUPT, "qstat: its answer is cut off or no XML");
    return 0;
}

/* ---- status ---- */

static void tell_row(void *ctx, const struct ge_row *row)
{
    const struct repx_status_sink *sink = ctx;
    const struct repx_status status = {
        .size = sizeof(status),
        .id = row->id,
        .key = row->key,
        .index = row->index,
        .state = row->state,
        .exit = row->exit,
        .memory = row->memory,
        .reason = row->reason,
        .node = row->node,
    };

    sink->row(sink->ctx, &status);
}

int32_t ge_status(void *self, uint32_t scope, const struct repx_status_sink *sink,
                  int64_t deadline_ms, struct repx_err *err)
{
    struct repx_status_sink to = *sink;
    struct ge_reader r = {.each = tell_row, .ctx = &to};

    (void)scope;
    return ask_queue(self, &r, deadline_ms, err);
}

int32_t ge_ended(void *self, int64_t since, const struct repx_status_sink *sink,
                 int64_t deadline_ms, struct repx_err *err)
{
    struct repx_status_sink to = *sink;
    struct ge_reader r = {.each = tell_row, .ctx = &to};
    struct repx_args a REPX_AUTO_ARGS = {0};
    struct repx_run run = {.deadline_ms = deadline_ms};
    time_t from = since > 0 ? (time_t)since : time(NULL) - (time_t)ACCOUNT_DAYS * 86400;
    char begin[32] = "";
    struct tm tm;

    if (know_user(self, deadline_ms, err) < 0)
        return -1;
    if (localtime_r(&from, &tm))
        (void)strftime(begin, sizeof(begin), "%Y%m%d%H%M.%S", &tm);
    ge_command(self, &a, "qacct");
    const char *const args[] = {"-o", ((struct gridengine *)self)->user, "-b", begin,
                                "-j"};
    for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++)
        repx_args_add(&a, args[i]);
    if (read_answer(self, &a, ge_read_account, &r, &run, err) < 0)
        return -1;
    ge_read_account(&r, NULL);
    if (run.status == 0)
        return 0;
    (void)ge_fail(&run, "qacct", err);
    if (err && err->code != REPX_E_TIMEOUT) /* the file is not here, or not for us */
        err->code = REPX_E_UNSUPPORTED;
    return -1;
}

/* ---- find ---- */

struct finding {
    const struct gridengine *g;
    struct repx_search search;
};

static void note(void *ctx, const struct ge_row *row)
{
    struct finding *f = ctx;

    repx_search_note(&f->search, row->key, row->id, row->state);
}

static void look_up(void *ctx, const char *key)
{
    struct finding *f = ctx;
    char id[GE_ID_SIZE];
    uint32_t state;

    if (repx_records_find(f->g->records, key, id, &state))
        repx_search_note(&f->search, key, id, state);
}

/* NOLINTNEXTLINE(readability-function-size): as the vtable has it */
int32_t ge_find(void *self, const char *const *keys, uint64_t count, int64_t since,
                const struct repx_found_sink *sink, int64_t deadline_ms,
                struct repx_err *err)
{
    struct finding f = {.g = self};
    struct ge_reader r = {.each = note, .ctx = &f};

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

/* Ids as qdel takes them: index 3 of an array is its task 4. */
static int add_id(struct repx_args *a, const char *id, struct repx_err *err)
{
    const char *index = strchr(id, '_');

    if (!ge_id_ok(id))
        return repx_fail(err, REPX_E_USAGE, "\"%s\" is no id of a job", id);
    if (index) {
        repx_args_fmt(a, "%.*s.%lld", (int)(index - id), id,
                      strtoll(index + 1, NULL, 10) + 1);
    } else {
        repx_args_add(a, id);
    }
    return 0;
}

int32_t ge_cancel(void *self, const char *const *ids, uint64_t count,
                  int64_t deadline_ms, struct repx_err *err)
{
    for (uint64_t i = 0; i < count;) {
        struct repx_args a REPX_AUTO_ARGS = {0};
        struct repx_run run = {.deadline_ms = deadline_ms};
        ge_command(self, &a, "qdel");
        for (size_t k = 0; i < count && k < CANCEL_AT_ONCE; k++) {
            if (add_id(&a, ids[i++], err) < 0)
                return -1;
        }
        if (ge_run(self, &a, &run, err) < 0)
            return -1;
        /* those that are gone make it fail; it says so on its standard output */
        if (run.status != 0 && (ge_unreachable(run.errors) || ge_unreachable(run.out) ||
                                !ge_only_gone(run.errors) || !ge_only_gone(run.out)))
            return ge_fail(&run, "qdel", err);
    }
    return 0;
}

/* ---- amend needs the key of an id ---- */

struct wanted {
    const char *id;
    char *key;
};

static void take_key(void *ctx, const struct ge_row *row)
{
    const struct wanted *w = ctx;

    if (strcmp(row->id, w->id) == 0)
        (void)snprintf(w->key, REPX_KEY_SIZE, "%s", row->key);
}

int ge_key_of(struct gridengine *g, const char *id, char key[REPX_KEY_SIZE],
              int64_t deadline_ms, struct repx_err *err)
{
    struct wanted w = {id, key};
    struct ge_reader r = {.each = take_key, .ctx = &w};

    key[0] = 0;
    if (ask_queue(g, &r, deadline_ms, err) < 0)
        return -1;
    return key[0] != 0;
}
