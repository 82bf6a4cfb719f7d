/* SPDX-License-Identifier: MIT */
/* state_waiting.c: S/waiting/<run>, one line, replaced whole; S/waiting/<run>.wish, empty. */
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
#include "core/agent/waiting.h"

#define WAITING_MAX 65536

static const struct state_field fields[] = {
    {"v", STATE_INT, STATE_REQUIRED},    {"t", STATE_INT, STATE_REQUIRED},
    {"next", STATE_INT, STATE_REQUIRED}, {"jobs", STATE_COUNT, STATE_REQUIRED},
    {"reason", STATE_TEXT, 0},           {"feeder", STATE_TEXT, 0},
    {"needs_client", STATE_BOOL, 0},     {NULL, 0, 0},
};

static char *path_of(const char *run, const char *end)
{
    return repx_format("waiting/%s%s", run, end);
}

int waiting_read(struct site *site, const char *run, struct waiting *w)
{
    REPX_AUTO_FREE char *path = path_of(run, "");
    REPX_AUTO_BUF struct repx_buf b = {0};

    *w = (struct waiting){0};
    if (!run_id_ok(run) ||
        repx_read_file(site->state_fd, path, WAITING_MAX, &b, NULL) < 0)
        return 0;
    size_t n = strcspn(repx_buf_text(&b), "\n");
    json_t *j = state_read(b.data, n, fields, "waiting", NULL);
    w->jobs =
        state_int(j, "jobs", 1); /* a record that cannot be read: all is unknown */
    w->t = state_int(j, "t", 0);
    w->next = state_int(j, "next", 0);
    w->reason = repx_strdup(state_text(j, "reason", ""));
    w->feeder = repx_strdup(state_text(j, "feeder", ""));
    w->needs_client = state_true(j, "needs_client");
    json_decref(j);
    return 1;
}

void waiting_finish(struct waiting *w)
{
    free(w->reason);
    free(w->feeder);
    *w = (struct waiting){0};
}

int waiting_write(struct site *site, const char *run, const struct waiting *w,
                  struct repx_err *err)
{
    REPX_AUTO_FREE char *path = path_of(run, "");
    json_t *j = json_pack("{s:i,s:I,s:I,s:I,s:b}", "v", 1, "t", (json_int_t)w->t,
                          "next", (json_int_t)w->next, "jobs", (json_int_t)w->jobs,
                          "needs_client", w->needs_client);

    if (w->reason)
        (void)json_object_set_new(j, "reason", json_string(w->reason));
    (void)json_object_set_new(j, "feeder", json_string(w->feeder ? w->feeder : ""));
    REPX_AUTO_FREE char *text = json_dumps(j, JSON_COMPACT);
    REPX_AUTO_FREE char *line = repx_format("%s\n", text ? text : "{}");
    json_decref(j);
    if (mkdirat(site->state_fd, "waiting", 0777) < 0 && errno != EEXIST)
        return repx_fail_errno(err, "%s/waiting", site->state);
    return repx_write_file(site->state_fd, path, line, strlen(line),
                           0666 | REPX_DURABLE, err);
}

int waiting_each(struct site *site, int (*each)(void *ctx, const char *run), void *ctx)
{
    int fd = openat(site->state_fd, "waiting", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    int rc = 0;

    if (!d) {
        repx_close_fd(&fd);
        return 0;
    }
    for (const struct dirent *e = readdir(d); e && rc == 0; e = readdir(d)) {
        if (run_id_ok(e->d_name))
            rc = each(ctx, e->d_name);
    }
    (void)closedir(d);
    return rc;
}

void wish_leave(struct site *site, const char *run)
{
    REPX_AUTO_FREE char *path = path_of(run, ".wish");
    REPX_AUTO_CLOSE int fd =
        openat(site->state_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);

    (void)fd; /* without a wish the next job's end, or the feeder job, does it */
}

void wish_take(struct site *site, const char *run)
{
    REPX_AUTO_FREE char *path = path_of(run, ".wish");

    (void)unlinkat(site->state_fd, path, 0);
}

int wish_there(struct site *site, const char *run)
{
    REPX_AUTO_FREE char *path = path_of(run, ".wish");

    return faccessat(site->state_fd, path, F_OK, 0) == 0;
}

/* S/waiting/<run>.branches.<index> */
static char *request_path(const char *run, size_t job)
{
    return repx_format("waiting/%s.branches.%zu", run, job);
}

int request_leave(struct site *site, const char *run, size_t job, struct repx_err *err)
{
    REPX_AUTO_FREE char *path = request_path(run, job);

    if (mkdirat(site->state_fd, "waiting", 0777) < 0 && errno != EEXIST)
        return repx_fail_errno(err, "%s/waiting", site->state);
    return repx_write_file(site->state_fd, path, "", 0, 0666 | REPX_DURABLE, err);
}

void request_take(struct site *site, const char *run, size_t job)
{
    REPX_AUTO_FREE char *path = request_path(run, job);

    (void)unlinkat(site->state_fd, path, 0);
}

void request_each(struct site *site, const char *run,
                  void (*each)(void *ctx, size_t job), void *ctx)
{
    REPX_AUTO_FREE char *before = repx_format("%s.branches.", run);
    int fd = openat(site->state_fd, "waiting", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    size_t n = strlen(before);

    if (!d) {
        repx_close_fd(&fd);
        return;
    }
    for (const struct dirent *e = readdir(d); e; e = readdir(d)) {
        const char *number = e->d_name + n;
        if (strncmp(e->d_name, before, n) == 0 && *number && strlen(number) < 10 &&
            strspn(number, "0123456789") == strlen(number))
            each(ctx, strtoul(number, NULL, 10));
    }
    (void)closedir(d);
}

struct clearing {
    struct site *site;
    const char *run;
};

static void request_clear(void *ctx, size_t job)
{
    const struct clearing *c = ctx;

    request_take(c->site, c->run, job);
}

void waiting_clear(struct site *site, const char *run)
{
    REPX_AUTO_FREE char *path = path_of(run, "");
    struct clearing c = {site, run};

    (void)unlinkat(site->state_fd, path, 0);
    request_each(site, run, request_clear, &c);
}

int request_there(struct site *site, const char *run, size_t job)
{
    REPX_AUTO_FREE char *path = request_path(run, job);

    return faccessat(site->state_fd, path, F_OK, 0) == 0;
}
