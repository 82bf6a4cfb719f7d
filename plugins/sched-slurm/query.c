/* SPDX-License-Identifier: MIT */
/* query.c: one squeue, whatever is asked; sacct for what squeue has forgotten. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "own.h"
#include "parse.h"

#define CANCEL_AT_ONCE 500
#define SACCT_DAYS 7 /* when nobody says how far back to look */

/* ---- squeue ---- */

/* Lists of indices are cut at 64 characters otherwise. */
static const char *const whole_lists[] = {"SLURM_BITSTR_LEN=0", NULL};

/* each: a line for every index that waits, too, instead of one for all of an array. */
static int ask_queue(const struct slurm *s, int each, int64_t deadline_ms,
                     struct slurm_rows *rows, struct repx_err *err)
{
    char user[24];
    (void)snprintf(user, sizeof(user), "%lu", (unsigned long)geteuid());
    /* --local: no other clusters of a federation, which would be one more request */
    const char *const argv[] = {"squeue",
                                "--noheader",
                                "--local",
                                "--user",
                                user,
                                "--states=all",
                                "--format",
                                SLURM_SQUEUE_FORMAT,
                                each ? "--array" : NULL,
                                NULL};

    struct held held = {0};

    rows->parse = slurm_parse_queue;
    rows->held = &held;
    int rc = slurm_read(s, argv, whole_lists, deadline_ms, rows, err);
    /* whoever asks for the queue lets go what waits there for nothing */
    held_release(s, &held, deadline_ms);
    return rc;
}

void slurm_take_row(void *rows, char *line)
{
    struct slurm_rows *r = rows;
    struct slurm_row row;

    r->count++;
    if (!r->parse(line, &row))
        return;
    r->read++;
    if (r->held && row.key[0])
        held_note(r->held, &row);
    if (row.key[0])
        r->each(r->ctx, &row);
}

/* A helper is a static program: names of users are not looked up here. */
static const char *name_of(int64_t uid, char *text, size_t n)
{
    const char *own = getenv("USER");

    if (uid < 0)
        return NULL;
    if (uid == 0)
        return "root";
    if (own && *own && uid == (int64_t)geteuid())
        return own;
    (void)snprintf(text, n, "uid %lld", (long long)uid);
    return text;
}

static void tell_status(void *ctx, const struct slurm_row *row)
{
    const struct repx_status_sink *sink = ctx;
    char name[32];
    const struct repx_status status = {
        .size = sizeof(status),
        .id = row->id,
        .key = row->key,
        .index = row->index,
        .state = row->state,
        .exit = -1,
        .reason = row->reason,
        .node = row->node,
        .by = name_of(row->by, name, sizeof(name)),
        .indices = row->indices,
    };

    sink->row(sink->ctx, &status);
}

/* The line of an array names the reasons of all that wait. Where some of them wait for
 * something that does not come by itself it matters which. */
static int is_mixed(const struct slurm_row *row)
{
    return row->index < 0 && row->state == REPX_STATE_PENDING &&
           strchr(row->reason, ',') &&
           (strstr(row->reason, "Held") || strstr(row->reason, "held") ||
            strstr(row->reason, "NeverSatisfied") || strstr(row->reason, "BeginTime"));
}

struct telling {
    struct repx_status_sink sink;
    int mixed; /* of some array each index has to be asked about */
};

static void tell_queue(void *ctx, const struct slurm_row *row)
{
    struct telling *to = ctx;

    to->mixed |= is_mixed(row);
    tell_status(&to->sink, row);
}

int32_t slurm_status(void *self, uint32_t scope, const struct repx_status_sink *sink,
                     int64_t deadline_ms, struct repx_err *err)
{
    struct telling to = {*sink, 0};
    struct slurm_rows rows = {.each = tell_queue, .ctx = &to};

    (void)scope;
    int rc = ask_queue(self, 0, deadline_ms, &rows, err);
    if (rc == 0 && to.mixed)
        rc = ask_queue(self, 1, deadline_ms, &rows, err);
    return rc;
}

/* ---- find ---- */

/* Of an array one row that goes on stands for all. */
static void note(void *search, const struct slurm_row *row)
{
    repx_search_note(search, row->key, row->id, row->state);
}

/* All of our jobs since then, whatever their ids: one question. */
static int ask_accounting(const struct slurm *s, int64_t since, int64_t deadline_ms,
                          struct slurm_rows *rows, struct repx_err *err)
{
    char user[24], start[40] = "";
    time_t from = since > 0 ? (time_t)since : time(NULL) - (time_t)SACCT_DAYS * 86400;
    struct tm tm;

    (void)snprintf(user, sizeof(user), "%lu", (unsigned long)geteuid());
    if (localtime_r(&from, &tm))
        (void)strftime(start, sizeof(start), "--starttime=%Y-%m-%dT%H:%M:%S", &tm);
    const char *const argv[] = {"sacct",       "--noheader", "--allocations",
                                "--parsable2", "--format",   SLURM_SACCT_FORMAT,
                                "--user",      user,         start,
                                NULL};
    rows->parse = slurm_parse_account;
    if (slurm_read(s, argv, NULL, deadline_ms, rows, err) == 0)
        return 0;
    if (rows->no_accounting) {
        return repx_fail(err, REPX_E_UNSUPPORTED,
                         "this cluster keeps no accounting (sacct says so)");
    }
    return -1;
}

