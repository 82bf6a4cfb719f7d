/* SPDX-License-Identifier: MIT */
#include "delta_own.h"

#include <kit/err.h>

/* ---- loading a signature ---- */

struct text {
    const char *at;
    size_t left;
};

static int64_t fill_text(void *ctx, void *to, size_t len, struct repx_err *err)
{
    struct text *t = ctx;
    size_t n = t->left < len ? t->left : len;
    char *out = to;

    (void)err;
    for (size_t i = 0; i < n; i++)
        out[i] = t->at[i];
    t->at += n;
    t->left -= n;
    return (int64_t)n;
}

static int to_nowhere(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    (void)ctx, (void)bytes, (void)n, (void)err;
    return 0;
}

static rs_signature_t *load(const void *signature, size_t n)
{
    struct text text = {signature, n};
    struct repx_err ignored = {0};
    rs_signature_t *sums = NULL;

    if (!delta_check(signature, n))
        return NULL;
    rs_job_t *job = rs_loadsig_begin(&sums);
    int rc = delta_run(job, fill_text, &text, to_nowhere, NULL, &ignored);
    rs_job_free(job);
    if (rc == 0 && rs_build_hash_table(sums) == RS_DONE)
        return sums;
    if (sums)
        rs_free_sumset(sums);
    return NULL;
}

/* ---- making ---- */

struct making {
    const struct delta_source *source;
    uint64_t at;
    delta_sink *to;
    void *ctx;
    uint64_t left;
    int too_long;
};

static int64_t fill_source(void *ctx, void *to, size_t len, struct repx_err *err)
{
    struct making *m = ctx;
    uint64_t left = m->source->length - m->at;

    if (!left)
        return 0;
    int64_t n =
        m->source->read(m->source->ctx, m->at, to, left < len ? left : len, err);
    if (n == 0 || (n > 0 && (uint64_t)n > left)) {
        return repx_fail(err, REPX_E_CORRUPT,
                         "became shorter while it was sent; run again");
    }
    if (n > 0)
        m->at += (uint64_t)n;
    return n;
}

static int pass_on(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    struct making *m = ctx;

    m->too_long = n > m->left;
    if (m->too_long)
        return repx_fail(err, REPX_E_FAILED, "the delta is too long");
    m->left -= n;
    return m->to(m->ctx, bytes, n, err);
}

int delta_make(const void *signature, size_t n, const struct delta_source *source,
               delta_sink *to, void *ctx, struct repx_err *err)
{
    struct making m = {.source = source, .to = to, .ctx = ctx, .left = source->most};
    struct repx_err why = {0};
    rs_signature_t *sums = load(signature, n);

    if (!sums)
        return 1;
    rs_job_t *job = rs_delta_begin(sums);
    int rc = delta_run(job, fill_source, &m, pass_on, &m, &why);
    rs_job_free(job);
    rs_free_sumset(sums);
    if (rc < 0 && m.too_long)
        return 1;
    if (rc < 0)
        return repx_fail(err, why.code, "%s", why.text);
    return 0;
}
