/* SPDX-License-Identifier: MIT */
/* The verbs of deltas. Both work in a process of their own: reading and making files of
 * gigabytes takes seconds, and what a delta does to the library stays there. */
#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/file.h>

#include "core/agent/agent.h"
#include "core/agent/store_delta.h"
#include "core/agent/store_desk.h"
#include "core/delta/delta.h"
#include "core/wire/endian.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define NAME_LEN (REPX_DIGEST_LEN + 1)
#define ASK_MOST ((size_t)1 << 20)

/* ---- signatures ---- */

struct asking {
    struct store *s;
    struct repx_buf names;
};

static int signature_begin(struct call *c, const void *msg, size_t n,
                           struct repx_err *err)
{
    struct store *s = store_desk_store(c, err);

    (void)msg, (void)n;
    if (!s)
        return -1;
    struct asking *a = REPX_NEW(struct asking);
    a->s = s;
    call_set_own(c, a);
    return 0;
}

static int signature_data(struct call *c, const void *bytes, size_t n,
                          struct repx_err *err)
{
    struct asking *a = call_own(c);

    if (n > ASK_MOST || a->names.len > ASK_MOST - n)
        return repx_fail(err, REPX_E_USAGE, "too many signatures at once");
    repx_buf_add(&a->names, bytes, n);
    return 0;
}

static int send_part(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    uint8_t head[4];

    le32_put(head, (uint32_t)n);
    if (repx_write_all(*(int *)ctx, head, sizeof(head)) < 0 ||
        (n && repx_write_all(*(int *)ctx, bytes, n) < 0))
        return repx_fail_errno(err, "the answer");
    return 0;
}

/* A file that cannot be read is none: what the client got of it makes no sense then. */
static int send_signature(struct store *s, const uint8_t *name, int out,
                          struct repx_err *err)
{
    struct digest d;
    uint64_t length;

    memcpy(d.bytes, name, sizeof(d.bytes));
    REPX_AUTO_CLOSE int fd = store_basis(s, &d, name[REPX_DIGEST_LEN], &length);
    if (fd >= 0 && delta_signature(fd, length, send_part, &out, err) < 0)
        return -1;
    return send_part(&out, NULL, 0, err);
}

static int signature_work(struct site *site, void *arg, int out,
                          struct repx_buf *fields, struct repx_err *err)
{
    const struct asking *a = arg;

    (void)site, (void)fields;
    for (size_t at = 0; at + NAME_LEN <= a->names.len; at += NAME_LEN) {
        const uint8_t *name = (const uint8_t *)a->names.data + at;
        if (send_signature(a->s, name, out, err) < 0)
            return -1;
    }
    return 0;
}

static int signature_end(struct call *c, struct repx_err *err)
{
    struct asking *a = call_own(c);

    if (a->names.len % NAME_LEN)
        return repx_fail(err, REPX_E_CORRUPT, "the request ends within a name");
    call_fork(c, signature_work, a);
    return 0;
}

static void signature_drop(struct call *c)
{
    struct asking *a = call_own(c);

    if (a)
        repx_buf_free(&a->names);
    free(a);
    call_set_own(c, NULL);
}

/* ---- patches ---- */

static int patch_begin(struct call *c, const void *msg, size_t n, struct repx_err *err)
{
    struct store *s = store_desk_store(c, err);
    struct msg_field f;
    struct digest d;

    if (!s)
        return -1;
    if (!msg_find(msg, n, F_DIGEST, &f) || f.length != REPX_DIGEST_LEN)
        return repx_fail(err, REPX_E_CORRUPT, "the request has no digest");
    memcpy(d.bytes, f.bytes, sizeof(d.bytes));
    uint8_t executable = msg_number(msg, n, F_EXEC, 0) != 0;
    struct store_patch *p = store_patch_begin(s, &d, executable, err);
    if (!p)
        return -1;
    store_desk_enter(c);
    call_set_own(c, p);
    return 0;
}

static int patch_data(struct call *c, const void *bytes, size_t n, struct repx_err *err)
{
    return store_patch_bytes(call_own(c), bytes, n, err);
}

static int patch_work(struct site *site, void *arg, int out, struct repx_buf *fields,
                      struct repx_err *err)
{
    (void)site, (void)out, (void)fields;
    return store_patch_make(arg, err);
}

static int patch_end(struct call *c, struct repx_err *err)
{
    (void)err;
    call_fork(c, patch_work, call_own(c));
    return 0;
}

static void patch_drop(struct call *c)
{
    struct store_patch *p = call_own(c);

    if (p) {
        store_patch_free(p);
        store_desk_leave(c);
    }
    call_set_own(c, NULL);
}

const struct verb delta_verbs[] = {
    {V_SIGNATURE, signature_begin, signature_data, signature_end, signature_drop},
    {V_PATCH, patch_begin, patch_data, patch_end, patch_drop},
    {0, NULL, NULL, NULL, NULL},
};
