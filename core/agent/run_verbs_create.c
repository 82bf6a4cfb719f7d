/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* htole64 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/programs.h"
#include "core/agent/run_verbs.h"
#include "core/agent/state.h"
#include "core/agent/state_check.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define PLAN_CHUNK (1u << 20)

struct creation {
    char *run;
    char *stage; /* below S */
    int plan_fd;
    struct repx_buf line;  /* bytes of a line that is not whole yet */
    struct repx_buf chunk; /* of the plan, not yet written */
    struct repx_buf record, index;
    char *agent; /* that jobs on machines like this one are to run */
    uint64_t count, offset, want;
};

static int stage_open(struct site *site, struct creation *r, struct repx_err *err)
{
    (void)mkdirat(site->state_fd, "runs", 0777);
    r->stage = repx_format("runs/.%s.%ld", r->run, (long)getpid());
    if (mkdirat(site->state_fd, r->stage, 0777) < 0)
        return repx_fail_errno(err, "%s/%s", site->state, r->stage);
    REPX_AUTO_FREE char *path = repx_format("%s/plan", r->stage);
    r->plan_fd = openat(site->state_fd, path,
                        O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    return r->plan_fd < 0 ? repx_fail_errno(err, "%s/%s", site->state, path) : 0;
}

int run_create_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    struct site *site = call_site(c);
    struct creation *r = REPX_NEW(struct creation);
    struct stat st;

    r->plan_fd = -1;
    call_set_own(c, r);
    r->run = msg_text(msg, n, F_RUN);
    if (!r->run || !run_id_ok(r->run)) {
        return repx_fail(err, REPX_E_USAGE, "%s: not the name of a run",
                         r->run ? r->run : "");
    }
    if (site->readonly) {
        return repx_fail(
            err, REPX_E_UNSUPPORTED,
            "%s belongs to somebody else or to a newer repx: nothing can be "
            "written there",
            site->base);
    }
    REPX_AUTO_FREE char *dir = repx_format("runs/%s", r->run);
    if (fstatat(site->state_fd, dir, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return repx_fail(err, REPX_E_USAGE, "run %s exists already", r->run);
    return stage_open(site, r, err);
}

static int chunk_write(struct creation *r, struct repx_err *err)
{
    if (repx_write_all(r->plan_fd, r->chunk.data, r->chunk.len) < 0)
        return repx_fail_errno(err, "run %s: plan", r->run);
    r->chunk.len = 0;
    return 0;
}

static int record_line(struct creation *r, const char *line, size_t n,
                       struct repx_err *err)
{
    json_t *record = run_record_parse(line, n, err);

    if (!record)
        return -1;
    int same = strcmp(state_text(record, "run", ""), r->run) == 0;
    r->want = (uint64_t)state_int(record, "count", 0);
    struct utsname u;
    if (uname(&u) == 0) {
        free(r->agent);
        r->agent =
            repx_strdup(state_text(json_object_get(record, "agents"), u.machine, NULL));
    }
    json_decref(record);
    if (!same) {
        return repx_fail(err, REPX_E_CORRUPT, "run %s: the record names another run",
                         r->run);
    }
    repx_buf_add(&r->record, line, n);
    repx_buf_char(&r->record, '\n');
    return 0;
}

static int deps_ok(const json_t *line, uint64_t i)
{
    const json_t *deps = json_object_get(line, "deps");

    for (size_t k = 0; k < json_array_size(deps); k++) {
        json_int_t d = json_integer_value(json_array_get(deps, k));
        if (d < 0 || (uint64_t)d >= i)
            return 0;
    }
    return 1;
}

static int plan_line_add(struct creation *r, const char *line, size_t n,
                         struct repx_err *err)
{
    uint64_t at = htole64(r->offset);
    json_t *plan = plan_line_parse(line, n, err);

    if (!plan) {
        return repx_wrap(err, "run %s: line %llu of the plan", r->run,
                         (unsigned long long)r->count);
    }
    int ok = deps_ok(plan, r->count);
    json_decref(plan);
    if (!ok || r->count >= r->want) {
        return repx_fail(err, REPX_E_CORRUPT, "run %s: line %llu of the plan: %s",
                         r->run, (unsigned long long)r->count,
                         ok ? "more lines than the record says"
                            : "depends on a job that comes later");
    }
    repx_buf_add(&r->index, &at, sizeof(at));
    repx_buf_add(&r->chunk, line, n);
    repx_buf_char(&r->chunk, '\n');
    r->offset += n + 1;
    r->count++;
    return r->chunk.len >= PLAN_CHUNK ? chunk_write(r, err) : 0;
}

int run_create_data(struct call *c, const void *bytes, size_t n, struct repx_err *err)
{
    struct creation *r = call_own(c);
    size_t done = 0;

    repx_buf_add(&r->line, bytes, n);
    while (done < r->line.len) {
        const char *from = r->line.data + done;
        const char *end = memchr(from, '\n', r->line.len - done);
        if (!end)
            break;
        size_t length = (size_t)(end - from);
        int rc = r->record.len ? plan_line_add(r, from, length, err)
                               : record_line(r, from, length, err);
        if (rc < 0)
            return -1;
        done += length + 1;
    }
    repx_buf_drop(&r->line, done);
    if (r->line.len > STATE_LINE_MAX) {
        return repx_fail(err, REPX_E_CORRUPT, "run %s: a line of the plan has no end",
                         r->run);
    }
    return 0;
}

/* The rest of the files, and the rename that makes the run exist. */
static int commit(struct site *site, struct creation *r, struct repx_err *err)
{
    uint64_t end = htole64(r->offset);
    REPX_AUTO_FREE char *index = repx_format("%s/plan.idx", r->stage);
    REPX_AUTO_FREE char *record = repx_format("%s/run.json", r->stage);
    REPX_AUTO_FREE char *events = repx_format("%s/events", r->stage);
    REPX_AUTO_FREE char *place = repx_format("runs/%s", r->run);

    repx_buf_add(&r->index, &end, sizeof(end));
    if (chunk_write(r, err) < 0)
        return -1;
    if (fsync(r->plan_fd) < 0)
        return repx_fail_errno(err, "run %s: plan", r->run);
    if (repx_write_file(site->state_fd, index, r->index.data, r->index.len, 0666, err) <
            0 ||
        repx_write_file(site->state_fd, record, r->record.data, r->record.len,
                        0666 | REPX_DURABLE, err) < 0)
        return -1;
    if (mkdirat(site->state_fd, events, 0777) < 0 ||
        renameat(site->state_fd, r->stage, site->state_fd, place) < 0)
        return repx_fail_errno(err, "%s/%s", site->state, place);
    free(r->stage);
    r->stage = NULL;
    return 0;
}

/* A collection that began before the run was to be seen does not know what it needs. */
static int not_collected(struct site *site, const struct creation *r,
                         struct repx_err *err)
{
    REPX_AUTO_FREE char *place = repx_format("runs/%s", r->run);
    int rc = r->agent ? programs_still(site, r->agent, err) : 0;

    if (rc == 0 &&
        (site_gc_stamp(site) != site->gc_stamp || lease_is_held(site, "gc"))) {
        rc = repx_fail(err, REPX_E_BUSY,
                       "garbage was collected in %s while the Lab was looked at; run "
                       "again",
                       site->base);
    }
    if (rc < 0)
        (void)repx_remove_tree(site->state_fd, place, NULL);
    return rc;
}

int run_create_end(struct call *c, struct repx_err *err)
{
    struct creation *r = call_own(c);

    if (r->line.len || r->record.len == 0 || r->count != r->want) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "run %s: the plan is cut off: %llu of %llu jobs came", r->run,
                         (unsigned long long)r->count, (unsigned long long)r->want);
    }
    if (programs_note(call_site(c), err) < 0 || commit(call_site(c), r, err) < 0 ||
        not_collected(call_site(c), r, err) < 0)
        return -1;
    reserve_make(call_site(c));
    call_reply(c, NULL, 0);
    return 0;
}

void run_create_drop(struct call *c)
{
    struct creation *r = call_own(c);

    if (!r)
        return;
    repx_close_fd(&r->plan_fd);
    if (r->stage)
        (void)repx_remove_tree(call_site(c)->state_fd, r->stage, NULL);
    free(r->run);
    free(r->stage);
    free(r->agent);
    repx_buf_free(&r->line);
    repx_buf_free(&r->chunk);
    repx_buf_free(&r->record);
    repx_buf_free(&r->index);
    free(r);
    call_set_own(c, NULL);
}