int32_t slurm_ended(void *self, int64_t since, const struct repx_status_sink *sink,
                    int64_t deadline_ms, struct repx_err *err)
{
    struct repx_status_sink to = *sink;
    struct slurm_rows rows = {.each = tell_status, .ctx = &to};

    return ask_accounting(self, since, deadline_ms, &rows, err);
}

/* The queue does not have it. That it waits or runs there is an account that was never
 * closed: what waited was lost by the controller, what ran is over somehow. */
static void note_account(void *ctx, const struct slurm_row *row)
{
    struct slurm_row over = *row;

    if (row->state == REPX_STATE_PENDING)
        return;
    if (row->state == REPX_STATE_RUNNING)
        over.state = REPX_STATE_ENDED;
    note(ctx, &over);
}

/* NOLINTNEXTLINE(readability-function-size): as the vtable has it */
int32_t slurm_find(void *self, const char *const *keys, uint64_t count, int64_t since,
                   const struct repx_found_sink *sink, int64_t deadline_ms,
                   struct repx_err *err)
{
    struct repx_search s;
    struct slurm_rows queue = {.each = note, .ctx = &s};
    struct slurm_rows accounts = {.each = note_account, .ctx = &s};

    repx_search_open(&s, keys, count);
    int rc = ask_queue(self, 0, deadline_ms, &queue, err);
    /* many sites keep no accounting: then squeue's word is all there is */
    if (rc == 0 && s.found < s.count)
        (void)ask_accounting(self, since, deadline_ms, &accounts, NULL);
    if (rc == 0)
        repx_search_tell(&s, sink);
    repx_search_close(&s);
    return rc;
}

/* ---- cancel, amend ---- */

/* Indices of one array that follow each other are one argument, and so one request:
 * "12_[3-9]". Returns how many of the ids it covers. */
static uint64_t add_range(struct repx_args *a, const char *const *ids, uint64_t count)
{
    const char *at = strchr(ids[0], '_');
    size_t lead = at ? (size_t)(at - ids[0]) + 1 : 0;
    long long first = at ? strtoll(at + 1, NULL, 10) : 0;
    uint64_t n = 1;

    for (; at && n < count && strncmp(ids[n], ids[0], lead) == 0; n++) {
        if (strtoll(ids[n] + lead, NULL, 10) != first + (long long)n)
            break;
    }
    if (n == 1) {
        repx_args_add(a, ids[0]);
    } else {
        repx_args_fmt(a, "%.*s[%lld-%lld]", (int)lead, ids[0], first,
                      first + (long long)n - 1);
    }
    return n;
}

int32_t slurm_cancel(void *self, const char *const *ids, uint64_t count,
                     int64_t deadline_ms, struct repx_err *err)
{
    for (uint64_t i = 0; i < count; i++) {
        if (!slurm_unit_ok(ids[i]))
            return repx_fail(err, REPX_E_USAGE, "\"%s\" is no id of a job", ids[i]);
    }
    for (uint64_t i = 0; i < count;) {
        REPX_AUTO_ARGS struct repx_args a = {0};
        struct repx_run run;
        repx_args_add(&a, "scancel");
        for (size_t k = 0; i < count && k < CANCEL_AT_ONCE; k++)
            i += add_range(&a, ids + i, count - i);
        int rc =
            slurm_run(self, (const char *const *)a.list, NULL, deadline_ms, &run, err);
        if (rc < 0)
            return -1;
        /* jobs that ended meanwhile make it grumble; only silence is a failure */
        if (run.status != 0 && slurm_unreachable(run.errors))
            return slurm_fail(&run, "scancel", err);
    }
    return 0;
}

/* NOLINTNEXTLINE(readability-function-size): as the vtable has it */
int32_t slurm_amend(void *self, const char *id, const struct repx_dep *deps,
                    uint64_t count, uint64_t stride, int64_t deadline_ms,
                    struct repx_err *err)
{
    struct repx_buf text REPX_AUTO_BUF = {0};
    REPX_AUTO_ARGS struct repx_args a = {0};
    struct repx_run run;

    if (!slurm_id_ok(id))
        return repx_fail(err, REPX_E_USAGE, "\"%s\" is no id of a job", id);
    if (dependency_text(&text, deps, count, stride, err) < 0)
        return -1;
    repx_args_add(&a, "scontrol");
    repx_args_add(&a, "update");
    repx_args_fmt(&a, "JobId=%s", id);
    repx_args_fmt(&a, "Dependency=%s", repx_buf_text(&text));
    int rc = slurm_run(self, (const char *const *)a.list, NULL, deadline_ms, &run, err);
    if (rc == 0 && run.status != 0)
        rc = slurm_fail(&run, "scontrol update", err);
    return rc;
}
