/* SPDX-License-Identifier: MIT */
/* state_event.c: events are appended to one file per node and merged on read. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state.h"
#include "core/agent/state_check.h"

static const struct state_field event_fields[] = {
    {"v", STATE_INT, STATE_REQUIRED},
    {"t", STATE_INT, STATE_REQUIRED},
    {"i", STATE_COUNT, STATE_REQUIRED},
    {"e", STATE_TEXT, STATE_REQUIRED},
    {"phase", STATE_TEXT, 0},
    {"branch", STATE_COUNT, 0},
    {"n", STATE_COUNT, 0},
    {"run", STATE_RUN, 0},
    {"key", STATE_SUBKEY, 0},
    {"id", STATE_TEXT, 0},
    {"array", STATE_COUNT, 0},
    {"text", STATE_TEXT, 0},
    {"pid", STATE_INT, 0},
    {"node", STATE_TEXT, 0},
    {"ok", STATE_BOOL, 0},
    {"exit", STATE_INT, STATE_NULL},
    {"signal", STATE_INT, STATE_NULL},
    {"reason", STATE_TEXT, STATE_NULL},
    {"ms", STATE_INT, 0},
    {"mem", STATE_INT, 0},
    {"cpu_ms", STATE_INT, 0},
    {NULL, 0, 0},
};

json_t *event_parse(const char *line, size_t n, struct repx_err *err)
{
    json_t *j = state_read(line, n, event_fields, "event", err);

    if (j && state_int(j, "v", 0) != 1) {
        json_decref(j);
        (void)repx_fail(err, REPX_E_UNSUPPORTED, "event: of another version");
        return NULL;
    }
    return j;
}

/* ---- writing ---- */

static int events_open(struct site *site, const struct run *run)
{
    REPX_AUTO_FREE char *path =
        repx_format("events/%s", state_name_ok(site->host) ? site->host : "node");
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
    int fd = openat(run->dir, path, flags, 0666);

    if (fd < 0 && errno == ENOENT &&
        (mkdirat(run->dir, "events", 0777) == 0 || errno == EEXIST))
        fd = openat(run->dir, path, flags, 0666);
    return fd;
}

int event_write(struct site *site, struct run *run, json_t *event, struct repx_err *err)
{
    json_object_set_new(event, "v", json_integer(1));
    json_object_set_new(event, "t", json_integer(state_now_ms()));
    REPX_AUTO_FREE char *text = json_dumps(event, JSON_COMPACT);
    json_decref(event);
    if (run->event_fd < 0)
        run->event_fd = events_open(site, run);
    if (run->event_fd < 0 || !text)
        return repx_fail_errno(err, "run %s: events", run->id);
    REPX_AUTO_FREE char *line = repx_format("%s\n", text);
    size_t n = strlen(line);
    unsigned tries = 0;
    ssize_t got;
    do {
        got = write(run->event_fd, line, n);
    } while (got < 0 && reserve_try(site, &tries));
    if (got == (ssize_t)n)
        return 0;
    (void)repx_fail_errno(err, "run %s: events", run->id);
    if (got > 0) /* a torn line must not swallow the next one */
        (void)repx_write_all(run->event_fd, "\n", 1);
    return -1;
}

int64_t state_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- reading ---- */

struct event_file {
    char *name;
    off_t offset; /* of the first line not yet told */
};

struct event_reader {
    int run_dir;
    struct event_file *files;
    size_t count;
};

/* Lines wait for their order as text: parsed they would take ten times the room. */
struct event_line {
    char *line;
    size_t n, order;
    int64_t t;
};

struct event_batch {
    struct event_line *lines;
    size_t count, room;
};

struct event_reader *event_reader_open(struct site *site, const struct run *run,
                                       struct repx_err *err)
{
    (void)site;
    int fd = openat(run->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        (void)repx_fail_errno(err, "run %s", run->id);
        return NULL;
    }
    struct event_reader *r = REPX_NEW(struct event_reader);
    r->run_dir = fd;
    return r;
}

void event_reader_close(struct event_reader *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->count; i++)
        free(r->files[i].name);
    free(r->files);
    repx_close_fd(&r->run_dir);
    free(r);
}

