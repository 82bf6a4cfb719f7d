/* SPDX-License-Identifier: MIT */
#include "link.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define HELLO_MS 10000

char link_logged[1024];
static int wish_fds[2] = {-1, -1}, wished;

static void take_log(void *ctx, uint32_t level, const char *text)
{
    (void)ctx, (void)level;
    (void)snprintf(link_logged, sizeof(link_logged), "%s", text);
}

static void take_progress(void *ctx, const char *unit, uint64_t done, uint64_t total)
{
    (void)ctx, (void)unit, (void)done, (void)total;
}

static int32_t canceled(void *ctx)
{
    (void)ctx;
    return wished;
}

static int32_t cancel_fd(void *ctx)
{
    (void)ctx;
    return wish_fds[0];
}

static int64_t now_ms(void *ctx)
{
    struct timespec t;

    (void)ctx;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

const struct repx_host link_host = {
    .size = sizeof(link_host),
    .log = take_log,
    .progress = take_progress,
    .canceled = canceled,
    .cancel_fd = cancel_fd,
    .now_ms = now_ms,
};

static void must(int good, const char *what)
{
    if (good)
        return;
    perror(what);
    exit(99);
}

void link_cancel(int wish)
{
    char c = 0;

    if (wish_fds[0] < 0)
        must(pipe(wish_fds) == 0, "pipe");
    if (wish && !wished)
        must(write(wish_fds[1], &c, 1) == 1, "write");
    if (!wish && wished)
        must(read(wish_fds[0], &c, 1) == 1, "read");
    wished = wish;
}

void link_start(struct link *l, const char *command)
{
    const struct repx_endpoint here = {
        .size = sizeof(here), .address = "", .target = "here", .mode = REPX_OPEN_BATCH};
    struct repx_err err = {0};

    l->ops = repx_plugin_v0()->vtable;
    must(l->ops->open(&l->transport, &link_host, &here, &err) == 0, err.text);
    must(l->ops->start(l->transport, command, 0, &l->stream, &err) == 0, err.text);
}

void link_end(struct link *l)
{
    l->ops->end(l->stream);
    l->ops->close(l->transport);
}

struct session *link_session(struct link *l, const char *command, struct repx_err *err)
{
    link_start(l, command);
    return session_create(l->ops, l->transport, l->stream, &link_host,
                          now_ms(NULL) + HELLO_MS, err);
}
