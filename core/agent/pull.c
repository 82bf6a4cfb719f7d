/* SPDX-License-Identifier: MIT */
/* pull.c: what jobs left, for a client that wants it at home. Two calls, whatever the number
 * of files: a list with digests, then one stream of what the client lacks. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/file_verbs.h"
#include "core/agent/manifest.h"
#include "core/agent/state.h"
#include "core/agent/state_check.h"
#include "core/agent/store_fs.h"
#include "core/wire/endian.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define REQUEST_MAX ((size_t)256 << 20)
#define FLUSH_AT ((size_t)256 * 1024)

/* ---- taking the request ---- */

static int pull_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    (void)msg;
    (void)n;
    (void)err;
    call_set_own(c, REPX_NEW(struct repx_buf));
    return 0;
}

static int pull_data(struct call *c, const void *bytes, size_t n, struct repx_err *err)
{
    struct repx_buf *asked = call_own(c);

    if (asked->len + n > REQUEST_MAX)
        return repx_fail(err, REPX_E_USAGE, "too many files at once; pull fewer jobs");
    repx_buf_add(asked, bytes, n);
    return 0;
}

static void pull_drop(struct call *c)
{
    struct repx_buf *asked = call_own(c);

    if (asked)
        repx_buf_free(asked);
    free(asked);
    call_set_own(c, NULL);
}

/* ---- sending ---- */

struct answer {
    int fd;
    struct repx_buf bytes;
};

static int answer_flush(struct answer *a, size_t at_least, struct repx_err *err)
{
    if (a->bytes.len <= at_least)
        return 0;
    if (repx_write_all(a->fd, a->bytes.data, a->bytes.len) < 0)
        return repx_fail_errno(err, "the answer");
    a->bytes.len = 0;
    return 0;
}

/* ---- the list ---- */

static int put_result(struct answer *a, const char *part, const struct result *r,
                      struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf one = {0};
    REPX_AUTO_FREE char *name = repx_format("%s/%s", part, r->path);

    msg_put_text(&one, F_NAME, name);
    msg_put_number(&one, F_KIND, r->kind);
    if (r->kind == REPX_ENTRY_FILE) {
        msg_put_number(&one, F_EXEC, r->executable);
        msg_put_number(&one, F_LENGTH, (int64_t)r->length);
        if (r->hashed)
            msg_put(&one, F_DIGEST, r->digest.bytes, sizeof(r->digest.bytes));
    }
    msg_put_text(&one, F_LINK, r->link);
    msg_put(&a->bytes, F_ENTRY, one.data, (uint32_t)one.len);
    return answer_flush(a, FLUSH_AT, err);
}

static int put_log(struct answer *a, const struct site *site, int outputs,
                   const char *job, const char *name, struct repx_err *err)
{
    REPX_AUTO_FREE char *path = repx_format("%s/repx/%s", job, name);
    REPX_AUTO_FREE char *leaf = repx_strdup(name);
    REPX_AUTO_CLOSE int fd = outputs_file(site, outputs, path, NULL);
    struct result r = {.path = leaf, .kind = REPX_ENTRY_FILE};

    if (fd < 0)
        return 0;
    r.hashed = digest_fd(fd, &r.digest, &r.length, NULL) == 0;
    return put_result(a, "repx", &r, err);
}

static void scan_job(const struct site *site, int outputs, const char *job,
                     struct results *to)
{
    REPX_AUTO_FREE char *path = repx_format("%s/out", job);
    REPX_AUTO_FREE char *real = outputs_resolve(site, outputs, path, NULL);
    int fd = real ? store_walk(outputs, real, 0) : -1;

    if (fd >= 0)
        (void)results_scan(fd, to, NULL, NULL);
}

static int list_job(struct answer *a, struct site *site, int outputs, const char *job,
                    struct repx_err *err)
{
    REPX_AUTO_BUF struct repx_buf one = {0};
    struct results list = {0};
    int stale = 0;
    int status = result_status(site, job, NULL, &stale, NULL);

    msg_put_text(&one, F_NAME, job);
    msg_put_number(&one, F_STATUS, status);
    msg_put(&a->bytes, F_JOB, one.data, (uint32_t)one.len);
    if (outputs < 0)
        return 0;
    if (status != JOB_SUCCEEDED || !manifest_of_job(site, outputs, job, &list))
        scan_job(site, outputs, job, &list);
    int rc = 0;
    for (size_t i = 0; i < list.count && rc == 0; i++)
        rc = put_result(a, "out", &list.items[i], err);
    results_free(&list);
    if (rc == 0)
        rc = put_log(a, site, outputs, job, "stdout.log", err);
    if (rc == 0)
        rc = put_log(a, site, outputs, job, "stderr.log", err);
    return rc;
}

