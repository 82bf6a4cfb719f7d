/* SPDX-License-Identifier: MIT */
#include "core/agent/call_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state.h"
#include "core/agent/state_check.h"

#define FILE_MAX 262144 /* then it becomes <host>.old, and the one before goes */
#define READ_MAX (4 * FILE_MAX)
#define RECENT_MAX 32768
#define COST_MAX 100000

static const char *const outcomes[] = {"answered", "failed", "timed out"};

/* ---- writing ---- */

static char *log_dir(const char *scheduler)
{
    return state_name_ok(scheduler) ? repx_format("calls/%s", scheduler) : NULL;
}

static int log_open(struct site *site, const char *scheduler)
{
    REPX_AUTO_FREE char *dir = log_dir(scheduler);
    const char *host = state_name_ok(site->host) ? site->host : "node";
    REPX_AUTO_FREE char *path = dir ? repx_format("%s/%s", dir, host) : NULL;
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    struct stat st;

    if (!path)
        return -1;
    int fd = openat(site->state_fd, path, flags, 0666);
    if (fd < 0 && errno == ENOENT) {
        REPX_AUTO_FREE char *whole = repx_format("%s/%s", site->state, dir);
        if (repx_make_dirs(whole, 0777, NULL) == 0)
            fd = openat(site->state_fd, path, flags, 0666);
    }
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > FILE_MAX) {
        REPX_AUTO_FREE char *aside = repx_format("%s.old", path);
        (void)renameat(site->state_fd, path, site->state_fd, aside);
    }
    return fd;
}

void call_log_write(struct site *site, const char *scheduler,
                    const struct call_note *note)
{
    REPX_AUTO_CLOSE int fd = site->readonly ? -1 : log_open(site, scheduler);
    json_t *j = json_pack("{s:i,s:I,s:s,s:I,s:s}", "v", 1, "t",
                          (json_int_t)state_now_ms(), "verb", note->verb, "ms",
                          (json_int_t)note->ms, "was", outcomes[note->outcome]);

    if (j && note->commands) {
        (void)json_object_set(j, "commands", (json_t *)(uintptr_t)note->commands);
    }
    REPX_AUTO_FREE char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    REPX_AUTO_FREE char *line = text ? repx_format("%s\n", text) : NULL;
    json_decref(j);
    if (fd >= 0 && line)
        (void)repx_write_all(fd, line, strlen(line));
}

/* ---- reading ---- */

static const struct state_field record_fields[] = {
    {"v", STATE_INT, STATE_REQUIRED},
    {"t", STATE_INT, STATE_REQUIRED},
    {"verb", STATE_TEXT, STATE_REQUIRED},
    {"ms", STATE_INT, STATE_REQUIRED},
    {"was", STATE_TEXT, STATE_REQUIRED},
    {"commands", STATE_OBJECT, STATE_NULL},
    {NULL, 0, 0},
};

static void read_lines(const struct repx_buf *b, size_t at,
                       void (*each)(void *ctx, const json_t *record), void *ctx)
{
    while (at < b->len) {
        const char *end = memchr(b->data + at, '\n', b->len - at);
        if (!end)
            return;
        size_t n = (size_t)(end - b->data) - at;
        json_t *j = state_read(b->data + at, n, record_fields, "call", NULL);
        if (j)
            each(ctx, j);
        json_decref(j);
        at += n + 1;
    }
}

static void read_one(int dir, const char *name, int recent,
                     void (*each)(void *ctx, const json_t *record), void *ctx)
{
    REPX_AUTO_CLOSE int fd =
        openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    REPX_AUTO_BUF struct repx_buf b = {0};
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    if (recent && (int64_t)st.st_mtime * 1000 < state_now_ms() - BUDGET_SPAN_MS)
        return;
    off_t most = recent ? RECENT_MAX : READ_MAX;
    off_t from = st.st_size > most ? st.st_size - most : 0;
    for (off_t at = from; at < st.st_size && at - from < most;) {
        ssize_t n = pread(fd, repx_buf_room(&b, 65536), 65536, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        b.len += (size_t)n;
        at += n;
    }
    /* what begins in the middle of a line is no record */
    const char *first = from && b.len ? memchr(b.data, '\n', b.len) : NULL;
    read_lines(&b, first ? (size_t)(first - b.data) + 1 : 0, each, ctx);
}

void call_log_read(struct site *site, const char *scheduler, int recent,
                   void (*each)(void *ctx, const json_t *record), void *ctx)
{
    REPX_AUTO_FREE char *path = log_dir(scheduler);
    int fd =
        path ? openat(site->state_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) {
        repx_close_fd(&fd);
        return;
    }
    for (const struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (state_name_ok(e->d_name))
            read_one(fd, e->d_name, recent, each, ctx);
    }
    (void)closedir(d);
}

int64_t call_log_cost(const json_t *record)
{
    const json_t *commands = json_object_get(record, "commands");
    int64_t n = 0;
    const char *name;
    json_t *told;

    if (!commands)
        return 1;
    json_object_foreach((json_t *)(uintptr_t)commands, name, told)
    {
        int64_t one = state_int(told, "n", 1);
        n += one > 0 && one < COST_MAX ? one : 1;
    }
    return n < COST_MAX ? n : COST_MAX;
}

/* ---- the budget ---- */

struct recent {
    struct budget_call *calls;
    size_t count, room;
};

static void on_record(void *ctx, const json_t *record)
{
    struct recent *r = ctx;
    const char *verb = state_text(record, "verb", "");

    if (r->count == r->room) {
        r->room = r->room ? r->room * 2 : 64;
        r->calls = repx_grow(r->calls, r->room, sizeof(*r->calls));
    }
    r->calls[r->count++] = (struct budget_call){
        .t = state_int(record, "t", 0),
        .cost = call_log_cost(record),
        .timed_out = strcmp(state_text(record, "was", ""), outcomes[2]) == 0,
        .must = strcmp(verb, "status") != 0 && strcmp(verb, "ended") != 0,
        .beside = strcmp(verb, "ended") == 0,
    };
}

static int by_time(const void *a, const void *b)
{
    const struct budget_call *x = a, *y = b;

    return x->t < y->t ? -1 : x->t > y->t;
}

struct budget call_log_budget(struct site *site, const char *scheduler)
{
    struct recent r = {0};

    call_log_read(site, scheduler, 1, on_record, &r);
    if (r.count)
        qsort(r.calls, r.count, sizeof(*r.calls), by_time);
    struct budget b = budget_of(r.calls, r.count, state_now_ms());
    free(r.calls);
    return b;
}

struct counting {
    const char *verb;
    int64_t since, n;
    unsigned was;
};

static void on_counted(void *ctx, const json_t *record)
{
    struct counting *c = ctx;

    if (state_int(record, "t", 0) < c->since ||
        strcmp(state_text(record, "verb", ""), c->verb) != 0)
        return;
    c->n++;
    for (unsigned k = 0; k < sizeof(outcomes) / sizeof(outcomes[0]); k++) {
        if (strcmp(state_text(record, "was", ""), outcomes[k]) == 0)
            c->was |= 1u << k;
    }
}

int64_t call_log_asked(struct site *site, const char *scheduler, const char *verb,
                       int64_t within_ms, unsigned *was)
{
    struct counting c = {verb, state_now_ms() - within_ms, 0, 0};

    call_log_read(site, scheduler, 1, on_counted, &c);
    *was = c.was;
    return c.n;
}
