/* SPDX-License-Identifier: MIT */
/* drive: a transport from the command line, loaded as repx loads it.
 *
 *     drive [OPTION...] NAME run ADDRESS COMMAND    input and output are ours
 *     drive [OPTION...] NAME suits|login|logout ADDRESS
 *
 * --path DIR  --mode prompt|batch|reuse  --set KEY=VALUE  --secret ANSWER
 * --deadline MS  --target NAME  --stats
 *
 * Exits with the command's status; 100 + REPX_E_... and the text when a call failed. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/plugin/host.h"

#define VALUES_MAX 32

struct drive {
    const char *path, *secret, *name, *operation, *command;
    struct config_value values[VALUES_MAX];
    const char **texts[VALUES_MAX]; /* of values, and ours to free */
    size_t count;
    int stats;
    int64_t patience_ms;
    struct repx_endpoint endpoint;
    const struct repx_transport_ops *ops;
    const struct repx_host *host;
};

static int usage(void)
{
    fprintf(stderr,
            "usage: drive [OPTION...] NAME run|suits|login|logout ADDRESS ...\n");
    return 2;
}

static void set(struct drive *d, char *pair)
{
    char *equals = strchr(pair, '=');
    struct config_value *v = NULL;

    if (!equals || d->count == VALUES_MAX)
        exit(usage());
    *equals = 0;
    for (size_t i = 0; i < d->count; i++) {
        if (strcmp(d->values[i].key, pair) == 0)
            v = &d->values[i];
    }
    if (!v)
        v = &d->values[d->count++];
    const char ***texts = &d->texts[v - d->values];
    *texts = repx_grow(*texts, v->count + 1, sizeof(**texts));
    (*texts)[v->count++] = equals + 1;
    v->key = pair;
    v->texts = *texts;
    v->is_array = v->count > 1;
    v->where = "--set";
}

static void option(struct drive *d, const char *name, char *value)
{
    if (strcmp(name, "--path") == 0) {
        d->path = value;
    } else if (strcmp(name, "--secret") == 0) {
        d->secret = value;
    } else if (strcmp(name, "--set") == 0) {
        set(d, value);
    } else if (strcmp(name, "--deadline") == 0) {
        d->patience_ms = strtoll(value, NULL, 10);
    } else if (strcmp(name, "--target") == 0) {
        d->endpoint.target = value;
    } else if (strcmp(name, "--mode") == 0) {
        d->endpoint.mode = strcmp(value, "prompt") == 0  ? REPX_OPEN_PROMPT
                           : strcmp(value, "reuse") == 0 ? REPX_OPEN_REUSE
                                                         : REPX_OPEN_BATCH;
    } else {
        exit(usage());
    }
}

static int parse(struct drive *d, int argc, char **argv)
{
    int i = 1;

    d->endpoint = (struct repx_endpoint){
        .size = sizeof(d->endpoint), .target = "there", .mode = REPX_OPEN_BATCH};
    while (i < argc && strncmp(argv[i], "--", 2) == 0) {
        if (strcmp(argv[i], "--stats") == 0) {
            d->stats = 1;
            i++;
            continue;
        }
        if (i + 1 >= argc)
            return 0;
        option(d, argv[i], argv[i + 1]);
        i += 2;
    }
    if (argc - i < 3)
        return 0;
    d->name = argv[i];
    d->operation = argv[i + 1];
    d->endpoint.address = argv[i + 2];
    d->command = argc - i > 3 ? argv[i + 3] : "true";
    return 1;
}

/* Our input to the stream. 1: more to do, 0: all given, -1. */
static int give(struct drive *d, void *stream, struct repx_buf *pending, int *at_end,
                struct repx_err *err)
{
    if (!pending->len && !*at_end) {
        char *room = repx_buf_room(pending, 100000);
        ssize_t n = read(0, room, 100000);
        if (n > 0)
            pending->len = (size_t)n;
        *at_end = n <= 0;
        if (n <= 0 && d->ops->half_close(stream, err) < 0)
            return -1;
    }
    if (!pending->len)
        return 0;
    int64_t n = d->ops->write(stream, pending->data, pending->len, err);
    if (n == -1)
        return -1;
    if (n > 0)
        repx_buf_drop(pending, (size_t)n);
    return 1;
}

/* 1: more may come, 0: its end, -1. */
static int take(struct drive *d, void *stream, uint32_t channel, struct repx_err *err)
{
    char bytes[50000];
    int64_t n = d->ops->read(stream, channel, bytes, sizeof(bytes), err);

    if (n > 0 &&
        repx_write_all(channel == REPX_STREAM_ERR ? 2 : 1, bytes, (size_t)n) < 0)
        return repx_fail_errno(err, "output");
    return n == -1 ? -1 : n != 0;
}

/* What is still open of a stream: each 1, 0, or -1 after an error. */
struct open_ends {
    int input, out, errors, at_end;
    struct repx_buf pending;
};

