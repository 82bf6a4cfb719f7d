/* SPDX-License-Identifier: MIT */
/* delta.h: what differs between two files of which either side has one (librsync).
 *
 *     who has the old file     delta_signature   sums of its blocks
 *     who has the new file     delta_make        what to copy, and the bytes that are new
 *     who has the old file     delta_apply       the new file
 *
 * Signatures and deltas come from the other side and may be anything: they are bounded
 * before the library sees them, since it aborts when memory ends and takes what it reads for
 * true. It does not check the outcome either: the caller compares digests. */
#ifndef REPX_DELTA_DELTA_H
#define REPX_DELTA_DELTA_H

#include <stddef.h>
#include <stdint.h>

#include <repx/sync.h>

#include <kit/err.h>

/* Smaller files are sent whole. */
#define DELTA_SMALLEST (UINT64_C(1) << 20)
/* Larger ones, too: their signatures would be longer than DELTA_SIGNATURE_MAX. */
#define DELTA_LARGEST (UINT64_C(1) << 38)
#define DELTA_SIGNATURE_MAX (UINT64_C(8) << 20)

/* -1 from it ends what called it. */
typedef int delta_sink(void *ctx, const void *bytes, size_t n, struct repx_err *err);

/* Could a file of `length` bytes be made from one of `basis` bytes? */
int delta_suits(uint64_t length, uint64_t basis);

/* The signature of a file of that length. Fails when it cannot be read. */
int delta_signature(int fd, uint64_t length, delta_sink *to, void *ctx,
                    struct repx_err *err);

/* Where the new file is read from, in order. */
struct delta_source {
    void *ctx;
    int64_t (*read)(void *ctx, uint64_t offset, void *to, uint64_t len,
                    struct repx_err *err);
    uint64_t length;
    uint64_t most; /* a delta longer than that is none */
};

/* The delta that leads from the signature's file to the source. 0; 1 when it would be longer
 * than `most` (then `to` got a part of it) or the signature is good for nothing; -1 when the
 * source or `to` fails. */
int delta_make(const void *signature, size_t n, const struct delta_source *source,
               delta_sink *to, void *ctx, struct repx_err *err);

/* Read the delta from one file and what it copies from the other. Fails when the delta makes
 * no sense or makes more than `length` bytes. */
int delta_apply(int delta, int basis, uint64_t length, delta_sink *to, void *ctx,
                struct repx_err *err);

/* For sync plugins: send those of these source entries as deltas that the target has
 * something similar of, and for which it pays. What did not become the file that it should is
 * still lacking afterwards. How many were tried, or -1. */
int64_t delta_send(const struct repx_sync_host *sync, const uint64_t *entries,
                   uint64_t count, struct repx_err *err);

#endif
