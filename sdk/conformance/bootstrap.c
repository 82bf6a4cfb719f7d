/* SPDX-License-Identifier: MIT */
/* bootstrap.c: does connect reach an agent with the first command? The target is this
 * machine's /bin/sh in a scratch directory, the agent a script that says so. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/child.h>
#include <kit/err.h>
#include <kit/file.h>

#include "around.h"
#include "conform.h"
#include "core/wire/digest.h"

/* Answers what a first command may ask of an agent, and else is one. */
static const char agent[] =
    "#!/bin/sh\n"
    "case $1 in --version) echo 1; exit ;; verify) exit 0 ;; esac\n"
    "echo agent-of-the-kit\n"
    "exec cat\n";

struct shell {
    struct conform *c;
    struct repx_sync_host services;
    struct repx_entry entries[2]; /* for this machine, and for another */
    char *path, *base;
    const char *noise; /* what the login shell prints first */
    struct repx_child child;
    int is_up;
    unsigned commands;
    uint64_t sent;
    const char *breach; /* or NULL */
};

static uint64_t count(void *ctx)
{
    (void)ctx;
    return 2;
}

static int32_t entry(void *ctx, uint64_t i, struct repx_entry *e, struct repx_err *err)
{
    if (i > 1)
        return repx_fail(err, REPX_E_USAGE, "there is no such entry");
    *e = ((struct shell *)ctx)->entries[i];
    return 0;
}

static int64_t source_read(void *ctx, uint64_t i, uint64_t offset, void *to,
                           uint64_t len, struct repx_err *err)
{
    uint64_t all = sizeof(agent) - 1, n = offset < all ? all - offset : 0;

    (void)ctx, (void)i, (void)err;
    n = n < len ? n : len;
    memcpy(to, agent + (offset < all ? offset : all), (size_t)n);
    return (int64_t)n;
}

static int32_t raw_exec(void *ctx, const char *command, struct repx_err *err)
{
    struct shell *s = ctx;
    REPX_AUTO_FREE char *line = repx_format("%s%s", s->noise, command);
    const char *argv[] = {"/bin/sh", "-c", line, NULL};

    if (s->commands++)
        s->breach = "raw_exec is called twice";
    if (repx_child_start(&s->child, argv, REPX_CHILD_IN | REPX_CHILD_OUT, err) < 0)
        return -1;
    s->is_up = 1;
    return 0;
}

static int64_t raw_read(void *ctx, void *to, uint64_t len, int64_t deadline_ms,
                        struct repx_err *err)
{
    struct shell *s = ctx;
    struct pollfd p = {s->child.out, POLLIN, 0};
    const struct repx_host *h = s->c->services;

    while (poll(&p, 1, 50) <= 0) {
        if (h->canceled(h->ctx))
            return repx_fail(err, REPX_E_CANCELED, "the user said stop");
        if (deadline_ms && h->now_ms(h->ctx) >= deadline_ms)
            return repx_fail(err, REPX_E_TIMEOUT, "nothing came in time");
    }
    ssize_t n = read(s->child.out, to, (size_t)len);
    return n < 0 ? repx_fail_errno(err, "reading") : n;
}

static int32_t raw_write(void *ctx, const void *from, uint64_t len, int64_t deadline_ms,
                         struct repx_err *err)
{
    struct shell *s = ctx;
    const char *bytes = from;

