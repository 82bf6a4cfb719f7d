/* SPDX-License-Identifier: MIT */

#include "core/pipeline/pull.h"
#include "core/wire/endian.h"
#include "core/wire/msg.h"
#include "core/wire/verbs.h"

#define BROKEN_LONGEST 4096

struct reading {
    const struct pull_part *parts;
    size_t count, part;
    uint64_t got; /* of this part */
    const struct pull_sink *sink;
    struct repx_buf head; /* a length, or all of a broken part's text */
    uint32_t left;        /* bytes of the chunk that are still to come */
};

static uint32_t number_at(const char *p)
{
    return le32_get((const uint8_t *)p);
}

static int odd(struct repx_err *err)
{
    return repx_fail(err, REPX_E_CORRUPT, "the agent sent more than was asked for");
}

static int part_end(struct reading *r, const char *broken, struct repx_err *err)
{
    r->head.len = 0;
    r->got = 0;
    return r->sink->end(r->sink->ctx, r->part++, broken, err);
}

/* r->head holds 4 bytes or more; 1 when more of it is needed. */
static int head_read(struct reading *r, struct repx_err *err)
{
    uint32_t n = number_at(r->head.data);

    if (r->part >= r->count)
        return odd(err);
    if (n == 0)
        return part_end(r, NULL, err);
    if (n == PULL_BROKEN) {
        if (r->head.len < 8)
            return 1;
        uint32_t length = number_at(r->head.data + 4);
        if (length > BROKEN_LONGEST)
            return odd(err);
        return r->head.len < 8 + (size_t)length ? 1
                                                : part_end(r, r->head.data + 8, err);
    }
    if (n > PULL_CHUNK || r->got + n > r->parts[r->part].length)
        return odd(err);
    r->left = n;
    r->head.len = 0;
    return 0;
}

static size_t head_need(const struct reading *r)
{
    if (r->head.len < 4)
        return 4 - r->head.len;
    if (r->head.len < 8)
        return 8 - r->head.len;
    return 8 + (size_t)number_at(r->head.data + 4) - r->head.len;
}

static int on_data(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    struct reading *r = ctx;
    const char *p = bytes;

    while (n) {
        size_t step = r->left ? r->left : head_need(r);
        if (step > n)
            step = n;
        int rc = 0;
        if (r->left) {
            rc = r->sink->bytes(r->sink->ctx, r->part, p, step, err);
            r->left -= (uint32_t)step;
            r->got += step;
        } else {
            repx_buf_add(&r->head, p, step);
            if (r->head.len >= 4)
                rc = head_read(r, err);
        }
        if (rc < 0)
            return -1;
        p += step;
        n -= step;
    }
    return 0;
}

int pull_read(struct target *target, const struct pull_part *parts, size_t count,
              const struct pull_sink *sink, struct repx_err *err)
{
    struct session *session = target_session(target);
    struct reading r = {.parts = parts, .count = count, .sink = sink};
    REPX_AUTO_BUF struct repx_buf asked = {0};
    REPX_AUTO_BUF struct repx_buf one = {0};

    if (!count)
        return 0;
    for (size_t i = 0; i < count; i++) {
        one.len = 0;
        msg_put_text(&one, F_NAME, parts[i].path);
        msg_put_number(&one, F_OFFSET, (int64_t)parts[i].offset);
        msg_put_number(&one, F_LENGTH, (int64_t)parts[i].length);
        msg_put(&asked, F_ENTRY, one.data, (uint32_t)one.len);
    }
    struct session_call *c = session_call(session, V_PULL_READ, NULL, 0, on_data, &r);
    int rc = session_send(c, asked.data, asked.len, err);
    if (rc < 0 && (err->code == REPX_E_LINK || err->code == REPX_E_CANCELED)) {
        session_cancel(c);
    } else {
        rc = session_finish(c, NULL, err);
    }
    if (rc == 0 && r.part != count)
        rc = repx_fail(err, REPX_E_CORRUPT, "the agent sent less than was asked for");
    repx_buf_free(&r.head);
    return rc;
}
