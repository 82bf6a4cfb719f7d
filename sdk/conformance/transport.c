/* SPDX-License-Identifier: MIT */
/* transport.c: every promise of repx/transport.h, against a peer that is brought to the far
 * end and started there through the plugin itself. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/err.h>
#include <kit/file.h>

#include "around.h"
#include "far.h"

#define BULK (8u << 20)

int64_t far_now(const struct far *f)
{
    return f->c->services->now_ms(f->c->services->ctx);
}

int64_t far_soon(const struct far *f)
{
    return far_now(f) + (int64_t)f->c->patience * 1000;
}

static struct repx_endpoint endpoint_of(const struct far *f)
{
    const struct config_target *target = f->c->target;

    return (struct repx_endpoint){
        .size = sizeof(struct repx_endpoint),
        .address = target && target->address ? target->address : "",
        .target = target ? target->name : "test",
        .mode = REPX_OPEN_BATCH,
        .deadline_ms = far_soon(f),
    };
}

int far_open(struct far *f, struct repx_err *err)
{
    const struct repx_endpoint e = endpoint_of(f);

    f->t.ops = &f->c->plugin->ops.transport;
    f->t.host = f->c->services;
    return f->t.ops->open(&f->t.self, f->c->services, &e, err);
}

int far_ask(struct far *f, const char *mode, struct repx_err *err)
{
    REPX_AUTO_FREE char *command = repx_format("%s/peer %s", f->dir, mode);
    int rc = talk(&f->t, command, f->c->patience, err);

    f->t.input = NULL;
    f->t.len = 0;
    f->t.keep_open = 0;
    return rc;
}

static int said(const struct repx_buf *b, const char *text)
{
    return b->len == strlen(text) && memcmp(repx_buf_text(b), text, b->len) == 0;
}

static int bring_peer(struct far *f)
{
    static const char command[] =
        "sh -c 'umask 077; d=`mktemp -d` && cat >$d/peer && "
        "chmod 700 $d/peer && echo $d'";
    REPX_AUTO_BUF struct repx_buf peer = {0};
    struct repx_err err = {0};

    if (repx_read_file(AT_FDCWD, f->c->peer, 64u << 20, &peer, &err) < 0)
        return check(0, "the peer is there: %s", err.text);
    f->t.input = peer.data;
    f->t.len = peer.len;
    int rc = talk(&f->t, command, f->c->patience, &err);
    f->t.input = NULL;
    f->t.len = 0;
    const char *out = repx_buf_text(&f->t.out), *line = strrchr(out, '/');
    while (line && line > out && line[-1] != '\n')
        line--; /* what a login shell printed comes before */
    if (rc == 0 && f->t.status == 0 && line && *line == '/')
        f->dir = repx_strndup(line, strcspn(line, "\r\n"));
    return check(f->dir != NULL,
                 "%zu bytes of input reach a command, and their end%s%s", peer.len,
                 err.text[0] ? ": " : "", err.text);
}

static char *pattern(size_t n)
{
    char *bytes = repx_alloc(n);

    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)(i * 31 >> 3);
    return bytes;
}

static void bytes_arrive_as_they_are(struct far *f)
{
    REPX_AUTO_FREE char *bulk = pattern(BULK);
    struct repx_err err = {0};
    char all[256];

    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    f->t.input = all;
    f->t.len = sizeof(all);
    int rc = far_ask(f, "echo", &err);
    (void)check(rc == 0 && f->t.out.len == 256 && memcmp(f->t.out.data, all, 256) == 0,
                "each value of a byte passes both ways %s", err.text);
    (void)check(rc == 0 && f->t.again_at_end, "after the end read goes on answering 0");
    f->t.input = bulk;
    f->t.len = BULK;
    rc = far_ask(f, "echo", &err);
    (void)check(rc == 0 && f->t.out.len == BULK &&
                    memcmp(f->t.out.data, bulk, BULK) == 0,
                "%u bytes go both ways at once %s", BULK, err.text);
    REPX_AUTO_FREE char *mode = repx_format("source %u", BULK);
    rc = far_ask(f, mode, &err);
    (void)check(rc == 0 && f->t.out.len == BULK &&
                    memcmp(f->t.out.data, bulk, BULK) == 0,
                "%u bytes of output arrive %s", BULK, err.text);
}

