/* SPDX-License-Identifier: MIT */
#include "jobs.h"

#include <stdlib.h>

#include <kit/alloc.h>

#include "core/target/exchange.h"
#include "core/wire/msg.h"

/* Ask V_STATUS with prepared lines; the answer has one F_JOB a line. */
static int read_status(const struct repx_buf *data, struct job_status *status,
                       size_t count, struct repx_err *err)
{
    struct msg_field f;
    size_t at = 0, i = 0;
    int rc;

    while ((rc = msg_next(repx_buf_text(data), data->len, &at, &f)) > 0) {
        if (f.tag != F_JOB)
            continue;
        if (i >= count || !msg_valid(f.bytes, f.length))
            break;
        struct job_status *s = &status[i++];
        int64_t state = msg_number(f.bytes, f.length, F_STATUS, JOB_UNKNOWN);
        s->status =
            state < JOB_UNKNOWN || state > JOB_BLOCKED ? JOB_UNKNOWN : (int)state;
        s->stale = msg_number(f.bytes, f.length, F_STALE, 0) != 0;
        s->purged = msg_number(f.bytes, f.length, F_PURGED, 0) != 0;
        s->made = msg_number(f.bytes, f.length, F_TIME, 0);
        s->reason = msg_text(f.bytes, f.length, F_REASON);
        s->has_output = s->status == JOB_SUCCEEDED || s->status == JOB_FAILED ||
                        s->status == JOB_RUNNING;
    }
    if (rc != 0 || i != count) {
        return repx_fail(
            err, REPX_E_CORRUPT,
            "the agent answered for %zu of %zu jobs; is it of another version?", i,
            count);
    }
    return 0;
}

static void status_message(struct target *target, const char *scheduler,
                           const char *helper, struct repx_buf *msg)
{
    msg_put_text(msg, F_SCHEDULER, scheduler);
    msg_put_text(msg, F_HELPER, helper);
    if (target_config(target)->purge_days)
        msg_put_number(msg, F_OPTIONS, STATUS_TIMES);
}

static struct job_status *ask_status(struct target *target,
                                     const struct repx_buf *lines,
                                     const char *scheduler, size_t count,
                                     struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};
    REPX_AUTO_BUF struct repx_buf data = {0};
    struct job_status *status = repx_array(count, sizeof(*status));

    status_message(target, scheduler, NULL, &msg);
    if (session_upload(target_session(target), V_STATUS, &msg, lines, &data, err) ==
            0 &&
        read_status(&data, status, count, err) == 0)
        return status;
    job_status_release(status, count);
    return NULL;
}

int job_is_done(const struct job_status *status)
{
    return status->status == JOB_SUCCEEDED && !status->purged;
}

const char *job_status_word(const struct job_status *status)
{
    static const char *const words[] = {"unknown", "succeeded", "failed",
                                        "queued",  "running",   "blocked"};

    return status->purged ? "purged" : words[status->status];
}

void job_status_release(struct job_status *status, size_t count)
{
    for (size_t i = 0; status && i < count; i++)
        free(status[i].reason);
    free(status);
}

struct job_status *jobs_status(struct target *target, const struct lab *lab,
                               const char *scheduler, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf lines = {0};

    for (size_t i = 0; i < lab->job_count; i++)
        repx_buf_fmt(&lines, "%s -\n", lab->jobs[i].id);
    return ask_status(target, &lines, scheduler, lab->job_count, err);
}

void jobs_status_free(struct job_status *status, const struct lab *lab)
{
    if (status)
        job_status_release(status, lab->job_count);
}

/* ---- of a plan ---- */

struct status_call {
    struct session_call *call;
    struct repx_buf data;
    size_t count;
    struct repx_err failed; /* while asking */
};

struct status_call *plan_status_begin(struct target *target, const struct plan *plan,
                                      const char *helper)
{
    struct status_call *c = REPX_NEW(struct status_call);
    REPX_AUTO_BUF struct repx_buf lines = {0};
    REPX_AUTO_BUF struct repx_buf msg = {0};

    status_message(target, plan->scheduler, helper, &msg);
    for (size_t i = 0; i < plan->count; i++) {
        char hex[DIGEST_HEX];
        digest_hex(&plan->jobs[i].key, hex);
        repx_buf_fmt(&lines, "%s %s %c ", plan->jobs[i].job->id, hex,
                     plan->jobs[i].wanted ? 'w' : '-');
        for (size_t k = 0; k < plan->jobs[i].dep_count; k++)
            repx_buf_fmt(&lines, "%s%zu", k ? "," : "", plan->jobs[i].deps[k]);
        repx_buf_char(&lines, '\n');
    }
    c->count = plan->count;
    c->call = session_call(target_session(target), V_STATUS, msg.data, msg.len,
                           session_collect, &c->data);
    /* a refusal that comes while we still send is told by finish: it knows the text */
    if (session_send(c->call, repx_buf_text(&lines), lines.len, &c->failed) < 0 &&
        (c->failed.code == REPX_E_LINK || c->failed.code == REPX_E_CANCELED)) {
        session_cancel(c->call);
        c->call = NULL;
    } else {
        session_end(c->call);
    }
    return c;
}

void plan_status_cancel(struct status_call *c)
{
    if (!c)
        return;
    session_cancel(c->call);
    repx_buf_free(&c->data);
    free(c);
}

struct job_status *plan_status_finish(struct status_call *c, struct repx_err *err)
{
    struct session_call *call = c->call;
    struct job_status *status = repx_array(c->count, sizeof(*status));
    int rc = -1;

    c->call = NULL;
    if (call) {
        rc = session_finish(call, NULL, err);
    } else {
        (void)repx_fail(err, c->failed.code, "%s", c->failed.text);
    }
    if (rc == 0)
        rc = read_status(&c->data, status, c->count, err);
    if (rc < 0) {
        job_status_release(status, c->count);
        status = NULL;
    }
    plan_status_cancel(c);
    return status;
}

int job_files_list(struct target *target, const char *path, struct job_files *files,
                   struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};
    REPX_AUTO_BUF struct repx_buf data = {0};
    struct msg_field f;
    size_t at = 0;

    msg_put_text(&msg, F_NAME, path);
    if (session_ask(target_session(target), V_LIST, msg.data, msg.len, &data, NULL,
                    err) < 0)
        return -1;
    while (msg_next(repx_buf_text(&data), data.len, &at, &f) > 0) {
        char *name = f.tag == F_ENTRY ? msg_text(f.bytes, f.length, F_NAME) : NULL;
        if (!name)
            continue;
        files->items = repx_grow(files->items, files->count + 1, sizeof(*files->items));
        files->items[files->count++] = (struct job_file){
            name, (int)msg_number(f.bytes, f.length, F_KIND, REPX_ENTRY_FILE),
            (uint64_t)msg_number(f.bytes, f.length, F_LENGTH, 0)};
    }
    return 0;
}

void job_files_free(struct job_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->items[i].path);
    free(files->items);
    *files = (struct job_files){0};
}
