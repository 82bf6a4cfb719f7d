/* SPDX-License-Identifier: MIT */
/* call.c: the calls of a session: verbs, their answers, and their end. Workers: call_child.c. */
#include "core/agent/call_own.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kit/alloc.h>

#define FINISH_MS 2000

static const struct verb *find_verb(uint16_t number)
{
    const struct verb *const tables[] = {store_verbs, ask_verbs,  delta_verbs,
                                         run_verbs,   file_verbs, follow_verbs,
                                         pull_verbs,  gc_verbs};

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (const struct verb *v = tables[i]; v->number; v++) {
            if (v->number == number)
                return v;
        }
    }
    return NULL;
}

static struct call *find_call(struct agent_session *s, uint32_t stream)
{
    struct call *c = s->calls[stream % CALL_BUCKETS];

    while (c && c->stream != stream)
        c = c->next;
    return c && !c->done && !c->replied ? c : NULL;
}

/* ---- answers ---- */

static void drop(struct call *c)
{
    if (!c->dropped && c->verb->drop)
        c->verb->drop(c);
    c->dropped = 1;
}

void call_answer(struct call *c, int32_t code, const char *text, const void *fields,
                 size_t n)
{
    if (c->replied || c->done)
        return;
    c->replied = 1;
    c->code = code;
    c->text = repx_strdup(text);
    repx_buf_add(&c->fields, fields, n);
}

/* Move what waits into the mux; the result follows when nothing waits any more. */
static void flush(struct call *c)
{
    struct mux *m = c->session->mux;
    size_t left = c->pending.len - c->pending_at;

    if (left)
        c->pending_at += mux_send(m, c->stream, c->pending.data + c->pending_at, left);
    if (c->pending_at == c->pending.len) {
        repx_buf_free(&c->pending);
        c->pending_at = 0;
    }
    if (c->replied && !c->done && c->pending.len == 0) {
        mux_result(m, c->stream, c->code, c->text, c->fields.data, c->fields.len);
        c->done = 1;
    }
}

void call_send(struct call *c, const void *bytes, size_t n)
{
    if (c->done || c->replied)
        return;
    repx_buf_add(&c->pending, bytes, n);
    flush(c);
}

void call_widen(struct call *c, uint32_t window)
{
    if (window > MUX_WINDOW)
        mux_widen(c->session->mux, c->stream, window - MUX_WINDOW);
}

void call_reply(struct call *c, const void *fields, size_t n)
{
    call_answer(c, REPX_E_NONE, NULL, fields, n);
}

void call_error(struct call *c, const struct repx_err *err)
{
    call_answer(c, err->code ? err->code : REPX_E_FAILED, err->text, NULL, 0);
}

struct site *call_site(struct call *c)
{
    return &c->session->site;
}

void *call_own(struct call *c)
{
    return c->own;
}

void call_set_own(struct call *c, void *own)
{
    c->own = own;
}

void **call_shared(struct call *c, unsigned slot, void (*release)(void *))
{
    c->session->shared[slot % SHARED_SLOTS].release = release;
    return &c->session->shared[slot % SHARED_SLOTS].state;
}

/* ---- what the client does ---- */

static void begun(struct call *c, int rc, const struct repx_err *err)
{
    if (rc < 0)
        call_error(c, err);
}

int call_begin(struct agent_session *s, uint32_t stream, uint16_t verb, const void *msg,
               size_t n)
{
    const struct verb *v = find_verb(verb);
    struct repx_err err = {0};

    if (!v) {
        (void)repx_fail(
            &err, REPX_E_UNSUPPORTED,
            "the agent (repx %s) does not know verb %u: use programs of one "
            "release",
            REPX_VERSION, verb);
        mux_result(s->mux, stream, err.code, err.text, NULL, 0);
        return 0;
    }
    struct call *c = REPX_NEW(struct call);
    c->session = s;
    c->stream = stream;
    c->verb = v;
    c->child.out = c->child.result = -1;
    c->next = s->calls[stream % CALL_BUCKETS];
    s->calls[stream % CALL_BUCKETS] = c;
    begun(c, v->begin(c, msg, n, &err), &err);
    return 0;
}

void call_data(struct agent_session *s, uint32_t stream, const void *bytes, size_t n)
{
    struct call *c = find_call(s, stream);
    struct repx_err err = {0};

    if (c && c->verb->data)
        begun(c, c->verb->data(c, bytes, n, &err), &err);
    mux_consumed(s->mux, stream, n);
}

void call_end(struct agent_session *s, uint32_t stream)
{
    struct call *c = find_call(s, stream);
    struct repx_err err = {0};

    if (c && c->verb->end)
        begun(c, c->verb->end(c, &err), &err);
}

void call_cancel(struct agent_session *s, uint32_t stream)
{
    struct call *c = s->calls[stream % CALL_BUCKETS];

    while (c && c->stream != stream)
        c = c->next;
    if (!c || c->done)
        return;
    c->done = 1;
    child_stop(&c->child);
}

/* ---- once a round ---- */

static void call_free(struct call *c)
{
    drop(c);
    child_free(&c->child);
    repx_buf_free(&c->pending);
    repx_buf_free(&c->fields);
    free(c->text);
    free(c);
}

size_t calls_poll(struct agent_session *s, struct pollfd *fds, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; s->children && i < CALL_BUCKETS; i++) {
        for (struct call *c = s->calls[i]; c && n + 2 <= max; c = c->next) {
            if (!c->child.pid)
                continue;
            if (c->child.out >= 0 && (c->done || mux_room(s->mux, c->stream)))
                fds[n++] = (struct pollfd){.fd = c->child.out, .events = POLLIN};
            if (c->child.result >= 0)
                fds[n++] = (struct pollfd){.fd = c->child.result, .events = POLLIN};
        }
    }
    return n;
}

static void sweep_bucket(struct call **at)
{
    while (*at) {
        struct call *c = *at;
        if (c->child.pid)
            child_sweep(c);
        flush(c);
        if (!c->done || c->child.pid) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        call_free(c);
    }
}

void calls_sweep(struct agent_session *s)
{
    for (size_t i = 0; i < CALL_BUCKETS; i++)
        sweep_bucket(&s->calls[i]);
}

static void stop_or_leave(struct call *c)
{
    if (c->child.pid && c->child.outlives) {
        c->child.pid = 0;
        c->session->children--;
    }
    child_stop(&c->child);
}

void calls_finish(struct agent_session *s)
{
    const struct timespec step = {.tv_nsec = 10 * 1000000L};

    for (size_t i = 0; i < CALL_BUCKETS; i++) {
        for (struct call *c = s->calls[i]; c; c = c->next) {
            c->done = 1;
            stop_or_leave(c);
        }
    }
    calls_sweep(s);
    for (int ms = 0; s->children && ms < FINISH_MS; ms += 10) {
        (void)nanosleep(&step, NULL);
        calls_sweep(s);
    }
    for (size_t i = 0; i < CALL_BUCKETS; i++) {
        while (s->calls[i]) {
            struct call *c = s->calls[i];
            s->calls[i] = c->next;
            call_free(c);
        }
    }
}
