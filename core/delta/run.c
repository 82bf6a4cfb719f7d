/* SPDX-License-Identifier: MIT */
#include "delta_own.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/err.h>

struct run {
    rs_buffers_t io;
    char *in, *out;
    delta_fill *fill;
    void *fill_ctx;
    delta_sink *to;
    void *ctx;
};

static int fail(struct repx_err *err, rs_result why)
{
    return repx_fail(err, REPX_E_CORRUPT, "a delta: %s", rs_strerror(why));
}

/* More input, behind what is left of the last. */
static int refill(struct run *r, struct repx_err *err)
{
    if (r->io.avail_in || r->io.eof_in)
        return 0;
    int64_t n = r->fill(r->fill_ctx, r->in, DELTA_STEP, err);
    if (n < 0)
        return -1;
    r->io.next_in = r->in;
    r->io.avail_in = (size_t)n;
    r->io.eof_in = n == 0;
    return 0;
}

static int drain(struct run *r, struct repx_err *err)
{
    size_t n = DELTA_STEP - r->io.avail_out;

    r->io.next_out = r->out;
    r->io.avail_out = DELTA_STEP;
    return n ? r->to(r->ctx, r->out, n, err) : 0;
}

/* The library must take or make something in each turn, or it would go on for ever. */
static int turns(struct run *r, rs_job_t *job, struct repx_err *err)
{
    for (int idle = 0; idle < 2;) {
        if (refill(r, err) < 0)
            return -1;
        size_t before = r->io.avail_in;
        int ended = r->io.eof_in;
        rs_result result = rs_job_iter(job, &r->io);
        int moved = r->io.avail_in != before || r->io.avail_out != DELTA_STEP;
        if (result != RS_DONE && result != RS_BLOCKED)
            return fail(err, result);
        if (drain(r, err) < 0)
            return -1;
        if (result == RS_DONE)
            return 0;
        idle = moved || !ended ? 0 : idle + 1;
    }
    return fail(err, RS_INPUT_ENDED);
}

int delta_run(rs_job_t *job, delta_fill *fill, void *fill_ctx, delta_sink *to,
              void *ctx, struct repx_err *err)
{
    struct run r = {.in = repx_alloc(DELTA_STEP),
                    .out = repx_alloc(DELTA_STEP),
                    .fill = fill,
                    .fill_ctx = fill_ctx,
                    .to = to,
                    .ctx = ctx};

    rs_trace_to(NULL); /* it would write to stderr */
    r.io.next_out = r.out;
    r.io.avail_out = DELTA_STEP;
    int rc = turns(&r, job, err);
    free(r.in);
    free(r.out);
    return rc;
}

int64_t delta_fill_fd(void *fd, void *to, size_t len, struct repx_err *err)
{
    for (;;) {
        ssize_t n = read(*(int *)fd, to, len);
        if (n >= 0)
            return n;
        if (errno != EINTR)
            return repx_fail_errno(err, "read");
    }
}
