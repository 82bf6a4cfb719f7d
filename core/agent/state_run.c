/* SPDX-License-Identifier: MIT */
/* state_run.c: a run as the target keeps it: its record, its plan, the plan's index. */
#define _DEFAULT_SOURCE /* le64toh */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/state.h"
#include "core/agent/state_check.h"

static const struct state_field record_fields[] = {
    {"v", STATE_INT, STATE_REQUIRED},
    {"run", STATE_RUN, STATE_REQUIRED},
    {"lab", STATE_TEXT, STATE_NULL},
    {"lab_digest", STATE_TEXT, STATE_NULL},
    {"target", STATE_TEXT, STATE_NULL},
    {"scheduler", STATE_TEXT, STATE_REQUIRED},
    {"helper", STATE_OBJECT, STATE_NULL},
    {"agents", STATE_OBJECT, STATE_NULL},
    {"specs", STATE_TEXTS, STATE_NULL},
    {"user", STATE_TEXT, STATE_NULL},
    {"host", STATE_TEXT, STATE_NULL},
    {"t", STATE_INT, STATE_NULL},
    {"client", STATE_TEXT, STATE_NULL},
    {"keep_going", STATE_BOOL, STATE_NULL},
    {"fail_fast", STATE_BOOL, STATE_NULL},
    {"jobs_limit", STATE_INT, STATE_NULL},
    {"mem_limit", STATE_INT, STATE_NULL},
    {"count", STATE_COUNT, STATE_REQUIRED},
    {NULL, 0, 0},
};

/* YYYYMMDDTHHMMSSZ- and 8 base32 characters. */
int run_id_ok(const char *id)
{
    static const char form[] = "ddddddddTddddddZ-bbbbbbbb";

    if (strlen(id) != sizeof form - 1)
        return 0;
    for (size_t i = 0; form[i]; i++) {
        int digit = id[i] >= '0' && id[i] <= '9';
        int base32 = (id[i] >= 'a' && id[i] <= 'z') || (id[i] >= '2' && id[i] <= '7');
        if (form[i] == 'd' ? !digit : form[i] == 'b' ? !base32 : id[i] != form[i])
            return 0;
    }
    return 1;
}

/* Each value of {arch: path} stays below B. */
static int paths_check(const json_t *record, const char *key, struct repx_err *err)
{
    json_t *paths = json_object_get(record, key);

    for (void *at = json_object_iter(paths); at;
         at = json_object_iter_next(paths, at)) {
        const json_t *path = json_object_iter_value(at);
        if (!state_name_ok(json_object_iter_key(at)) || !json_is_string(path) ||
            !repx_path_is_inside(json_string_value(path))) {
            return repx_fail(err, REPX_E_CORRUPT,
                             "run record: a path in \"%s\" leaves the base path", key);
        }
    }
    return 0;
}

json_t *run_record_parse(const char *line, size_t n, struct repx_err *err)
{
    json_t *j = state_read(line, n, record_fields, "run record", err);

    if (!j)
        return NULL;
    int rc = 0;
    if (state_int(j, "v", 0) != 1) {
        rc = repx_fail(err, REPX_E_UNSUPPORTED,
                       "run record: version %lld, this agent knows 1",
                       (long long)state_int(j, "v", 0));
    }
    if (rc < 0 || paths_check(j, "helper", err) < 0 ||
        paths_check(j, "agents", err) < 0) {
        json_decref(j);
        return NULL;
    }
    return j;
}

static int record_open(struct run *run, struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf b = {0};

    if (repx_read_file(run->dir, "run.json", STATE_LINE_MAX, &b, err) < 0)
        return -1;
    run->record = run_record_parse(repx_buf_text(&b), b.len, err);
    if (!run->record)
        return -1;
    if (strcmp(state_text(run->record, "run", ""), run->id) != 0)
        return repx_fail(err, REPX_E_CORRUPT, "run.json speaks of another run");
    run->count = (size_t)state_int(run->record, "count", 0);
    return 0;
}