static int list_work(struct site *site, void *arg, int out, struct repx_buf *fields,
                     struct repx_err *err)
{
    struct repx_buf *asked = arg;
    struct answer a = {.fd = out};
    REPX_AUTO_CLOSE int outputs = outputs_open(site, NULL);
    int rc = 0;

    (void)fields;
    for (char *line = asked->data; rc == 0 && line && *line;) {
        char *end = strchr(line, '\n');
        if (end)
            *end = 0;
        rc = state_name_ok(line)
                 ? list_job(&a, site, outputs, line, err)
                 : repx_fail(err, REPX_E_USAGE, "'%s': is not a job id", line);
        line = end ? end + 1 : NULL;
    }
    if (rc == 0)
        rc = answer_flush(&a, 0, err);
    repx_buf_free(&a.bytes);
    return rc;
}

static int list_end(struct call *c, struct repx_err *err)
{
    (void)err;
    call_fork(c, list_work, call_own(c));
    return 0;
}

/* ---- the files ---- */

static void put_u32(struct repx_buf *to, uint32_t v)
{
    uint8_t b[4];

    le32_put(b, v);
    repx_buf_add(to, b, sizeof(b));
}

static int put_broken(struct answer *a, const struct repx_err *why,
                      struct repx_err *err)
{
    put_u32(&a->bytes, PULL_BROKEN);
    put_u32(&a->bytes, (uint32_t)strlen(why->text));
    repx_buf_str(&a->bytes, why->text);
    return answer_flush(a, FLUSH_AT, err);
}

static int put_file(struct answer *a, int fd, int64_t at, int64_t left,
                    struct repx_err *err)
{
    while (left > 0) {
        size_t want = left < PULL_CHUNK ? (size_t)left : PULL_CHUNK;
        size_t head = a->bytes.len;
        put_u32(&a->bytes, 0);
        char *room = repx_buf_room(&a->bytes, want);
        ssize_t n = pread(fd, room, want, (off_t)at);
        if (n <= 0)
            a->bytes.len = head;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            struct repx_err why = {0};
            (void)repx_fail_errno(&why, "read");
            return put_broken(a, &why, err);
        }
        if (n == 0)
            break;
        le32_put((uint8_t *)a->bytes.data + head, (uint32_t)n);
        a->bytes.len += (size_t)n;
        at += n;
        left -= n;
        if (answer_flush(a, FLUSH_AT, err) < 0)
            return -1;
    }
    put_u32(&a->bytes, 0);
    return answer_flush(a, FLUSH_AT, err);
}

static int read_one(struct answer *a, const struct site *site, int outputs,
                    const struct msg_field *f, struct repx_err *err)
{
    REPX_AUTO_FREE char *name = msg_text(f->bytes, f->length, F_NAME);
    int64_t at = msg_number(f->bytes, f->length, F_OFFSET, 0);
    int64_t length = msg_number(f->bytes, f->length, F_LENGTH, 0);
    struct repx_err why = {0};

    if (!name || !repx_path_is_inside(name) || at < 0 || length < 0) {
        return repx_fail(err, REPX_E_USAGE, "'%s': is no path below the outputs",
                         name ? name : "");
    }
    REPX_AUTO_CLOSE int fd = outputs_file(site, outputs, name, &why);
    return fd < 0 ? put_broken(a, &why, err) : put_file(a, fd, at, length, err);
}

static int read_work(struct site *site, void *arg, int out, struct repx_buf *fields,
                     struct repx_err *err)
{
    const struct repx_buf *asked = arg;
    struct answer a = {.fd = out};
    REPX_AUTO_CLOSE int outputs = outputs_open(site, err);
    struct msg_field f;
    size_t at = 0;
    int rc = outputs < 0 ? -1 : 0, more = 0;

    (void)fields;
    while (rc == 0 &&
           (more = msg_next(repx_buf_text(asked), asked->len, &at, &f)) > 0) {
        if (f.tag == F_ENTRY)
            rc = read_one(&a, site, outputs, &f, err);
    }
    if (rc == 0 && more < 0)
        rc = repx_fail(err, REPX_E_CORRUPT, "the request is malformed");
    if (rc == 0)
        rc = answer_flush(&a, 0, err);
    repx_buf_free(&a.bytes);
    return rc;
}

static int read_end(struct call *c, struct repx_err *err)
{
    (void)err;
    call_fork(c, read_work, call_own(c));
    return 0;
}

const struct verb pull_verbs[] = {
    {V_PULL_LIST, pull_begin, pull_data, list_end, pull_drop},
    {V_PULL_READ, pull_begin, pull_data, read_end, pull_drop},
    {0, NULL, NULL, NULL, NULL},
};
