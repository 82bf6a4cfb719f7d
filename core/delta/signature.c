/* SPDX-License-Identifier: MIT */
/* Signatures: the old file's blocks. Their length weighs the signature, which shrinks with
 * it, against what a change costs, which grows with it. */
#include "delta_own.h"

#include <stdlib.h>
#include <string.h>

#include <kit/alloc.h>
#include <kit/err.h>

#define SAFETY_BITS 20 /* of a wrong match by chance, in one file of 2^20 */
#define WEAK_BITS 32   /* of the rolling sum */
#define ALIKE_MAX 64   /* blocks of one rolling sum that differ */
#define STRONG_MIN 2
#define TIMES 4 /* a basis is at most so many times longer or shorter */

static unsigned bits(uint64_t n)
{
    unsigned b = 0;

    for (; n; n >>= 1)
        b++;
    return b;
}

/* About the root of the length: both parts of the cost are then of one size. */
static size_t block_length(uint64_t length)
{
    uint64_t block = DELTA_BLOCK_MIN;

    while (block * block < length / 2)
        block += DELTA_BLOCK_MIN / 2;
    return (size_t)block;
}

/* Enough for chance; the digest of the whole tells the rest. */
static size_t strong_length(uint64_t length, size_t block)
{
    unsigned need = bits(length) + bits(length / block) + SAFETY_BITS - WEAK_BITS;
    size_t n = (need + 7) / 8;

    return n < STRONG_MIN ? STRONG_MIN : n;
}

int delta_suits(uint64_t length, uint64_t basis)
{
    return length >= DELTA_SMALLEST && length <= DELTA_LARGEST &&
           basis >= length / TIMES && basis / TIMES <= length && basis <= DELTA_LARGEST;
}

/* No more than the file had when it was measured: it may grow meanwhile. */
struct part {
    int fd;
    uint64_t left;
};

static int64_t fill_part(void *ctx, void *to, size_t len, struct repx_err *err)
{
    struct part *p = ctx;
    int64_t n = delta_fill_fd(&p->fd, to, p->left < len ? (size_t)p->left : len, err);

    if (n > 0)
        p->left -= (uint64_t)n;
    return n;
}

int delta_signature(int fd, uint64_t length, delta_sink *to, void *ctx,
                    struct repx_err *err)
{
    size_t block = block_length(length);
    struct part part = {fd, length};
    rs_job_t *job =
        rs_sig_begin(block, strong_length(length, block), RS_RK_BLAKE2_SIG_MAGIC);
    int rc = delta_run(job, fill_part, &part, to, ctx, err);

    rs_job_free(job);
    return rc;
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Blocks that share the rolling sum and differ are looked at one after the other. Chance gives
 * a few of them; many were made so, to keep us busy. */
static int is_spread(const uint8_t *sums, size_t count, size_t stride)
{
    REPX_AUTO_FREE uint64_t *all = repx_array(count + 1, sizeof(uint64_t));
    size_t alike = 0;

    for (size_t i = 0; i < count; i++) {
        const uint8_t *sum = sums + i * stride;
        uint64_t strong = 0;
        for (size_t k = 4; k < stride && k < 8; k++)
            strong = strong << 8 | sum[k];
        all[i] = (uint64_t)be32(sum) << 32 | strong;
    }
    qsort(all, count, sizeof(*all), by_number);
    for (size_t i = 1; i < count; i++) {
        if (all[i] >> 32 != all[i - 1] >> 32) {
            alike = 0;
        } else if (all[i] != all[i - 1] && ++alike > ALIKE_MAX) {
            return 0;
        }
    }
    return 1;
}

size_t delta_check(const void *signature, size_t n)
{
    const uint8_t *p = signature;

    if (n <= DELTA_HEAD || n > DELTA_SIGNATURE_MAX ||
        be32(p) != (uint32_t)RS_RK_BLAKE2_SIG_MAGIC)
        return 0;
    uint32_t block = be32(p + 4), strong = be32(p + 8);
    if (block < DELTA_BLOCK_MIN || block > DELTA_BLOCK_MAX || strong < STRONG_MIN ||
        strong > RS_MAX_STRONG_SUM_LENGTH || (n - DELTA_HEAD) % (4 + strong))
        return 0;
    size_t count = (n - DELTA_HEAD) / (4 + strong);
    return is_spread(p + DELTA_HEAD, count, 4 + strong) ? block : 0;
}
