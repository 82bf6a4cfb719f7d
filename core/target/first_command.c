/* SPDX-License-Identifier: MIT */
#include "first_command.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/printable.h>

#include "core/target/entry.h"
#include "core/wire/digest.h"

#define AGENT_PREFIX "agent-linux-"

/* One agent that is installed here. */
struct agent {
    char *path; /* "ARCH/repx-agent" */
    int fd;
    uint64_t length;
    struct digest digest;
};

struct first {
    const struct first_command *f;
    struct agent *agents;
    size_t count;
    void *stream;
    int passed;     /* the gate */
    char said[512]; /* on standard error, before it */
    size_t said_len;
};

static int agent_open(struct agent *a, const char *libexec, const char *arch,
                      struct repx_err *err)
{
    REPX_AUTO_FREE char *file = repx_format("%s/" AGENT_PREFIX "%s", libexec, arch);
    struct stat st;

    a->fd = open(file, O_RDONLY | O_CLOEXEC);
    if (a->fd < 0 || fstat(a->fd, &st) < 0)
        return repx_fail_errno(err, "%s", file);
    if (digest_fd(a->fd, &a->digest, &a->length, err) < 0)
        return repx_wrap(err, "%s", file);
    if (a->length == 0)
        return repx_fail(err, REPX_E_FAILED, "%s is empty: reinstall repx", file);
    a->path = repx_format("%s/repx-agent", arch);
    return 0;
}

static void agents_close(struct first *first)
{
    for (size_t i = 0; i < first->count; i++) {
        repx_close_fd(&first->agents[i].fd);
        free(first->agents[i].path);
    }
    free(first->agents);
}

static int agents_open(struct first *first, struct repx_err *err)
{
    const char *libexec = first->f->libexec;
    DIR *d = opendir(libexec);

    if (!d)
        return repx_fail_errno(err, "no agents installed in %s", libexec);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        struct agent a = {.fd = -1};
        if (strncmp(e->d_name, AGENT_PREFIX, strlen(AGENT_PREFIX)) != 0)
            continue;
        if (agent_open(&a, libexec, e->d_name + strlen(AGENT_PREFIX), err) < 0) {
            repx_close_fd(&a.fd);
            (void)closedir(d);
            return -1;
        }
        first->agents = repx_grow(first->agents, first->count + 1, sizeof(a));
        first->agents[first->count++] = a;
    }
    (void)closedir(d);
    if (!first->count)
        return repx_fail(err, REPX_E_FAILED, "no agent in %s; reinstall repx", libexec);
    return 0;
}

char *first_command_agent(const char *libexec, const char *arch, struct repx_err *err)
{
    struct agent a = {.fd = -1};
    char hex[DIGEST_HEX];
    int rc = agent_open(&a, libexec, arch, err);

    repx_close_fd(&a.fd);
    free(a.path);
    if (rc < 0)
        return NULL;
    digest_hex(&a.digest, hex);
    return repx_format("bin/%s/repx-agent", hex);
}

static uint64_t source_count(void *ctx)
{
    return ((const struct first *)ctx)->count;
}

static int32_t source_entry(void *ctx, uint64_t i, struct repx_entry *entry,
                            struct repx_err *err)
{
    const struct agent *a = &((const struct first *)ctx)->agents[i];
    struct repx_entry own = {
        .path = a->path, .kind = REPX_ENTRY_FILE, .executable = 1, .length = a->length};

    (void)err;
    memcpy(own.digest, a->digest.bytes, sizeof(own.digest));
    entry_give(entry, &own);
    return 0;
}

static int64_t source_read(void *ctx, uint64_t i, uint64_t offset, void *to,
                           uint64_t len, struct repx_err *err)
{
    const struct agent *a = &((const struct first *)ctx)->agents[i];
    ssize_t n = pread(a->fd, to, len, (off_t)offset);

    return n < 0 ? repx_fail_errno(err, "%s", a->path) : n;
}

static int32_t raw_exec(void *ctx, const char *command, struct repx_err *err)
{
    struct first *first = ctx;
    const struct repx_host *h = first->f->host;

    if (first->stream)
        return repx_fail(err, REPX_E_USAGE, "the first command runs already");
    return first->f->ops->start(first->f->transport, command, h->now_ms(h->ctx) + 60000,
                                &first->stream, err);
}

