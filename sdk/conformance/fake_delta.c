/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* memfd_create */
#include "fake_delta.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <kit/alloc.h>
#include <kit/err.h>
#include <kit/file.h>

#include "core/delta/delta.h"
#include "core/wire/digest.h"

#define PART 1000    /* of a signature that is handed over */
#define SHIFT 77     /* bytes that the older form lacks in front */
#define CHANGED 5000 /* bytes of it that are others, in the middle */
#define PATCH_MAX (UINT64_C(64) << 20)

static const struct fake_file *file_of(const struct fake_target *t)
{
    return &t->source->files[t->delta->entry];
}

/* ---- the older form ---- */

static void write_old(const struct fake_target *t, int fd)
{
    const struct fake_file *f = file_of(t);
    size_t n = (size_t)f->entry.length;
    REPX_AUTO_FREE char *bytes = repx_alloc(n);

    n = fake_source_bytes(f, SHIFT, bytes, n);
    for (size_t i = n / 2; i < n && i < n / 2 + CHANGED; i++)
        bytes[i] = (char)(bytes[i] ^ 0x55);
    (void)repx_write_all(fd, bytes, n);
}

static uint64_t length_of(int fd)
{
    off_t n = lseek(fd, 0, SEEK_END);

    (void)lseek(fd, 0, SEEK_SET); /* who reads it begins there */
    return n > 0 ? (uint64_t)n : 0;
}

/* ---- signatures ---- */

struct parts {
    void (*part)(void *ctx, const void *bytes, uint64_t n);
    void *ctx;
};

/* Each is gone after the call. */
static int hand_over(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    const struct parts *to = ctx;

    (void)err;
    for (size_t at = 0; at < n;) {
        size_t step = n - at < PART ? n - at : PART;
        char *lent = repx_alloc(step);
        memcpy(lent, (const char *)bytes + at, step);
        to->part(to->ctx, lent, step);
        memset(lent, 0xee, step);
        free(lent);
        at += step;
    }
    return 0;
}

/* A little of every block is another. */
static int change(int fd)
{
    uint64_t n = length_of(fd);
    int rc = 0;

    for (uint64_t at = 0; at + 3 < n && rc == 0; at += 500)
        rc = pwrite(fd, "\1\2\3", 3, (off_t)at) == 3 ? 0 : -1;
    return rc;
}

static int give_signature(struct fake_target *t, const struct parts *to,
                          struct repx_err *err)
{
    struct fake_delta *d = t->delta;
    static const char noise[] = "no signature at all, as it came over a bad line";

    if (d->basis == FAKE_BASIS_NOISE)
        return hand_over((void *)(uintptr_t)to, noise, sizeof(noise), err);
    int rc = delta_signature(d->old, length_of(d->old), hand_over,
                             (void *)(uintptr_t)to, err);
    if (rc == 0 && d->basis == FAKE_BASIS_CHANGES && change(d->old) < 0)
        rc = repx_fail_errno(err, "the older form");
    return rc;
}

static int32_t signature(void *ctx, uint64_t i,
                         void (*part)(void *part_ctx, const void *bytes, uint64_t n),
                         void *part_ctx, struct repx_err *err)
{
    struct fake_target *t = ctx;
    struct fake_delta *d = t->delta;
    const struct parts to = {part, part_ctx};

    if (fake_begin(t, FAKE_SIGNATURE, err) < 0)
        return -1;
    fake_delta_ended(t, "signature");
    const struct fake_object *o = fake_object_of(t, i);
    if (!o || !o->asked || o->here) {
        fake_breach(t, "signature(%llu): is nothing that the target lacks",
                    (unsigned long long)i);
        return repx_fail(err, REPX_E_USAGE, "only of what is lacking");
    }
    if (i != d->entry || d->basis == FAKE_BASIS_NONE)
        return 0;
    d->signature_is = 1;
    return give_signature(t, &to, err);
}

/* ---- patches ---- */

static int digest_part(void *ctx, const void *bytes, size_t n, struct repx_err *err)
{
    (void)err;
    digest_add(ctx, bytes, n);
    return 0;
}

/* Does it lead to the file? What it makes instead is forgotten. */
static void apply(struct fake_target *t)
{
    struct fake_delta *d = t->delta;
    struct fake_object *o = fake_object_of(t, d->entry);
    struct repx_err why = {0};
    struct digest_ctx c;
    struct digest made;

    digest_begin(&c);
    (void)lseek(d->patch, 0, SEEK_SET);
    int rc = delta_apply(d->patch, d->old, o->length, digest_part, &c, &why);
    digest_end(&c, &made);
    if (rc == 0 && memcmp(made.bytes, o->digest, REPX_DIGEST_LEN) == 0) {
        o->here = 1;
        d->made++;
    }
    repx_close_fd(&d->patch);
    d->patch = memfd_create("patch", MFD_CLOEXEC);
}

static int32_t patch(void *ctx, uint64_t i, const void *bytes, uint64_t n,
                     uint32_t last, struct repx_err *err)
{
    struct fake_target *t = ctx;
    struct fake_delta *d = t->delta;

    if (fake_begin(t, FAKE_PATCH, err) < 0)
        return -1;
    if (i != d->entry || !d->signature_is) {
        fake_breach(t, "patch(%llu): of that no signature was given",
                    (unsigned long long)i);
        return repx_fail(err, REPX_E_USAGE, "nothing to make it from");
    }
    d->bytes += n;
    if (d->bytes > PATCH_MAX)
        return repx_fail(err, REPX_E_FAILED, "a delta without end");
    if (n && repx_write_all(d->patch, bytes, (size_t)n) < 0)
        return repx_fail_errno(err, "the delta");
    d->open = !last;
    if (last) {
        d->signature_is = 0;
        apply(t);
    }
    return 0;
}

/* ---- */

void fake_delta_ended(struct fake_target *t, const char *service)
{
    if (t->delta && t->delta->open)
        fake_breach(t, "%s is called, and a delta is not ended", service);
}

void fake_delta_offer(struct fake_target *t, enum fake_basis basis, uint64_t entry)
{
    struct fake_delta *d = REPX_NEW(struct fake_delta);

    t->delta = d;
    d->basis = basis;
    d->entry = entry;
    d->old = memfd_create("old", MFD_CLOEXEC);
    d->patch = memfd_create("patch", MFD_CLOEXEC);
    write_old(t, d->old);
    t->services.signature = signature;
    t->services.patch = patch;
}

void fake_delta_free(struct fake_delta *d)
{
    if (!d)
        return;
    repx_close_fd(&d->old);
    repx_close_fd(&d->patch);
    free(d);
}
