/* SPDX-License-Identifier: MIT */
/* state_result.c: what a job's directory says about it. Markers are the truth: the log
 * completions.jsonl is written for RepX's sake and never read here, since it loses and
 * invents results (lines of steps, garbage collection, two writers on NFS). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state.h"
#include "core/agent/state_check.h"
#include "core/wire/verbs.h"

#define NFS_MAGIC 0x6969

static const struct state_field attempt_fields[] = {
    {"v", STATE_INT, 0},
    {"run", STATE_RUN, 0},
    {"i", STATE_COUNT, 0},
    {"key", STATE_HEX, 0},
    {"sub", STATE_TEXT, 0},
    {"id", STATE_TEXT, 0},
    {"sched", STATE_TEXT, 0},
    {"node", STATE_TEXT, 0},
    {"boot", STATE_TEXT, 0},
    {"pid", STATE_INT, 0},
    {"start", STATE_INT, 0},
    {"t", STATE_INT, STATE_REQUIRED},
    {"in", STATE_HEX, 0},
    {"res", STATE_OBJECT, STATE_NULL},
    {"ok", STATE_BOOL, 0},
    {"exit", STATE_INT, STATE_NULL},
    {"signal", STATE_INT, STATE_NULL},
    {"reason", STATE_TEXT, STATE_NULL},
    {"ms", STATE_INT, 0},
    {"mem", STATE_INT, 0},
    {"cpu_ms", STATE_INT, 0},
    {"manifest", STATE_HEX, 0},
    {NULL, 0, 0},
};

json_t *attempt_parse(const char *line, size_t n, struct repx_err *err)
{
    return state_read(line, n, attempt_fields, "attempt record", err);
}

/* The two lines of <dir>/attempt.json; either may stay NULL. */
void attempt_read(int at, const char *dir, json_t **first, json_t **second)
{
    REPX_AUTO_FREE char *path = repx_format("%s/attempt.json", dir);
    REPX_AUTO_BUF struct repx_buf b = {0};

    *first = *second = NULL;
    if (repx_read_file(at, path, STATE_LINE_MAX, &b, NULL) < 0 || !b.len)
        return;
    const char *end = memchr(b.data, '\n', b.len);
    if (!end)
        return;
    *first = attempt_parse(b.data, (size_t)(end - b.data), NULL);
    const char *next = end + 1;
    end = memchr(next, '\n', b.len - (size_t)(next - b.data));
    if (end)
        *second = attempt_parse(next, (size_t)(end - next), NULL);
}

unsigned attempt_current(const struct site *site, const char *job)
{
    REPX_AUTO_FREE char *link = repx_format("outputs/%s/repx", job);
    char to[64];
    ssize_t got =
        state_name_ok(job) ? readlinkat(site->base_fd, link, to, sizeof to - 1) : -1;

    if (got <= 0)
        return 0;
    to[got] = 0;
    unsigned long n = strncmp(to, "attempts/", 9) == 0 ? strtoul(to + 9, NULL, 10) : 0;
    return n <= UINT32_MAX ? (unsigned)n : 0;
}

static unsigned attempt_number(const char *name)
{
    size_t digits = strspn(name, "0123456789");

    return digits && digits < 10 && !name[digits] ? (unsigned)strtoul(name, NULL, 10)
                                                  : 0;
}

static int is_of_work(const struct site *site, const char *job, unsigned n,
                      const char *key)
{
    REPX_AUTO_FREE char *dir = repx_format("outputs/%s/attempts/%u/repx", job, n);
    json_t *first, *second;

    attempt_read(site->base_fd, dir, &first, &second);
    int is = json_is_true(json_object_get(second, "ok")) &&
             strcmp(state_text(first, "key", ""), key) == 0;
    json_decref(first);
    json_decref(second);
    return is;
}

unsigned attempt_of_work(const struct site *site, const char *job, const char *key)
{
    REPX_AUTO_FREE char *path = repx_format("outputs/%s/attempts", job);
    int fd = state_name_ok(job)
                 ? openat(site->base_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                 : -1;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    unsigned last = 0;

    if (!d) {
        repx_close_fd(&fd);
        return 0;
    }
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        unsigned n = attempt_number(e->d_name);
        if (n > last && is_of_work(site, job, n, key))
            last = n;
    }
    (void)closedir(d);
    return last;
}

/* Both markers are RepX's leavings: the newer one counts, SUCCESS when equal. */
static int marker_status(int base, const char *dir)
{
    REPX_AUTO_FREE char *good = repx_format("%s/SUCCESS", dir);
    REPX_AUTO_FREE char *bad = repx_format("%s/FAIL", dir);
    struct stat yes, no;
    int has_yes = fstatat(base, good, &yes, 0) == 0;
    int has_no = fstatat(base, bad, &no, 0) == 0;

    if (has_yes && has_no) {
        int64_t older = (int64_t)yes.st_mtim.tv_sec - (int64_t)no.st_mtim.tv_sec;
        int64_t rest = (int64_t)yes.st_mtim.tv_nsec - (int64_t)no.st_mtim.tv_nsec;
        has_yes = older > 0 || (older == 0 && rest >= 0);
    }
    if (has_yes)
        return JOB_SUCCEEDED;
    return has_no ? JOB_FAILED : JOB_UNKNOWN;
}

int result_status(struct site *site, const char *job, const char *key, int *stale,
                  char **reason)
{
    REPX_AUTO_FREE char *dir = repx_format("outputs/%s/repx", job);
    json_t *first = NULL, *second = NULL;

    *stale = 0;
    if (reason)
        *reason = NULL;
    int status = state_name_ok(job) ? marker_status(site->base_fd, dir) : JOB_UNKNOWN;
    if (status == JOB_UNKNOWN)
        return status;
    attempt_read(site->base_fd, dir, &first, &second);
    const char *made = state_text(first, "key", NULL);
    *stale = key && made && strcmp(made, key) != 0;
    if (reason && status == JOB_FAILED)
        *reason = repx_strdup(state_text(second, "reason", NULL));
    json_decref(first);
    json_decref(second);
    return status;
}

int site_is_nfs(const struct site *site)
{
    struct statfs fs;

    return fstatfs(site->base_fd, &fs) == 0 && fs.f_type == NFS_MAGIC;
}

void result_look_again(struct site *site, const char *job)
{
    REPX_AUTO_FREE char *home = repx_format("outputs/%s", job);
    REPX_AUTO_FREE char *repx = repx_format("outputs/%s/repx", job);
    const char *const dirs[] = {"outputs", home, repx};

    for (size_t i = 0; state_name_ok(job) && i < 3; i++) {
        int fd = openat(site->base_fd, dirs[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = fd < 0 ? NULL : fdopendir(fd);
        if (d) {
            (void)readdir(d);
            (void)closedir(d);
        }
    }
}

int completion_append(struct site *site, const char *job, int ok, struct repx_err *err)
{
    json_t *line = json_pack("{ssss}", "id", job, "s", ok ? "ok" : "fail");
    REPX_AUTO_FREE char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    REPX_AUTO_FREE char *record = text ? repx_format("%s\n", text) : NULL;
    unsigned tries = 0;
    int rc;
    REPX_AUTO_CLOSE int fd =
        openat(site->base_fd, "outputs/completions.jsonl",
               O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);

    json_decref(line);
    do {
        rc = fd < 0 || !record ? -1 : repx_write_all(fd, record, strlen(record));
    } while (rc < 0 && reserve_try(site, &tries));
    if (rc < 0)
        return repx_fail_errno(err, "%s/outputs/completions.jsonl", site->base);
    return 0;
}
