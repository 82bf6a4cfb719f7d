/* SPDX-License-Identifier: MIT */
/* Verbs about files of jobs; all of them work in children, since file systems may take long. */
#include "core/agent/file_verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/store_desk.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define CHUNK 65536

struct request {
    char *name, *link;
    int64_t offset, length, limit, options;
    struct lab_told told;
};

static void request_drop(struct call *c)
{
    struct request *r = call_own(c);

    if (r) {
        free(r->name);
        free(r->link);
        for (size_t i = 0; i < r->told.count; i++)
            free(r->told.items[i].path);
        free(r->told.items);
    }
    free(r);
    call_set_own(c, NULL);
}

static struct request *request_take(struct call *c, const void *msg, size_t n,
                                    struct repx_err *err)
{
    REPX_AUTO_FREE char *name = msg_text(msg, n, F_NAME);

    if (!name || (*name && !repx_path_is_inside(name))) {
        (void)repx_fail(err, REPX_E_USAGE, "'%s': is no path below the outputs",
                        name ? name : "");
        return NULL;
    }
    struct request *r = REPX_NEW(struct request);
    r->name = repx_strdup(name);
    r->link = msg_text(msg, n, F_LINK);
    r->offset = msg_number(msg, n, F_OFFSET, 0);
    r->length = msg_number(msg, n, F_LENGTH, -1);
    r->limit = msg_number(msg, n, F_LIMIT, -1);
    r->options = msg_number(msg, n, F_OPTIONS, 0);
    call_set_own(c, r);
    return r;
}

/* ---- list ---- */

static int list_work(struct site *site, void *arg, int out, struct repx_buf *fields,
                     struct repx_err *err)
{
    const struct request *r = arg;

    (void)fields;
    return list_below(site, r->name, out, err);
}

static int list_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    struct request *r = request_take(c, msg, n, err);

    if (!r)
        return -1;
    call_fork(c, list_work, r);
    return 0;
}

/* ---- read ---- */

static int copy_range(int fd, const struct request *r, int out, struct repx_err *err)
{
    REPX_AUTO_FREE char *chunk = repx_alloc(CHUNK);
    int64_t at = r->offset < 0 ? 0 : r->offset;
    int64_t left = r->length < 0 ? INT64_MAX : r->length;

    while (left > 0) {
        ssize_t n = pread(fd, chunk, left < CHUNK ? (size_t)left : CHUNK, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return repx_fail_errno(err, "%s", r->name);
        if (n == 0)
            return 0;
        if (repx_write_all(out, chunk, (size_t)n) < 0)
            return repx_fail_errno(err, "the answer");
        at += n;
        left -= n;
    }
    return 0;
}

static int read_work(struct site *site, void *arg, int out, struct repx_buf *fields,
                     struct repx_err *err)
{
    const struct request *r = arg;
    REPX_AUTO_CLOSE int outputs = outputs_open(site, err);
    REPX_AUTO_CLOSE int fd =
        outputs < 0 ? -1 : outputs_file(site, outputs, r->name, err);

    (void)fields;
    return fd < 0 ? -1 : copy_range(fd, r, out, err);
}

static int read_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    struct request *r = request_take(c, msg, n, err);

    if (!r)
        return -1;
    call_fork(c, read_work, r);
    return 0;
}

/* ---- tail ---- */

static int tail_work(struct site *site, void *arg, int out, struct repx_buf *fields,
                     struct repx_err *err)
{
    const struct request *r = arg;
    const struct tail_args args = {r->name, r->limit, (r->options & 1) != 0};

    (void)fields;
    return tail_file(site, &args, out, err);
}

static int tail_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    struct request *r = request_take(c, msg, n, err);

    if (!r)
        return -1;
    call_fork(c, tail_work, r);
    return 0;
}

/* ---- roots ---- */

static int gcroot_work(struct site *site, void *arg, int out, struct repx_buf *fields,
                       struct repx_err *err)
{
    const struct request *r = arg;

    (void)out;
    msg_put_number(fields, F_COUNT, 1);
    return gcroot_add(site, r->name, r->link, r->told.count ? &r->told : NULL, err);
}

/* Of the sets that the root depends on, are all known? */
static int sets_are_known(const struct store *s, const void *msg, size_t n)
{
    struct msg_field f;
    size_t at = 0;

    while (msg_next(msg, n, &at, &f) == 1) {
        if (f.tag == F_DIGEST &&
            (f.length != REPX_DIGEST_LEN || !store_was_known(s, f.bytes)))
            return 0;
    }
    return 1;
}

static void take_told(struct request *r, const void *msg, size_t n)
{
    struct msg_field f, digest;
    size_t at = 0;

    while (msg_next(msg, n, &at, &f) == 1) {
        char *path = f.tag == F_ENTRY ? msg_text(f.bytes, f.length, F_NAME) : NULL;
        if (!path || !repx_path_is_inside(path) ||
            !msg_find(f.bytes, f.length, F_DIGEST, &digest) ||
            digest.length != REPX_DIGEST_LEN) {
            free(path);
            continue;
        }
        r->told.items =
            repx_grow(r->told.items, r->told.count + 1, sizeof(*r->told.items));
        struct lab_told_file *file = &r->told.items[r->told.count++];
        file->path = path;
        memcpy(file->digest.bytes, digest.bytes, REPX_DIGEST_LEN);
    }
}

static int gcroot_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    struct request *r = request_take(c, msg, n, err);

    if (!r)
        return -1;
    if (!r->link)
        return repx_fail(err, REPX_E_CORRUPT, "the request names no manifest");
    if (call_site(c)->readonly) {
        return repx_fail(
            err, REPX_E_UNSUPPORTED,
            "%s belongs to somebody else or to a newer repx: no root can be "
            "kept there",
            call_site(c)->base);
    }
    const struct store *s = store_desk_store(c, err);
    if (!s)
        return -1;
    take_told(r, msg, n);
    if (sets_are_known(s, msg, n)) {
        call_fork(c, gcroot_work, r);
    } else {
        REPX_AUTO_BUF struct repx_buf fields = {0};
        msg_put_number(&fields, F_COUNT, 0);
        call_reply(c, fields.data, fields.len);
    }
    return 0;
}

const struct verb file_verbs[] = {
    {V_LIST, list_begin, NULL, NULL, request_drop},
    {V_READ, read_begin, NULL, NULL, request_drop},
    {V_TAIL, tail_begin, NULL, NULL, request_drop},
    {V_GCROOT, gcroot_begin, NULL, NULL, request_drop},
    {0, NULL, NULL, NULL, NULL},
};