    (void)deadline_ms;
    while (len) {
        ssize_t n = send(s->child.in, bytes, (size_t)len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return repx_fail(err, REPX_E_LINK, "nobody reads");
        bytes += n;
        len -= (uint64_t)n;
        s->sent += (uint64_t)n;
    }
    return 0;
}

static const char *base_path(void *ctx)
{
    return ((struct shell *)ctx)->base;
}

static const char *state_path(void *ctx)
{
    (void)ctx;
    return "";
}

static void shell_init(struct shell *s, struct conform *c)
{
    struct utsname machine;
    struct digest d;

    (void)uname(&machine);
    *s = (struct shell){.c = c, .noise = "", .child = {0, -1, -1, -1}};
    s->path = repx_format("%s/repx-agent", machine.machine);
    s->base = repx_format("%s/a base", c->dir);
    digest_of(agent, sizeof(agent) - 1, &d);
    for (int i = 0; i < 2; i++) {
        s->entries[i] = (struct repx_entry){.size = sizeof(struct repx_entry),
                                            .path = i ? s->path : "vax/repx-agent",
                                            .kind = REPX_ENTRY_FILE,
                                            .executable = 1,
                                            .length = sizeof(agent) - 1};
        memcpy(s->entries[i].digest, d.bytes, sizeof(d.bytes));
    }
    s->services = (struct repx_sync_host){.size = sizeof(s->services),
                                          .host = c->services,
                                          .ctx = s,
                                          .source_count = count,
                                          .source_entry = entry,
                                          .source_read = source_read,
                                          .raw_exec = raw_exec,
                                          .raw_read = raw_read,
                                          .raw_write = raw_write,
                                          .base_path = base_path,
                                          .state_path = state_path};
}

static void hang_up(struct shell *s)
{
    if (s->is_up)
        repx_child_end(&s->child);
    s->is_up = 0;
    s->commands = 0;
    s->sent = 0;
}

/* Connect, and see whether the stream is the agent's from its first byte on. */
static int reaches(struct shell *s, struct repx_err *err)
{
    static const char hello[] = "agent-of-the-kit\nping\n";
    char said[sizeof(hello)] = "";
    size_t n = 0;
    int64_t until =
        s->c->services->now_ms(s->c->services->ctx) + (int64_t)s->c->patience * 1000;

    *err = (struct repx_err){0};
    hang_up(s);
    if (s->c->plugin->ops.sync.connect(&s->services, err) < 0)
        return 0;
    uint64_t sent = s->sent;
    (void)raw_write(s, "ping\n", 5, until, err);
    while (n < sizeof(hello) - 1) {
        int64_t k = raw_read(s, said + n, sizeof(hello) - 1 - n, until, err);
        if (k <= 0)
            break;
        n += (size_t)k;
    }
    s->sent = sent;
    return strcmp(said, hello) == 0;
}

static void failures(struct shell *s)
{
    struct repx_err err = {0};

    hang_up(s);
    s->noise = "echo This account is closed; exit 1; ";
    int rc = s->c->plugin->ops.sync.connect(&s->services, &err);
    (void)check(rc < 0 && err.code && strstr(err.text, "This account is closed"),
                "a login shell that ends: the error has its last words: %s", err.text);
    hang_up(s);
    s->noise = "sleep 100; ";
    cancel_set(s->c, 1);
    int64_t begun = s->c->services->now_ms(s->c->services->ctx);
    err = (struct repx_err){0};
    rc = s->c->plugin->ops.sync.connect(&s->services, &err);
    int64_t took = s->c->services->now_ms(s->c->services->ctx) - begun;
    (void)check(rc < 0 && err.code == REPX_E_CANCELED && took < 5000,
                "cancel ends it with REPX_E_CANCELED: code %d, %lld ms", (int)err.code,
                (long long)took);
    cancel_set(s->c, 0);
    s->noise = "";
    hang_up(s);
}

void bootstrap_checks(struct conform *c)
{
    struct around *around = around_begin();
    struct repx_err err;
    struct shell s;

    shell_init(&s, c);
    int is_there = reaches(&s, &err);
    uint64_t first = s.sent;
    (void)check(is_there,
                "the first command brings the agent of this machine and starts it %s",
                err.text);
    is_there = reaches(&s, &err);
    (void)check(is_there && s.sent + sizeof(agent) - 1 <= first,
                "the second time it is found there, and not sent: %llu bytes, %llu %s",
                (unsigned long long)s.sent, (unsigned long long)first, err.text);
    s.noise = "echo Welcome; echo; printf no-newline; ";
    is_there = reaches(&s, &err);
    (void)check(is_there, "what a login shell prints is passed over %s", err.text);
    s.noise = "";
    failures(&s);
    (void)check(!s.breach, "it is one command %s", s.breach ? s.breach : "");
    free(s.path);
    free(s.base);
    around_end(around);
}
