/* SPDX-License-Identifier: MIT */
/* command.c: the command line of ssh. What the user's configuration says holds, but for
 * what would break a program's use of it. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/ssh.h>

#include "openssh.h"

static void add(struct words *w, char *word)
{
    w->items = repx_grow(w->items, w->count + 2, sizeof(*w->items));
    w->items[w->count++] = word;
    w->items[w->count] = NULL;
}

void words_add(struct words *w, const char *word)
{
    add(w, repx_strdup(word));
}

void words_fmt(struct words *w, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    words_add(w, text);
}

void words_free(struct words *w)
{
    for (size_t i = 0; i < w->count; i++)
        free(w->items[i]);
    free(w->items);
    memset(w, 0, sizeof(*w));
}

const char *const *words_argv(const struct words *w)
{
    return (const char *const *)w->items;
}

static const char *text_of(const struct openssh *o, const char *key, uint64_t i)
{
    return o->host.config_text(o->host.ctx, key, i);
}

static void add_option(struct words *w, const char *name, const char *value)
{
    words_add(w, "-o");
    add(w, repx_format("%s=%s", name, value));
}

static void add_seconds(struct words *w, const struct openssh *o, const char *key,
                        const char *name)
{
    int64_t ms = 0;

    if (!o->host.config_number(o->host.ctx, key, &ms))
        return;
    words_add(w, "-o");
    words_fmt(w, "%s=%" PRId64, name, (ms + 999) / 1000);
}

/* ssh reads several files as one value with spaces: quoted, they may hold some. */
static int add_known_hosts(struct words *w, const struct openssh *o,
                           struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf files = {0};

    for (uint64_t i = 0; text_of(o, "known_hosts", i); i++) {
        const char *file = text_of(o, "known_hosts", i);
        if (strpbrk(file, "\"\n")) {
            return repx_fail(err, REPX_E_USAGE,
                             "known_hosts: a path may not hold quotes or line ends");
        }
        repx_buf_fmt(&files, "%s\"%s\"", i ? " " : "", file);
    }
    if (files.len) {
        add_option(w, "UserKnownHostsFile", files.data);
        add_option(w, "GlobalKnownHostsFile", "/dev/null");
    }
    return 0;
}

int words_begin(struct words *w, const struct openssh *o, struct repx_err *err)
{
    const char *program = text_of(o, "program", 0);
    const char *file = text_of(o, "config_file", 0);

    words_add(w, program ? program : "ssh");
    if (file) {
        words_add(w, "-F");
        words_add(w, file);
    }
    /* The user's own options come first: of two, ssh takes the first. */
    for (uint64_t i = 0; text_of(o, "options", i); i++) {
        words_add(w, "-o");
        words_add(w, text_of(o, "options", i));
    }
    words_add(w, "-T");
    words_add(w, "-x");
    add_option(w, "ClearAllForwardings", "yes");
    add_option(w, "PermitLocalCommand", "no");
    add_seconds(w, o, "connect_timeout", "ConnectTimeout");
    add_seconds(w, o, "keepalive", "ServerAliveInterval");
    add_option(w, "ServerAliveCountMax", "3");
    if (o->mode != REPX_OPEN_PROMPT)
        add_option(w, "BatchMode", "yes");
    for (uint64_t i = 0; text_of(o, "identity", i); i++) {
        if (i == 0)
            add_option(w, "IdentitiesOnly", "yes");
        words_add(w, "-i");
        words_add(w, text_of(o, "identity", i));
    }
    return add_known_hosts(w, o, err);
}

int words_host(struct words *w, const struct openssh *o, struct repx_err *err)
{
    struct repx_ssh_address a;
    const char *user = text_of(o, "user", 0);
    int64_t port = 0;

    if (repx_ssh_address(o->address, &a, err) < 0)
        return -1;
    (void)o->host.config_number(o->host.ctx, "port", &port);
    if (a.port)
        port = a.port;
    if (a.user)
        user = a.user;
    if (port) {
        words_add(w, "-p");
        words_fmt(w, "%" PRId64, port);
    }
    if (user) {
        words_add(w, "-l");
        words_add(w, user);
    }
    words_add(w, "--");
    words_add(w, a.host);
    repx_ssh_address_free(&a);
    return 0;
}
