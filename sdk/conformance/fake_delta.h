/* SPDX-License-Identifier: MIT */
/* fake_delta.h: the target's half of deltas: an older form of one file of the source. */
#ifndef REPX_CONFORM_FAKE_DELTA_H
#define REPX_CONFORM_FAKE_DELTA_H

#include "fake_target.h"

/* What the target has that is similar to the file. */
enum fake_basis {
    FAKE_BASIS_OLDER,   /* the same but for a little */
    FAKE_BASIS_NONE,    /* nothing: its signature is empty */
    FAKE_BASIS_CHANGES, /* the same, but it is changed as soon as it was signed */
    FAKE_BASIS_NOISE,   /* a signature that is none */
};

struct fake_delta {
    enum fake_basis basis;
    uint64_t entry;   /* the file, by its number in the source */
    int old, patch;   /* descriptors of that form, and of the delta that came */
    int signature_is; /* 1: of that entry a signature was given */
    int open;         /* the delta is not ended */
    /* what came of it */
    uint64_t bytes; /* of deltas */
    unsigned made;  /* files that became what they should */
};

/* Offer deltas from now on; fake_target_free takes it back. */
void fake_delta_offer(struct fake_target *t, enum fake_basis basis, uint64_t entry);
/* A breach when one service is called in the middle of a delta. */
void fake_delta_ended(struct fake_target *t, const char *service);
void fake_delta_free(struct fake_delta *d);

#endif
