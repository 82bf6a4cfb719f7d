/* SPDX-License-Identifier: MIT */
/* run_show.c: V_RUN_LIST, V_RUN_SHOW, V_RUN_JOBS. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/clock.h>
#include <kit/file.h>

#include "core/agent/follow.h"
#include "core/agent/run_watch.h"
#include "core/agent/state_check.h"
#include "core/agent/truth.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define LOOK_MS 500
#define LOOK_FAR_MS 1000
#define SHOW_MS 5000 /* without news: times and ages move on */

int follow_line(int out, json_t *value, struct repx_err *err)
{
    REPX_AUTO_FREE char *text = json_dumps(value, JSON_COMPACT);
    REPX_AUTO_FREE char *line = text ? repx_format("%s\n", text) : NULL;

    json_decref(value);
    if (!line || repx_write_all(out, line, strlen(line)) < 0)
        return repx_fail_errno(err, "answer");
    return 0;
}

static json_t *list_entry(struct site *site, const char *id, struct repx_err *err)
{
    struct run *run = run_open(site, id, err);
    struct summary s;

    if (!run)
        return NULL;
    json_t *j = summary_head(run);
    if (summary_open(&s, site, run, err) == 0 && summary_poll(&s, err) >= 0) {
        (void)json_object_set_new(j, "states", summary_states(&s));
        (void)json_object_set_new(j, "made",
                                  json_integer((json_int_t)summary_made(&s)));
        (void)json_object_set_new(j, "ended", json_boolean(s.state.left == 0));
    }
    summary_close(&s);
    run_close(run);
    return j;
}

/* A run that cannot be read is told, and hides no other. */
int run_list(struct site *site, int64_t limit, int out, struct repx_err *err)
{
    size_t count;
    char **ids = run_ids(site, &count, err);
    int rc = ids ? 0 : -1;

    for (size_t i = 0; rc == 0 && i < count && (int64_t)i < limit; i++) {
        struct repx_err why = {0};
        json_t *j = list_entry(site, ids[i], &why);
        if (!j)
            j = json_pack("{s:s,s:s}", "run", ids[i], "error", why.text);
        rc = follow_line(out, j, err);
    }
    run_ids_free(ids, count);
    return rc;
}

/* ---- one run ---- */

static int show_loop(struct summary *s, int follow, int out, struct repx_err *err)
{
    int far = strcmp(state_text(s->run->record, "scheduler", ""), "local") != 0;
    int64_t shown = -SHOW_MS, news;

    for (;;) {
        news = summary_poll(s, err);
        if (news < 0)
            return -1;
        int64_t now = repx_now_ms();
        if (news || now - shown >= SHOW_MS) {
            summary_ask(s, follow ? QUEUE_WATCH_MS : QUEUE_PERSON_MS);
            json_t *j = summary_json(s);
            if (!follow)
                (void)json_object_set_new(j, "purged", summary_purged(s));
            if (follow_line(out, j, err) < 0)
                return -1;
            shown = now;
        }
        if (!follow || s->state.left == 0)
            return 0;
        (void)poll(NULL, 0, far ? LOOK_FAR_MS : LOOK_MS);
    }
}

/* The run that `text` names, open; its id goes into the answer. */
static struct run *open_named(struct site *site, const char *text,
                              struct repx_buf *fields, struct repx_err *err)
{
    REPX_AUTO_FREE char *id = run_find(site, text, err);

    if (!id)
        return NULL;
    msg_put_text(fields, F_RUN, id);
    return run_open(site, id, err);
}

/* Who looks once finds out, and writes, what a watcher would have. */
static int look_once(struct summary *s, struct repx_err *err)
{
    int open = 0;

    if (summary_poll(s, err) < 0)
        return -1;
    for (size_t i = 0; !open && i < s->run->count; i++) {
        const char *reason = s->state.reason[i];
        open = s->state.status[i] == JOB_QUEUED || s->state.status[i] == JOB_RUNNING ||
               (reason && (strcmp(reason, CANCELLED_OUTSIDE) == 0 ||
                           strcmp(reason, TRUTH_NOBODY) == 0));
    }
    if (open)
        run_look(s->site, s->run->id, QUEUE_PERSON_MS);
    return 0;
}

int run_show(struct site *site, const char *text, int64_t options, int out,
             struct repx_buf *fields, struct repx_err *err)
{
    struct run *run = open_named(site, text, fields, err);
    struct summary s;

    if (!run)
        return -1;
    int rc = summary_open(&s, site, run, err);
    if (rc == 0 && !(options & RUN_SHOW_FOLLOW))
        rc = look_once(&s, err);
    if (rc == 0)
        rc = show_loop(&s, (options & RUN_SHOW_FOLLOW) != 0, out, err);
    summary_close(&s);
    run_close(run);
    return rc;
}

/* ---- its jobs ---- */

static json_t *job_line(const struct summary *s, size_t i, struct repx_err *err)
{
    json_t *plan = run_plan(s->run, i, err);
    const char *reason = s->state.reason[i];

    if (!plan)
        return NULL;
    json_t *j = json_pack("{s:s,s:s,s:b,s:i,s:b}", "id", state_text(plan, "id", ""),
                          "type", state_text(plan, "type", ""), "wanted",
                          state_true(plan, "wanted"), "status", (int)s->state.status[i],
                          "ended", (int)s->state.terminal[i]);
    if (j && reason)
        (void)json_object_set_new(j, "reason", json_string(reason));
    json_decref(plan);
    return j;
}

int run_jobs(struct site *site, const char *text, int out, struct repx_buf *fields,
             struct repx_err *err)
{
    struct run *run = open_named(site, text, fields, err);
    struct summary s;

    if (!run)
        return -1;
    run_look(site, run->id, QUEUE_PERSON_MS);
    int rc = summary_open(&s, site, run, err);
    if (rc == 0 && summary_poll(&s, err) < 0)
        rc = -1;
    if (rc == 0)
        rc = follow_line(out, json_copy(run->record), err);
    for (size_t i = 0; rc == 0 && i < run->count; i++) {
        json_t *j = job_line(&s, i, err);
        rc = j ? follow_line(out, j, err) : -1;
    }
    summary_close(&s);
    run_close(run);
    return rc;
}