static void ends_are_told(struct far *f)
{
    static const struct {
        const char *mode;
        int status;
    } ends[] = {{"exit 0", 0}, {"exit 1", 1}, {"exit 42", 42}, {"kill", 128 + 15}};
    struct repx_err err = {0};

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        int rc = far_ask(f, ends[i].mode, &err);
        if (rc < 0 && ends[i].status > 128 && err.code == REPX_E_LINK) {
            untested(
                "a command ended by a signal: here it cannot be told from a link "
                "that broke, and is answered with REPX_E_LINK");
            err = (struct repx_err){0};
            continue;
        }
        (void)check(rc == 0 && f->t.status == ends[i].status,
                    "%s: its status is %d, was %d %s", ends[i].mode, ends[i].status,
                    (int)f->t.status, err.text);
    }
    int rc = far_ask(f, "errors", &err);
    (void)check(rc == 0 && said(&f->t.out, "out") && said(&f->t.errors, "err"),
                "standard error is a channel of its own %s", err.text);
    f->t.input = "some input";
    f->t.len = 10;
    rc = far_ask(f, "late", &err);
    (void)check(rc == 0 && said(&f->t.out, "late"),
                "after half_close the command sees the end and can still answer %s",
                err.text);
}

void *far_silent(struct far *f, struct repx_err *err)
{
    REPX_AUTO_FREE char *command = repx_format("%s/peer echo", f->dir);
    void *stream = NULL;

    if (f->t.ops->start(f->t.self, command, far_soon(f), &stream, err) < 0)
        return NULL;
    return stream;
}

static void waiting_ends(struct far *f)
{
    struct {
        struct repx_wait w;
        char later[40]; /* members of days to come: stride counts */
    } items[2];
    struct repx_err err = {0};
    void *a = far_silent(f, &err), *b = far_silent(f, &err);

    if (!check(a && b, "two commands at a time %s", err.text))
        return;
    memset(items, 0, sizeof(items));
    items[0].w = (struct repx_wait){.stream = a, .want = REPX_READY_READ};
    items[1].w = (struct repx_wait){.stream = b, .want = REPX_READY_READ};
    int64_t t = far_now(f);
    int64_t n =
        f->t.ops->wait(f->t.self, &items[0].w, 2, sizeof(items[0]), t + 300, &err);
    int64_t took = far_now(f) - t;
    (void)check(n == 0 && took >= 250 && took < 3000,
                "wait comes back at its deadline: 300 ms, was %lld", (long long)took);
    int64_t k = f->t.ops->write(b, "x", 1, &err);
    n = f->t.ops->wait(f->t.self, &items[0].w, 2, sizeof(items[0]), far_soon(f), &err);
    (void)check(k == 1 && n == 1 && !items[0].w.ready &&
                    items[1].w.ready & REPX_READY_READ,
                "of two streams the one that has output is ready, by stride");
    cancel_set(f->c, 1);
    t = far_now(f);
    items[1].w.want = 0;
    n = f->t.ops->wait(f->t.self, &items[0].w, 1, sizeof(items[0]), far_soon(f), &err);
    took = far_now(f) - t;
    (void)check(n <= 0 && took < 5000 && took < (int64_t)f->c->patience * 500,
                "cancel ends a wait: after %lld ms", (long long)took);
    cancel_set(f->c, 0);
    f->t.ops->end(a);
    f->t.ops->end(b);
}

static int is_held(struct far *f)
{
    REPX_AUTO_FREE char *mode = repx_format("held %s/lock", f->dir);
    struct repx_err err = {0};

    return far_ask(f, mode, &err) == 0 && said(&f->t.out, "yes");
}

static int released(struct far *f)
{
    for (int i = 0; i < 20; i++) {
        if (!is_held(f))
            return 1;
        (void)nanosleep(&(struct timespec){0, 200000000}, NULL);
    }
    return 0;
}

/* A command that holds a lock; returns its stream once it does. */
static void *holder(struct far *f, struct repx_err *err)
{
    REPX_AUTO_FREE char *command = repx_format("%s/peer hold %s/lock", f->dir, f->dir);
    struct repx_wait w = {.want = REPX_READY_READ};
    char said_it[4];

    if (f->t.ops->start(f->t.self, command, far_soon(f), &w.stream, err) < 0)
        return NULL;
    (void)f->t.ops->wait(f->t.self, &w, 1, sizeof(w), far_soon(f), err);
    if (f->t.ops->read(w.stream, REPX_STREAM_OUT, said_it, 4, err) <= 0)
        return NULL;
    return w.stream;
}