/* 1: moved what was ready, -1. */
static int move(struct drive *d, void *stream, uint32_t ready, struct open_ends *e,
                struct repx_err *err)
{
    if (ready & REPX_READY_WRITE)
        e->input = give(d, stream, &e->pending, &e->at_end, err);
    if (ready & REPX_READY_READ)
        e->out = take(d, stream, REPX_STREAM_OUT, err);
    if (ready & REPX_READY_ERRORS)
        e->errors = take(d, stream, REPX_STREAM_ERR, err);
    return e->input < 0 || e->out < 0 || e->errors < 0 ? -1 : 1;
}

static int pump(struct drive *d, void *self, void *stream, struct repx_err *err)
{
    struct open_ends e = {1, 1, 1, 0, {0}};
    int rc = 1;

    while (rc == 1 && (e.out || e.errors)) {
        uint32_t want = (e.input ? REPX_READY_WRITE : 0) |
                        (e.out ? REPX_READY_READ : 0) |
                        (e.errors ? REPX_READY_ERRORS : 0);
        struct repx_wait w = {stream, want, 0};
        int64_t n = d->ops->wait(self, &w, 1, sizeof(w), d->endpoint.deadline_ms, err);
        if (n == 0) {
            rc = repx_fail(err, REPX_E_TIMEOUT, "nothing to do in time");
        } else {
            rc = n < 0 ? -1 : move(d, stream, w.ready, &e, err);
        }
    }
    repx_buf_free(&e.pending);
    return rc < 0 ? -1 : 0;
}

static int run(struct drive *d, struct repx_err *err)
{
    void *self = NULL, *stream = NULL;
    int32_t status = -1;
    struct repx_transport_stats stats = {.size = sizeof(stats)};

    if (d->ops->open(&self, d->host, &d->endpoint, err) < 0)
        return -1;
    if (d->ops->start(self, d->command, d->endpoint.deadline_ms, &stream, err) == 0 &&
        pump(d, self, stream, err) == 0 &&
        d->ops->exit_status(stream, d->endpoint.deadline_ms, &status, err) < 0)
        status = -1;
    d->ops->stats(self, &stats);
    d->ops->end(stream);
    d->ops->close(self);
    if (d->stats) {
        fprintf(stderr, "logins=%llu sent=%llu received=%llu\n",
                (unsigned long long)stats.logins, (unsigned long long)stats.bytes_sent,
                (unsigned long long)stats.bytes_received);
    }
    return status;
}

static int act(struct drive *d, struct repx_err *err)
{
    int32_t (*f)(const struct repx_host *, const struct repx_endpoint *,
                 struct repx_err *) = strcmp(d->operation, "suits") == 0 ? d->ops->suits
                                      : strcmp(d->operation, "login") == 0
                                          ? d->ops->login
                                          : d->ops->logout;

    if (strcmp(d->operation, "run") == 0)
        return run(d, err);
    if (!f)
        return repx_fail(err, REPX_E_UNSUPPORTED, "%s is not offered", d->operation);
    int rc = f(d->host, &d->endpoint, err);
    if (rc >= 0 && strcmp(d->operation, "suits") == 0)
        printf("%s %s\n", rc ? "yes" : "no", err->text);
    return rc < 0 ? -1 : 0;
}

static int answer(void *ctx, const char *prompt, char *to, size_t len,
                  struct repx_err *err)
{
    const struct drive *d = ctx;

    fprintf(stderr, "asked: %s\n", prompt);
    if (!d->secret)
        return repx_fail(err, REPX_E_AUTH, "nobody answers");
    (void)snprintf(to, len, "%s", d->secret);
    return 0;
}

static void said(void *ctx, const char *who, uint32_t level, const char *text)
{
    (void)ctx;
    fprintf(stderr, "%s(%u): %s\n", who, level, text);
}

int main(int argc, char **argv)
{
    struct drive d = {0};
    struct repx_err err = {0};

    if (!parse(&d, argc, argv))
        return usage();
    (void)signal(SIGPIPE, SIG_IGN);
    const struct ui ui = {.ctx = &d, .log = said, .secret = answer};
    const struct config_table table = {
        .name = d.name, .where = "--set", .values = d.values, .count = d.count};
    struct plugin_paths *paths = plugin_paths_create(&d.path, d.path != NULL, NULL, 0);
    struct plugin *p = plugin_load(paths, REPX_KIND_TRANSPORT, d.name, &err);
    struct host *h = p ? host_create(p, &table, &ui, &err) : NULL;
    int rc = -1;
    if (h) {
        d.ops = &p->ops.transport;
        d.host = host_services(h);
        d.endpoint.deadline_ms =
            d.patience_ms ? d.host->now_ms(d.host->ctx) + d.patience_ms : 0;
        rc = act(&d, &err);
    }
    host_destroy(h);
    plugin_paths_destroy(paths);
    for (size_t i = 0; i < d.count; i++)
        free(d.texts[i]);
    if (rc >= 0)
        return rc;
    fprintf(stderr, "%s\n", err.text);
    return 100 + err.code;
}
