/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include <string.h>

#include "core/json/json.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define EVENT_LINE_MAX 1048576u
#define POLL_MS 200
#define CANCEL_MS 90000

static int one_event(struct pipeline *p, const char *line, size_t n,
                     struct repx_err *err)
{
    struct json *v = json_parse(line, n, err);

    if (!v)
        return repx_wrap(err, "event of run %s", p->run);
    int64_t i = json_get_int(v, "i", -1);
    struct run_event e = {
        .name = json_get_string(v, "e", ""),
        .phase = json_get_string(v, "phase", "main"),
        .branch = json_get_int(v, "branch", -1),
        .id = json_get_string(v, "id", ""),
        .reason = json_get_string(v, "reason", json_get_string(v, "text", "")),
        .pid = json_get_int(v, "pid", 0),
        .array = json_get_int(v, "array", 0),
        .ms = json_get_int(v, "ms", 0),
        .exit = json_get_int(v, "exit", -1),
        .ok = json_is_true(json_get(v, "ok")),
        .by = json_get_int(v, "by", -1),
    };
    if (i >= 0 && (uint64_t)i < p->plan->count && p->listener->event) {
        e.index = (size_t)i;
        e.job = p->plan->jobs[i].job->id;
        p->listener->event(p->listener->ctx, &e);
    }
    json_free(v);
    return 0;
}

int event_stream_data(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    struct event_stream *s = ctx;
    size_t start = 0;

    repx_buf_add(&s->line, bytes, n);
    for (;;) {
        const char *from = s->line.data + start;
        const char *end = memchr(from, '\n', s->line.len - start);
        if (!end)
            break;
        if (end > from && one_event(s->p, from, (size_t)(end - from), err) < 0)
            return -1;
        start = (size_t)(end - s->line.data) + 1;
    }
    repx_buf_drop(&s->line, start);
    if (s->line.len > EVENT_LINE_MAX)
        return repx_fail(err, REPX_E_CORRUPT, "an event line has no end");
    return 0;
}

void event_stream_finish(struct event_stream *s)
{
    repx_buf_free(&s->line);
}

/* Like session_poll, but a Ctrl-C only ends the waiting: heed_interrupts deals with it. */
static int wait_a_while(struct pipeline *p, struct session_call *call,
                        struct repx_err *err)
{
    const struct repx_host *clock = target_clock(p->target);
    struct repx_err why = {0};
    int rc = session_poll(call, clock->now_ms(clock->ctx) + POLL_MS, &why);

    if (rc < 0 && why.code == REPX_E_CANCELED)
        return 0;
    if (rc < 0)
        *err = why;
    return rc;
}

/* Whoever is impatient meanwhile is heard afterwards: the wish has to reach the target. */
static int cancel_run(struct pipeline *p, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};
    const struct repx_host *clock = target_clock(p->target);
    int64_t until = clock->now_ms(clock->ctx) + CANCEL_MS;
    int rc = 0;

    msg_put_text(&msg, F_RUN, p->run);
    struct session_call *call = session_call(target_session(p->target), V_RUN_CANCEL,
                                             msg.data, msg.len, NULL, NULL);
    while (rc == 0 && clock->now_ms(clock->ctx) < until) {
        rc = wait_a_while(p, call, err);
        (void)p->listener->interrupted(p->listener->ctx);
    }
    if (rc > 0)
        return session_finish(call, NULL, err);
    session_cancel(call);
    return rc < 0 ? -1
                  : repx_fail(err, REPX_E_TIMEOUT,
                              "the target does not answer to the wish to cancel");
}

/* 0: go on waiting, 1: leave, -1. */
static int heed_interrupts(struct pipeline *p, int *canceled, struct repx_err *err)
{
    int wish = p->listener->interrupted(p->listener->ctx);

    if (wish >= 2)
        return 1;
    if (wish == 1 && !*canceled) {
        *canceled = 1;
        return cancel_run(p, err);
    }
    return 0;
}

int watch_run(struct pipeline *p, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf msg = {0};
    struct event_stream stream = {.p = p};
    int canceled = 0, rc;

    msg_put_text(&msg, F_RUN, p->run);
    msg_put_number(&msg, F_OFFSET, 0);
    struct session_call *call =
        session_call(target_session(p->target), V_RUN_WATCH, msg.data, msg.len,
                     event_stream_data, &stream);
    do {
        rc = heed_interrupts(p, &canceled, err);
        if (rc > 0) {
            rc = repx_fail(
                err, REPX_E_CANCELED,
                canceled ? "left; the target still ends what this run started"
                         : "left; the jobs go on, and running again follows them");
        } else if (rc == 0) {
            rc = wait_a_while(p, call, err);
        }
    } while (rc == 0);
    if (rc < 0) {
        session_cancel(call);
    } else {
        rc = session_finish(call, NULL, err);
    }
    event_stream_finish(&stream);
    if (rc == 0 && canceled)
        return repx_fail(err, REPX_E_CANCELED, "cancelled; what had succeeded stays");
    p->watched = rc == 0;
    return rc;
}
