/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* flock with O_CLOEXEC, O_PATH */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kit/file.h>

#include "fake.h"

#define RECORD_MAX (64u << 20)

void fake_job_free(struct fake_job *job)
{
    if (!job)
        return;
    free(job->name);
    free(job->comment);
    free(job->workdir);
    free(job->shell);
    free(job->output);
    free(job->queue);
    free(job->account);
    free(job->deps);
    free(job->states);
    free(job);
}

int fake_lock(int dir, struct repx_err *err)
{
    int fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0666);

    if (fd < 0)
        return repx_fail_errno(err, "lock");
    while (flock(fd, LOCK_EX) < 0) {
        if (errno != EINTR) {
            (void)close(fd);
            return repx_fail_errno(err, "lock");
        }
    }
    return fd;
}

uint64_t fake_number(int dir, const char *name)
{
    struct repx_buf b REPX_AUTO_BUF = {0};

    if (repx_read_file(dir, name, 64, &b, NULL) < 0)
        return 0;
    return strtoull(repx_buf_text(&b), NULL, 10);
}

int64_t fake_last(int dir)
{
    return (int64_t)fake_number(dir, "last");
}

/* ---- the record: "name=value" lines ---- */

static const struct {
    const char *name;
    size_t at;
} texts[] = {
    {"name", offsetof(struct fake_job, name)},
    {"comment", offsetof(struct fake_job, comment)},
    {"workdir", offsetof(struct fake_job, workdir)},
    {"shell", offsetof(struct fake_job, shell)},
    {"output", offsetof(struct fake_job, output)},
    {"queue", offsetof(struct fake_job, queue)},
    {"account", offsetof(struct fake_job, account)},
};

static const struct {
    const char *name;
    size_t at;
} numbers[] = {
    {"id", offsetof(struct fake_job, id)},
    {"first", offsetof(struct fake_job, first)},
    {"count", offsetof(struct fake_job, count)},
    {"submitted", offsetof(struct fake_job, submitted)},
    {"stays", offsetof(struct fake_job, stays)},
    {"hold", offsetof(struct fake_job, hold)},
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static void put_record(const struct fake_job *job, struct repx_buf *to)
{
    for (size_t i = 0; i < COUNT(numbers); i++) {
        int64_t n;
        memcpy(&n, (const char *)job + numbers[i].at, sizeof(n));
        repx_buf_fmt(to, "%s=%lld\n", numbers[i].name, (long long)n);
    }
    for (size_t i = 0; i < COUNT(texts); i++) {
        const char *text;
        memcpy(&text, (const char *)job + texts[i].at, sizeof(text));
        repx_buf_fmt(to, "%s=%s\n", texts[i].name, text ? text : "");
    }
    for (size_t i = 0; i < job->dep_count; i++) {
        repx_buf_fmt(to, "dep=%d %lld %lld\n", job->deps[i].type,
                     (long long)job->deps[i].id, (long long)job->deps[i].index);
    }
}

static void take_dep(struct fake_job *job, const char *value)
{
    struct fake_dep d = {0};
    char *at;

    d.type = (int)strtol(value, &at, 10);
    d.id = strtoll(at, &at, 10);
    d.index = strtoll(at, NULL, 10);
    job->deps = repx_grow(job->deps, job->dep_count + 1, sizeof(d));
    job->deps[job->dep_count++] = d;
}

static void take_line(struct fake_job *job, const char *name, const char *value)
{
    for (size_t i = 0; i < COUNT(numbers); i++) {
        if (strcmp(numbers[i].name, name) == 0) {
            int64_t n = strtoll(value, NULL, 10);
            memcpy((char *)job + numbers[i].at, &n, sizeof(n));
        }
    }
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (strcmp(texts[i].name, name) == 0) {
            char *text = repx_strdup(value);
            memcpy((char *)job + texts[i].at, &text, sizeof(text));
        }
    }
    if (strcmp(name, "dep") == 0)
        take_dep(job, value);
}

int fake_write(int dir, const struct fake_job *job, struct repx_err *err)
{
    struct repx_buf b REPX_AUTO_BUF = {0};
    REPX_AUTO_FREE char *path = repx_format("jobs/%lld/job", (long long)job->id);

    put_record(job, &b);
    return repx_write_file(dir, path, b.data, b.len, 0644, err);
}

static void read_states(int dir, struct fake_job *job)
{
    REPX_AUTO_FREE char *path = repx_format("jobs/%lld/state", (long long)job->id);
    struct repx_buf b REPX_AUTO_BUF = {0};
    size_t size = FAKE_WIDTH(job) * sizeof(struct fake_index);

    job->states = repx_array(FAKE_WIDTH(job), sizeof(struct fake_index));
    if (repx_read_file(dir, path, RECORD_MAX, &b, NULL) == 0 && b.len)
        memcpy(job->states, b.data, b.len < size ? b.len : size);
}

struct fake_job *fake_read(int dir, int64_t id)
{
    REPX_AUTO_FREE char *path = repx_format("jobs/%lld/job", (long long)id);
    struct repx_buf b REPX_AUTO_BUF = {0};

    if (repx_read_file(dir, path, RECORD_MAX, &b, NULL) < 0)
        return NULL;
    struct fake_job *job = REPX_NEW(struct fake_job);
    char *rest = b.data, *line;
    while ((line = strtok_r(rest, "\n", &rest)) != NULL) {
        char *value = strchr(line, '=');
        if (!value)
            continue;
        *value++ = 0;
        take_line(job, line, value);
    }
    read_states(dir, job);
    return job;
}

int fake_add(int dir, struct fake_job *job, const struct repx_buf *script,
             struct repx_err *err)
{
    REPX_AUTO_FREE char *number = NULL, *home = NULL, *path = NULL;

    job->id = fake_last(dir) + 1;
    job->submitted = (int64_t)time(NULL);
    number = repx_format("%lld\n", (long long)job->id);
    home = repx_format("jobs/%lld", (long long)job->id);
    path = repx_format("%s/script", home);
    /* one that is there is of a client that was killed before it said so in `last` */
    if (mkdirat(dir, home, 0755) < 0 && errno != EEXIST)
        return repx_fail_errno(err, "%s", home);
    if (repx_write_file(dir, path, repx_buf_text(script), script->len, 0755, err) < 0 ||
        fake_write(dir, job, err) < 0)
        return -1;
    return repx_write_file(dir, "last", number, strlen(number), 0644, err);
}

static int append(int dir, const char *name, const char *text, struct repx_err *err)
{
    REPX_AUTO_CLOSE int fd =
        openat(dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    if (fd < 0 || repx_write_all(fd, text, strlen(text)) < 0)
        return repx_fail_errno(err, "%s", name);
    return 0;
}

int fake_cancel(int dir, int64_t id, int64_t index, struct repx_err *err)
{
    REPX_AUTO_FREE char *line =
        repx_format("%lld %lld\n", (long long)id, (long long)index);

    return append(dir, "cancels", line, err);
}

int fake_wake(int dir, struct repx_err *err)
{
    if (append(dir, "news", "+", err) < 0)
        return -1;
    REPX_AUTO_CLOSE int fd = openat(dir, "daemon", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return repx_fail_errno(err, "daemon");
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return 0; /* it runs */
    return 1;     /* the caller starts it; closing lets go */
}