static int plan_open(struct run *run, struct repx_err *err)
{
    size_t want = (run->count + 1) * sizeof(uint64_t);
    struct stat st;

    run->plan_fd = openat(run->dir, "plan", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (run->plan_fd < 0)
        return repx_fail_errno(err, "plan");
    REPX_AUTO_CLOSE int fd =
        openat(run->dir, "plan.idx", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0)
        return repx_fail_errno(err, "plan.idx");
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != want) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "plan.idx: %lld bytes where %zu jobs need %zu",
                         (long long)st.st_size, run->count, want);
    }
    void *map = mmap(NULL, want, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return repx_fail_errno(err, "plan.idx");
    run->offsets = map;
    return 0;
}

struct run *run_open(struct site *site, const char *id, struct repx_err *err)
{
    if (!run_id_ok(id)) {
        (void)repx_fail(err, REPX_E_USAGE, "%s: not the name of a run", id);
        return NULL;
    }
    struct run *run = REPX_NEW(struct run);
    REPX_AUTO_FREE char *dir = repx_format("runs/%s", id);

    run->id = repx_strdup(id);
    run->plan_fd = run->event_fd = -1;
    run->dir = openat(site->state_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = run->dir < 0 ? repx_fail_errno(err, "no such run here") : 0;
    if (rc < 0 || record_open(run, err) < 0 || plan_open(run, err) < 0) {
        (void)repx_wrap(err, "run %s", id);
        run_close(run);
        return NULL;
    }
    return run;
}

void run_close(struct run *run)
{
    if (!run)
        return;
    if (run->offsets)
        (void)munmap(run->offsets, (run->count + 1) * sizeof(uint64_t));
    repx_close_fd(&run->dir);
    repx_close_fd(&run->plan_fd);
    repx_close_fd(&run->event_fd);
    json_decref(run->record);
    free(run->id);
    free(run);
}

static int read_at(int fd, char *to, size_t n, uint64_t offset, struct repx_err *err)
{
    while (n) {
        ssize_t got = pread(fd, to, n, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return repx_fail_errno(err, "plan");
        if (got == 0)
            return repx_fail(err, REPX_E_CORRUPT, "plan: shorter than its index says");
        to += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return 0;
}

/* Producers come first in a plan; so there is no cycle either. */
static int deps_before(const json_t *line, size_t i, struct repx_err *err)
{
    size_t at;
    json_t *dep;

    json_array_foreach(json_object_get(line, "deps"), at, dep)
    {
        if ((uint64_t)json_integer_value(dep) >= i) {
            (void)repx_fail(err, REPX_E_CORRUPT, "depends on a job that comes later");
            return 0;
        }
    }
    return 1;
}

json_t *run_plan(const struct run *run, size_t i, struct repx_err *err)
{
    if (i >= run->count) {
        (void)repx_fail(err, REPX_E_USAGE, "run %s: no job %zu, it has %zu", run->id, i,
                        run->count);
        return NULL;
    }
    uint64_t from = le64toh(run->offsets[i]), to = le64toh(run->offsets[i + 1]);
    if (to < from || to - from > STATE_LINE_MAX || to > INT64_MAX) {
        (void)repx_fail(err, REPX_E_CORRUPT, "run %s: plan.idx is damaged at job %zu",
                        run->id, i);
        return NULL;
    }
    REPX_AUTO_BUF struct repx_buf b = {0};
    size_t n = (size_t)(to - from);
    json_t *line = NULL;
    if (read_at(run->plan_fd, repx_buf_room(&b, n), n, from, err) == 0)
        line = plan_line_parse(b.data, n, err);
    if (line && !deps_before(line, i, err)) {
        json_decref(line);
        line = NULL;
    }
    if (!line)
        (void)repx_wrap(err, "run %s: job %zu", run->id, i);
    return line;
}
