/* SPDX-License-Identifier: MIT */
/* sync_own.h: what the files of the sync services share. */
#ifndef REPX_TARGET_SYNC_OWN_H
#define REPX_TARGET_SYNC_OWN_H

#include <pthread.h>

#include <kit/buf.h>

#include "core/target/sync_host.h"
#include "core/target/sync_upload.h"

/* What the target has of an object that it lacks. */
struct here {
    uint8_t digest[REPX_DIGEST_LEN];
    uint32_t executable;
    uint64_t bytes;
    uint8_t *pieces;
};

/* One that was placed and not sent yet. */
struct sync_tree {
    uint8_t digest[REPX_DIGEST_LEN];
    char *name;
    struct repx_buf entries;
};

struct sync_host {
    struct repx_sync_host services;
    struct session *session;
    struct sets *sets;
    const struct repx_host *host;
    const struct sync_source *source;
    struct sync_source shared; /* the same, for two threads */
    pthread_mutex_t reading;
    const char *base;
    unsigned flags;
    int64_t trip_ms; /* what a question took */
    int may_stand;   /* worth asking which trees stand */
    struct sync_tree *trees;
    size_t tree_count, tree_cap;
    struct session_call **places; /* not collected yet */
    size_t place_count, place_cap;
    struct upload *upload; /* or NULL */
    int put_last;          /* no other try follows */
    uint64_t *puts;        /* entries that went into it */
    size_t put_count, put_cap;
    struct here *heres; /* by digest */
    size_t here_count;
    int room_known; /* as of the last lacking */
    uint64_t room_bytes, room_inodes;
    uint64_t wanted; /* bytes that lacking named */
    int64_t shown_ms;
    struct sync_sent sent; /* but for the upload */
    struct sync_delta *delta;
};

/* ---- sync_place.c ---- */
int32_t sync_place(void *ctx, const struct repx_tree *tree, const char *name,
                   struct repx_err *err);
int32_t sync_tree_digest(void *ctx, const struct repx_tree *tree,
                         uint8_t digest[REPX_DIGEST_LEN], struct repx_err *err);
/* What was placed goes to the agent, but for what stands. */
int sync_send_places(struct sync_host *h, struct repx_err *err);
void sync_trees_forget(struct sync_host *h);
/* The answers to all places; the first error counts. err NULL: nobody wants to know. */
int sync_collect_places(struct sync_host *h, struct repx_err *err);

/* ---- sync_lacking.c ---- */
int32_t sync_lacking(void *ctx,
                     void (*want)(void *want_ctx, const uint8_t *digest,
                                  uint32_t executable, uint64_t length),
                     void *want_ctx, struct repx_err *err);
const struct here *sync_here(const struct sync_host *h, const uint8_t *digest,
                             uint32_t executable);
void sync_here_forget(struct sync_host *h);

/* ---- sync_put.c ---- */
int32_t sync_put(void *ctx, uint64_t i, struct repx_err *err);
int32_t sync_verify(void *ctx, struct repx_err *err);
void sync_progress(struct sync_host *h, int now);

#endif
