/* SPDX-License-Identifier: MIT */
/* limits.c: what a transport must never do: block in read or write, raise SIGPIPE, nap while
 * bytes are there, leave memory or descriptors, or lend a command those of another. */

#include <kit/alloc.h>
#include <kit/err.h>

#include "around.h"
#include "far.h"

#define AT_ONCE_MS 900 /* what never blocks takes less */
#define FLOOD (64u << 20)
#define TRIPS 20
#define ROUNDS 10
#define LEAK 12 /* bytes a round; half of what malloc gives at least */

static void *started(struct far *f, const char *mode, struct repx_err *err)
{
    REPX_AUTO_FREE char *command = repx_format("%s/peer %s", f->dir, mode);
    void *stream = NULL;

    return f->t.ops->start(f->t.self, command, far_soon(f), &stream, err) == 0 ? stream
                                                                               : NULL;
}

/* Write to who takes nothing until it says AGAIN. Returns the longest call, or -1. */
static int64_t flood(struct far *f, void *stream, struct repx_err *err)
{
    REPX_AUTO_FREE char *bytes = repx_alloc(1u << 20);
    int64_t longest = 0, n = 0;

    for (uint64_t sent = 0; sent < FLOOD && n != REPX_AGAIN; sent += (uint64_t)n) {
        int64_t begun = far_now(f);
        n = f->t.ops->write(stream, bytes, 1u << 20, err);
        if (far_now(f) - begun > longest)
            longest = far_now(f) - begun;
        if (n == -1 || n == 0)
            return -1;
        if (n == REPX_AGAIN)
            break;
    }
    return n == REPX_AGAIN ? longest : -1;
}

static void never_blocks(struct far *f)
{
    struct repx_err err = {0};
    char byte;
    void *stream = started(f, "deaf 3", &err);

    if (!check(stream != NULL, "a command that reads nothing %s", err.text))
        return;
    int64_t begun = far_now(f);
    int64_t n = f->t.ops->read(stream, REPX_STREAM_OUT, &byte, 1, &err);
    int64_t k = f->t.ops->read(stream, REPX_STREAM_ERR, &byte, 1, &err);
    (void)check(n == REPX_AGAIN && k == REPX_AGAIN && far_now(f) - begun < AT_ONCE_MS,
                "read answers REPX_AGAIN at once when there is nothing: %lld, %lld",
                (long long)n, (long long)k);
    int64_t longest = flood(f, stream, &err);
    (void)check(
        longest >= 0 && longest < AT_ONCE_MS,
        "write answers REPX_AGAIN when nobody reads, and does not block: %lld ms %s",
        (long long)longest, err.text);
    f->t.ops->end(stream);
}

/* To a command that has ended. */
static void no_signal(struct far *f)
{
    struct repx_err err = {0};
    void *stream = started(f, "exit 0", &err);
    int64_t until = far_now(f) + 3000, n = 0;

    while (stream && n != -1 && far_now(f) < until) {
        struct repx_wait w = {.stream = stream, .want = REPX_READY_WRITE};
        (void)f->t.ops->wait(f->t.self, &w, 1, sizeof(w), far_now(f) + 50, NULL);
        n = f->t.ops->write(stream, "x", 1, &err);
    }
    (void)check(stream != NULL,
                "writing to a command that has ended raises no SIGPIPE %s", err.text);
    f->t.ops->end(stream);
}

static int one_trip(struct far *f, void *stream, struct repx_err *err)
{
    struct repx_wait w = {.stream = stream, .want = REPX_READY_READ};
    int64_t until = far_soon(f), n = REPX_AGAIN;
    char byte = 'a';

    if (f->t.ops->write(stream, &byte, 1, err) != 1)
        return -1;
    while (n == REPX_AGAIN && far_now(f) < until) {
        if (f->t.ops->wait(f->t.self, &w, 1, sizeof(w), until, err) < 0)
            return -1;
        n = f->t.ops->read(stream, REPX_STREAM_OUT, &byte, 1, err);
    }
    return n == 1 && byte == 'a' ? 0 : -1;
}

static void prompt(struct far *f)
{
    struct repx_err err = {0};
    void *stream = far_silent(f, &err);
    int rc = stream ? one_trip(f, stream, &err) : -1;
    int64_t begun = far_now(f);

    for (int i = 0; i < TRIPS && rc == 0; i++)
        rc = one_trip(f, stream, &err);
    int64_t ms = (far_now(f) - begun) / TRIPS;
    (void)check(rc == 0 && ms * 20 < (int64_t)f->c->patience * 1000,
                "a byte goes there and back in %lld ms: wait wakes for it %s",
                (long long)ms, err.text);
    f->t.ops->end(stream);
}

/* Both work, and closing one leaves the other alone. */
static void two_connections(struct far *f)
{
    struct far other = {.c = f->c, .dir = f->dir};
    struct repx_err err = {0};
    void *stream = far_silent(f, &err);
    int rc = far_open(&other, &err);

    if (rc == 0) {
        rc = far_ask(&other, "exit 3", &err);
        (void)check(rc == 0 && other.t.status == 3, "a second connection works %s",
                    err.text);
        other.t.ops->close(other.t.self);
        (void)check(stream && one_trip(f, stream, &err) == 0,
                    "and its end leaves the first alone %s", err.text);
    } else {
        (void)check(0, "a second connection: %s", err.text);
    }
    f->t.ops->end(stream);
    talk_free(&other.t);
}

static void keeps_to_itself(struct far *f)
{
    struct repx_err err = {0};
    void *stream = far_silent(f, &err);

    (void)check(stream && inheritable_fds(0) == 0,
                "its descriptors are closed in programs that others start %s",
                err.text);
    f->t.ops->end(stream);
}

static size_t grown(struct far *f)
{
    struct repx_err err = {0};
    size_t heap = heap_in_use();

    for (int i = 0; i < ROUNDS; i++)
        (void)far_ask(f, "errors", &err);
    return heap_in_use() > heap ? heap_in_use() - heap : 0;
}

/* The allocator keeps a little more now and then; what leaks does so every time. */
static void leaks(struct far *f)
{
    size_t least = grown(f);

    for (int i = 0; i < 3; i++) {
        size_t more = grown(f);
        least = more < least ? more : least;
    }
    (void)check(least < (size_t)LEAK * ROUNDS,
                "commands leave no memory: %zu bytes more each", least / ROUNDS);
}

void transport_limits(struct far *f)
{
    keeps_to_itself(f);
    never_blocks(f);
    no_signal(f);
    prompt(f);
    two_connections(f);
    leaks(f);
}