/* Wait until the stream is ready, the deadline passes or the user cancels. */
static int ready(struct first *first, uint32_t want, int64_t deadline,
                 struct repx_err *err)
{
    const struct repx_host *h = first->f->host;
    struct repx_wait item = {first->stream, want, 0};
    int64_t n =
        first->f->ops->wait(first->f->transport, &item, 1, sizeof(item), deadline, err);

    if (n != 0)
        return n < 0 ? -1 : 0;
    if (h->canceled(h->ctx))
        return repx_fail(err, REPX_E_CANCELED, "cancelled while reaching the target");
    return repx_fail(err, REPX_E_TIMEOUT, "the target's shell did not answer in time");
}

static int64_t raw_read(void *ctx, void *to, uint64_t len, int64_t deadline,
                        struct repx_err *err)
{
    struct first *first = ctx;

    for (;;) {
        int64_t n = first->f->ops->read(first->stream, REPX_STREAM_OUT, to, len, err);
        if (n != REPX_AGAIN)
            return n;
        if (ready(first, REPX_READY_READ, deadline, err) < 0)
            return -1;
    }
}

#define GATE_MS 1000

/* Until the client may begin. What comes meanwhile is taken: the transport answers the
 * server's questions, whether we are there, as it reads. */
static int pass_gate(struct first *first, struct repx_err *err)
{
    const struct first_command *f = first->f;
    const struct repx_host *h = f->host;
    int state = 0;

    while (!first->passed && f->gate) {
        state = h->canceled(h->ctx) ? -1 : f->gate(f->gate_ctx, GATE_MS);
        if (state)
            break;
        size_t room = sizeof(first->said) - 1 - first->said_len;
        int64_t n = room ? f->ops->read(first->stream, REPX_STREAM_ERR,
                                        first->said + first->said_len, room, NULL)
                         : 0;
        first->said_len += n > 0 ? (size_t)n : 0;
    }
    first->passed = 1;
    return state < 0 ? repx_fail(err, REPX_E_CANCELED, "not begun") : 0;
}

static int32_t raw_write(void *ctx, const void *from, uint64_t len, int64_t deadline,
                         struct repx_err *err)
{
    struct first *first = ctx;
    const char *p = from;

    if (pass_gate(first, err) < 0)
        return -1;
    while (len) {
        int64_t n = first->f->ops->write(first->stream, p, len, err);
        if (n == REPX_AGAIN) {
            if (ready(first, REPX_READY_WRITE, deadline, err) < 0)
                return -1;
            continue;
        }
        if (n < 0)
            return -1;
        p += n;
        len -= (uint64_t)n;
    }
    return 0;
}

static const char *base_path(void *ctx)
{
    return ((const struct first *)ctx)->f->base_path;
}

static const char *state_path(void *ctx)
{
    const char *path = ((const struct first *)ctx)->f->state_path;

    return path ? path : "";
}

/* What the far end printed on standard error is often the reason. */
static void add_stderr(struct first *first, struct repx_err *err)
{
    char *text = first->said;
    size_t n = first->said_len;

    if (!first->stream)
        return;
    size_t room = sizeof(first->said) - 1 - n;
    int64_t more =
        room ? first->f->ops->read(first->stream, REPX_STREAM_ERR, text + n, room, NULL)
             : 0;
    n += more > 0 ? (size_t)more : 0;
    if (!n)
        return;
    text[n] = 0;
    text[strcspn(text, "\r\n")] = 0;
    repx_printable(text, "");
    struct repx_err whole = *err;
    (void)repx_fail(err, whole.code, "%s (it said: %s)", whole.text, text);
}

int first_command_run(const struct first_command *f, const struct plugin *bootstrap,
                      const struct repx_host *services, void **stream,
                      struct repx_err *err)
{
    struct first first = {.f = f};
    struct repx_sync_host sync = {
        .size = sizeof(sync),
        .host = services,
        .ctx = &first,
        .source_count = source_count,
        .source_entry = source_entry,
        .source_read = source_read,
        .raw_exec = raw_exec,
        .raw_read = raw_read,
        .raw_write = raw_write,
        .base_path = base_path,
        .state_path = state_path,
    };
    int rc = agents_open(&first, err);

    if (rc == 0)
        rc = bootstrap->ops.sync.connect(&sync, err);
    if (rc == 0 && !first.stream) {
        rc = repx_fail(err, REPX_E_FAILED, "plugin sync-%s started no command",
                       bootstrap->info.name);
    }
    if (rc < 0) {
        add_stderr(&first, err);
        f->ops->end(first.stream);
        first.stream = NULL;
    }
    *stream = first.stream;
    agents_close(&first);
    return rc;
}