static void file_note(struct event_reader *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->files[i].name, name) == 0)
            return;
    }
    r->files = repx_grow(r->files, r->count + 1, sizeof r->files[0]);
    r->files[r->count++] = (struct event_file){.name = repx_strdup(name)};
}

/* Opening the directory anew makes an NFS client look for files of other nodes. */
static int files_note(struct event_reader *r, struct repx_err *err)
{
    int fd = openat(r->run_dir, "events", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) {
        int none = fd < 0 && errno == ENOENT;
        repx_close_fd(&fd);
        return none ? 0 : repx_fail_errno(err, "events");
    }
    for (const struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (state_name_ok(e->d_name))
            file_note(r, e->d_name);
    }
    (void)closedir(d);
    return 0;
}

/* The time of an event, as it is written; 0: it has none. Quotes in texts are escaped, so
 * this is a key; which lines are events at all is found out later. */
static int64_t line_time(const char *line, size_t n)
{
    static const char key[] = "\"t\":";
    const char *at = memmem(line, n, key, sizeof key - 1);
    int64_t t = 0;

    if (!at)
        return 0;
    at += sizeof key - 1;
    at += strspn(at, " ");
    for (const char *end = line + n; at < end && *at >= '0' && *at <= '9'; at++) {
        if (t > INT64_MAX / 10 - 9)
            return 0;
        t = t * 10 + (*at - '0');
    }
    return t;
}

static void batch_add(struct event_batch *batch, const char *line, size_t n)
{
    if (batch->count == batch->room) {
        batch->room = batch->room ? batch->room * 2 : 64;
        batch->lines = repx_grow(batch->lines, batch->room, sizeof batch->lines[0]);
    }
    batch->lines[batch->count] =
        (struct event_line){repx_strndup(line, n), n, batch->count, line_time(line, n)};
    batch->count++;
}

/* Take the whole lines off the front of b; returns how many bytes they had. */
static size_t lines_take(struct event_batch *batch, const struct repx_buf *b)
{
    size_t done = 0;

    while (done < b->len) {
        const char *end = memchr(b->data + done, '\n', b->len - done);
        if (!end)
            break;
        size_t n = (size_t)(end - b->data) - done;
        batch_add(batch, b->data + done, n);
        done += n + 1;
    }
    return done;
}

static int file_read(struct event_reader *r, struct event_file *f,
                     struct event_batch *batch, struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("events/%s", f->name);
    REPX_AUTO_CLOSE int fd =
        openat(r->run_dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    REPX_AUTO_BUF struct repx_buf b = {0};
    off_t at = f->offset;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return repx_fail_errno(err, "%s", path);
    if (!S_ISREG(st.st_mode))
        return 0;
    for (;;) {
        ssize_t n = pread(fd, repx_buf_room(&b, 65536), 65536, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return repx_fail_errno(err, "%s", path);
        if (n == 0)
            return 0;
        b.len += (size_t)n;
        at += n;
        size_t done = lines_take(batch, &b);
        f->offset += (off_t)done;
        repx_buf_drop(&b, done);
        if (b.len > STATE_LINE_MAX)
            return repx_fail(err, REPX_E_CORRUPT, "%s: a line without end", path);
    }
}

static int by_time(const void *a, const void *b)
{
    const struct event_line *x = a, *y = b;

    if (x->t != y->t)
        return x->t < y->t ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

int64_t event_reader_poll(struct event_reader *r,
                          void (*each)(void *ctx, const json_t *event, const char *line,
                                       size_t n),
                          void *ctx, struct repx_err *err)
{
    struct event_batch batch = {0};
    int rc = files_note(r, err);

    for (size_t i = 0; rc == 0 && i < r->count; i++)
        rc = file_read(r, &r->files[i], &batch, err);
    if (batch.count > 1)
        qsort(batch.lines, batch.count, sizeof batch.lines[0], by_time);
    int64_t told = 0;
    for (size_t i = 0; i < batch.count; i++) {
        json_t *event = event_parse(batch.lines[i].line, batch.lines[i].n, NULL);
        if (event) { /* torn or foreign: no line */
            each(ctx, event, batch.lines[i].line, batch.lines[i].n);
            told++;
        }
        json_decref(event);
        free(batch.lines[i].line);
    }
    free(batch.lines);
    return rc < 0 ? -1 : told;
}
