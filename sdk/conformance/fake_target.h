/* SPDX-License-Identifier: MIT */
/* fake_target.h: the target's half of repx/sync.h in memory. It remembers what it was
 * given, and the first thing that the contract does not allow. */
#ifndef REPX_CONFORM_FAKE_TARGET_H
#define REPX_CONFORM_FAKE_TARGET_H

#include "conform.h"
#include "fake_source.h"

/* Services, for counting them and for making one fail. */
enum fake_call {
    FAKE_NONE,
    FAKE_ENTRY,
    FAKE_KNOWN,
    FAKE_REMEMBER,
    FAKE_PLACE,
    FAKE_LACKING,
    FAKE_PUT,
    FAKE_VERIFY,
    FAKE_DIGEST,
    FAKE_SIGNATURE,
    FAKE_PATCH,
    FAKE_CALLS
};

struct fake_stood; /* what was placed */
struct fake_delta; /* fake_delta.h */

struct fake_target {
    struct conform *c;
    const struct fake_source *source;
    struct repx_sync_host services;
    /* what the test wants */
    enum fake_call fails; /* that service fails, ... */
    unsigned fails_at;    /* ... the nth time */
    unsigned cancel_at;   /* the user stops before the nth put; 0: never */
    /* what came of it */
    unsigned calls[FAKE_CALLS], trips;
    unsigned after; /* calls to the target after one of them failed */
    int failed, remembers, known_asked;
    char breach[256];
    struct fake_stood *stood;
    size_t stood_count;
    struct fake_object *objects; /* by digest and mode */
    size_t object_count;
    char *lent_path, *lent_link; /* of the last source_entry: gone at the next call */
    uint8_t set[REPX_DIGEST_LEN];
    struct fake_delta *delta; /* NULL: deltas are not offered */
};

struct fake_object {
    uint8_t digest[REPX_DIGEST_LEN];
    uint32_t executable;
    uint64_t length;
    int here, asked, wanted;
};

/* For the services: each begins so, -1 when it is to fail; the first thing that the contract
 * does not allow; the object of a file of the source, or NULL. */
int fake_begin(struct fake_target *t, enum fake_call call, struct repx_err *err);
void fake_breach(struct fake_target *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
struct fake_object *fake_object_of(const struct fake_target *t, uint64_t entry);

/* An empty target with that source. */
void fake_target_init(struct fake_target *t, struct conform *c,
                      const struct fake_source *source);
/* Its counters and wishes as in the beginning, but what it holds stays. */
void fake_target_again(struct fake_target *t);
void fake_target_free(struct fake_target *t);
/* Does all of the source stand where it belongs? *what (borrowed) is the first that does not. */
int fake_target_is_whole(const struct fake_target *t, const char **what);

#endif
