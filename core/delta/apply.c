/* SPDX-License-Identifier: MIT */
#include "delta_own.h"

#include <errno.h>
#include <unistd.h>

#include <kit/err.h>

struct applying {
    int basis;
    uint64_t left;
    delta_sink *to;
    void *ctx;
};

/* Called for as much as there is room for. */
static rs_result copy(void *ctx, rs_long_t pos, size_t *len, void **buf)
{
    const struct applying *a = ctx;
    ssize_t n;

    if (pos < 0)
        return RS_CORRUPT;
    do {
        n = pread(a->basis, *buf, *len, (off_t)pos);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return RS_IO_ERROR;
    if (n == 0)
        return RS_INPUT_ENDED;
    *len = (size_t)n;
    return RS_DONE;
}

static int pass_on(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    struct applying *a = ctx;

    if (n > a->left)
        return repx_fail(err, REPX_E_CORRUPT, "a delta makes more than was declared");
    a->left -= n;
    return a->to(a->ctx, bytes, n, err);
}

int delta_apply(int delta, int basis, uint64_t length, delta_sink *to, void *ctx,
                struct repx_err *err)
{
    struct applying a = {.basis = basis, .left = length, .to = to, .ctx = ctx};
    rs_job_t *job = rs_patch_begin(copy, &a);
    int rc = delta_run(job, delta_fill_fd, &delta, pass_on, &a, err);

    rs_job_free(job);
    return rc;
}
