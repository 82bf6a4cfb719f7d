/* SPDX-License-Identifier: MIT */
/* sync.h: how the phases bootstrap, lab and image make a target match a plan.
 *
 * A sync plugin sees a *source* (files of the Lab, layers, the agent's own files) and
 * the target's half, and nothing else. The order of a transfer:
 *
 *     place(tree, name)   declare what shall stand at a name; the answer says how many
 *                         of its objects the target lacks
 *     lacking(...)        which ones, by digest; each is named once
 *     put(entry)          send one; the target checks its digest
 *     verify()            waits until all is there; each tree appears under its name
 *                         whole, by a rename, when its last object came
 *
 * Nothing waits for an answer but lacking and verify: the rest is pipelined. */
#ifndef REPX_SYNC_H
#define REPX_SYNC_H

#include <repx/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define REPX_ENTRY_FILE 1
#define REPX_ENTRY_DIR 2
#define REPX_ENTRY_LINK 3

#define REPX_DIGEST_LEN 32 /* SHA-256 */

/* One file, directory or symbolic link of a source or a tree. */
struct repx_entry {
    uint64_t size;    /* of this struct */
    const char *path; /* relative, no "." or ".." component, '/' between components */
    uint32_t kind;
    uint32_t executable;             /* files: 0 or 1 */
    uint64_t length;                 /* files: bytes */
    uint8_t digest[REPX_DIGEST_LEN]; /* files: of the content */
    const char *link;                /* links: the target, stays inside the Lab */
};

/* A directory to appear on the target: its entries in any order; parents are implied. */
struct repx_tree {
    uint64_t size;
    const struct repx_entry *entries;
    uint64_t count, stride;
};

/* The name a tree is placed at begins with one of these:
 *   "artifacts/..."  below B/artifacts; an existing *different* job package with work
 *                    in progress keeps its name and the newcomer waits (state-format.md)
 *   "bin/..."        below B/bin
 * A tree placed at a name that already holds exactly this tree costs nothing. A tree whose
 * only entry has the path "" is that file or link itself: the name is then not a directory.
 * Links are relative, climb with ".." only in front, and not above artifacts/. */

struct repx_sync_host {
    uint64_t size;
    const struct repx_host *host;
    void *ctx;

    /* The source: entries 0..count-1, and the bytes of file i from an offset. */
    uint64_t (*source_count)(void *ctx);
    int32_t (*source_entry)(void *ctx, uint64_t i, struct repx_entry *entry,
                            struct repx_err *err);
    int64_t (*source_read)(void *ctx, uint64_t i, uint64_t offset, void *to,
                           uint64_t len, struct repx_err *err);

    /* Is the whole set already there? digest: what was given to `remember` at the end of
     * an earlier, verified transfer. 1 yes, 0 no, -1. One round trip. */
    int32_t (*known)(void *ctx, const uint8_t digest[REPX_DIGEST_LEN],
                     struct repx_err *err);
    int32_t (*remember)(void *ctx, const uint8_t digest[REPX_DIGEST_LEN],
                        struct repx_err *err);

    /* Which of these objects does the target have, under whatever path? One bit each,
     * lowest first. One round trip. */
    int32_t (*have)(void *ctx, const uint8_t *digests, uint64_t count, uint8_t *bits,
                    struct repx_err *err);

    int32_t (*place)(void *ctx, const struct repx_tree *tree, const char *name,
                     struct repx_err *err);
    /* After the last place: calls want(want_ctx, digest, executable, length) for every
     * object that is missing. One round trip. */
    int32_t (*lacking)(void *ctx,
                       void (*want)(void *want_ctx, const uint8_t *digest,
                                    uint32_t executable, uint64_t length),
                       void *want_ctx, struct repx_err *err);
    /* Send the content of source entry i. */
    int32_t (*put)(void *ctx, uint64_t i, struct repx_err *err);
    /* One round trip; fails with what is missing, differs or could not be written. */
    int32_t (*verify)(void *ctx, struct repx_err *err);

    /* Room on the target's file system: free bytes and inodes. */
    int32_t (*room)(void *ctx, uint64_t *bytes, uint64_t *inodes, struct repx_err *err);

    /* Deltas, between lacking and put; may be NULL. signature: of what the target has that is
     * similar to source entry i, at the same path or in the same role: calls
     * part(part_ctx, bytes, n) with its librsync signature, in parts; not at all when there is
     * nothing. In the order of `want` only the first one costs a round trip. patch: a part of
     * the delta that leads from there to entry i; the last one ends it. One entry after the
     * other. An entry whose delta made something else is still lacking: ask again before
     * put. */
    int32_t (*signature)(void *ctx, uint64_t i,
                         void (*part)(void *part_ctx, const void *bytes, uint64_t n),
                         void *part_ctx, struct repx_err *err);
    int32_t (*patch)(void *ctx, uint64_t i, const void *bytes, uint64_t n,
                     uint32_t last, struct repx_err *err);

    /* Bootstrap only, before the agent runs; NULL otherwise: start the first command and
     * talk to it. When perform returns 0 the stream becomes the agent's channel. */
    int32_t (*raw_exec)(void *ctx, const char *command, struct repx_err *err);
    int64_t (*raw_read)(void *ctx, void *to, uint64_t len, int64_t deadline_ms,
                        struct repx_err *err); /* at least one byte; 0 at the end */
    int32_t (*raw_write)(void *ctx, const void *from, uint64_t len, int64_t deadline_ms,
                         struct repx_err *err); /* all of it */
    /* Lines for the first command's input: base path, state path (may be empty). */
    const char *(*base_path)(void *ctx);
    const char *(*state_path)(void *ctx);

    /* The digest of a tree as the target computes it, whatever the order of its entries: a
     * name for a set of them (known, remember). */
    int32_t (*tree_digest)(void *ctx, const struct repx_tree *tree,
                           uint8_t digest[REPX_DIGEST_LEN], struct repx_err *err);
};

struct repx_sync_ops {
    uint64_t size;
    /* Do the phase: ask, send, verify. */
    int32_t (*perform)(const struct repx_sync_host *sync, struct repx_err *err);
    /* Bootstrap only: reach the agent with the first command (raw_exec). Its source is
     * the agents: entries "ARCH/repx-agent", ARCH as uname -m prints it. */
    int32_t (*connect)(const struct repx_sync_host *sync, struct repx_err *err);
};

#ifdef __cplusplus
}
#endif

#endif