static void commands_end_with_their_stream(struct far *f)
{
    struct repx_err err = {0};
    void *stream = holder(f, &err);

    if (!check(stream && is_held(f), "a command runs while another is asked %s",
               err.text))
        return;
    int32_t status = 0;
    int64_t t = far_now(f);
    int rc = f->t.ops->exit_status(stream, t + 300, &status, &err);
    (void)check(rc < 0 && err.code == REPX_E_TIMEOUT && far_now(f) - t < 5000,
                "exit_status of a running command fails at its deadline: %s", err.text);
    f->t.ops->end(stream);
    (void)check(released(f), "after end the command sees the end of its input");
    f->t.ops->end(NULL);
    stream = holder(f, &err);
    f->t.ops->close(f->t.self);
    int opened = far_open(f, &err) == 0;
    (void)check(stream && opened && released(f),
                "the same after close, and open works again");
}

static void nothing_is_left(struct far *f)
{
    struct repx_transport_stats stats = {.size = sizeof(stats)};
    struct repx_err err = {0};

    (void)far_ask(f, "exit 0", &err); /* what is opened once may stay */
    size_t fds = count_fds();
    for (int i = 0; i < 10; i++)
        (void)far_ask(f, "errors", &err);
    (void)check(count_fds() == fds, "ten commands leave no descriptor: %zu, were %zu",
                count_fds(), fds);
    f->t.ops->stats(f->t.self, &stats);
    (void)check(stats.bytes_received > 0 && stats.size == sizeof(stats),
                "stats count: %llu logins, %llu bytes received",
                (unsigned long long)stats.logins,
                (unsigned long long)stats.bytes_received);
}

static void open_and_close(struct far *f, size_t fds)
{
    f->t.ops->close(f->t.self);
    f->t.ops->close(NULL);
    (void)check(count_fds() <= fds, "close leaves no descriptor: %zu, were %zu",
                count_fds(), fds);
    (void)check(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD,
                "close leaves no child behind");
}

static int begin(struct far *f, struct conform *c)
{
    struct repx_err err = {0};

    *f = (struct far){.c = c};
    return check(far_open(f, &err) == 0, "open: %s", err.text[0] ? err.text : "done") &&
           bring_peer(f);
}

void transport_checks(struct conform *c)
{
    struct repx_err err = {0};
    struct around *around = around_begin();
    size_t fds = count_fds();
    struct far f;

    if (!begin(&f, c))
        return;
    bytes_arrive_as_they_are(&f);
    ends_are_told(&f);
    waiting_ends(&f);
    commands_end_with_their_stream(&f);
    nothing_is_left(&f);
    transport_limits(&f);
    if (f.t.ops->suits) {
        const struct repx_endpoint e = endpoint_of(&f);
        (void)check(f.t.ops->suits(c->services, &e, &err) == 1,
                    "suits says yes to what it reached %s", err.text);
    }
    REPX_AUTO_FREE char *mode = repx_format("remove %s", f.dir);
    (void)far_ask(&f, mode, &err);
    open_and_close(&f, fds);
    talk_free(&f.t);
    free(f.dir);
    around_end(around);
    untested("open with a prompt, login and logout: they need a person");
}

/* In the middle of a transfer the link goes: that must come out as an error. */
void transport_faults(struct conform *c)
{
    struct repx_err err = {0};
    struct far f;
    struct turn turn = {0};
    int rc = 1;

    if (!c->fault) {
        untested("a link that breaks: give --fault-cmd a command that breaks it");
        return;
    }
    if (!begin(&f, c))
        return;
    REPX_AUTO_FREE char *bulk = pattern(BULK);
    turn.stream = far_silent(&f, &err);
    f.t.input = bulk;
    f.t.len = BULK;
    f.t.keep_open = 1;
    for (int i = 0; i < 20 && rc > 0; i++)
        rc = talk_turn(&f.t, &turn, far_soon(&f), &err);
    (void)check(system(c->fault) == 0, "the fault command succeeds");
    int64_t until = far_now(&f) + 3000 * (int64_t)c->patience;
    while (rc > 0 && far_now(&f) < until && turn.sent < f.t.len)
        rc = talk_turn(&f.t, &turn, until, &err);
    (void)check(rc < 0 && (err.code == REPX_E_LINK || err.code == REPX_E_TIMEOUT),
                "a link that is gone is told as that: code %d, %s", (int)err.code,
                err.text);
    f.t.ops->end(turn.stream);
    f.t.ops->close(f.t.self);
    talk_free(&f.t);
    free(f.dir);
}
