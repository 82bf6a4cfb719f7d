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

/* One file, directory or symbolic link of a source or a tree. From the source it is the
 * core's, its texts valid until the next source_entry; in a tree it is the plugin's. */
struct repx_entry {
    uint64_t size;    /* of this struct */
    const char *path; /* relative, no "." or ".." component, '/' between components */
    uint32_t kind;    /* REPX_ENTRY_* */
    uint32_t executable;             /* files: 0 or 1 */
    uint64_t length;                 /* files: bytes */
    uint8_t digest[REPX_DIGEST_LEN]; /* files: of the content */
    const char *link; /* links: the target, stays inside the Lab; or NULL */
};

/* A directory to appear on the target: its entries in any order; parents are implied. The
 * plugin's; place and tree_digest keep nothing of it. */
struct repx_tree {
    uint64_t size;                    /* sizeof(struct repx_tree) */
    const struct repx_entry *entries; /* the first; NULL when there are none */
    uint64_t count;                   /* how many */
    uint64_t stride;                  /* bytes from one to the next */
};

/* The name a tree is placed at begins with one of these:
 *   "artifacts/..."  below B/artifacts; an existing *different* job package with work
 *                    in progress keeps its name and the newcomer waits (state-format.md)
 *   "bin/..."        below B/bin
 * A tree placed at a name that already holds exactly this tree costs nothing. A tree whose
 * only entry has the path "" is that file or link itself: the name is then not a directory.
 * Links are relative, climb with ".." only in front, and not above artifacts/. */

/* The source and the target's half, lent for the length of perform or connect. The core owns
 * the struct; ctx is the first argument of its functions. Each of them may fail with
 * REPX_E_LINK (the connection is gone), REPX_E_TIMEOUT (no sign of life) and, once the user
 * said so, REPX_E_CANCELED: perform ends then, with that error. There are no deadlines:
 * the core watches over the link. */
struct repx_sync_host {
    uint64_t
        size; /* of the struct as the core knows it: what lies behind is not there */
    const struct repx_host *host; /* the services of every plugin */
    void *ctx;                    /* the core's own */

    /* How many entries the source has: files of the Lab, layers, or agents.
     * Errors: none. Threads: caller. Since: 0.1. */
    uint64_t (*source_count)(void *ctx);
    /* Entry i of them, from 0. The plugin sets entry->size; texts are the core's, valid
     * until the next source_entry.
     * Errors: REPX_E_USAGE (no such entry), REPX_E_CORRUPT. Threads: caller. Since: 0.1. */
    int32_t (*source_entry)(void *ctx, uint64_t i, struct repx_entry *entry,
                            struct repx_err *err);
    /* Up to len bytes of file i from an offset. Returns the count, 0 at its end.
     * Errors: REPX_E_CORRUPT (changed since it was digested). Threads: caller. Since: 0.1. */
    int64_t (*source_read)(void *ctx, uint64_t i, uint64_t offset, void *to,
                           uint64_t len, struct repx_err *err);

    /* Is the whole set already there? digest: what was given to `remember` at the end of
     * an earlier, verified transfer. 1 yes, 0 no, -1. One round trip.
     * Errors: those named above. Threads: caller. Since: 0.1. */
    int32_t (*known)(void *ctx, const uint8_t digest[REPX_DIGEST_LEN],
                     struct repx_err *err);
    /* All of this set is there: to be called after a verify that succeeded, only.
     * Errors: those named above. Threads: caller. Since: 0.1. */
    int32_t (*remember)(void *ctx, const uint8_t digest[REPX_DIGEST_LEN],
                        struct repx_err *err);

    /* Which of these count objects does the target have, under whatever path? digests:
     * count times REPX_DIGEST_LEN bytes. bits: the plugin's, (count + 7) / 8 bytes, one bit
     * each, lowest first. One round trip.
     * Errors: those named above. Threads: caller. Since: 0.1. */
    int32_t (*have)(void *ctx, const uint8_t *digests, uint64_t count, uint8_t *bits,
                    struct repx_err *err);

    /* What shall stand at that name. Not waited for.
     * Errors: REPX_E_USAGE (a name that cannot be). Threads: caller. Since: 0.1. */
    int32_t (*place)(void *ctx, const struct repx_tree *tree, const char *name,
                     struct repx_err *err);
    /* After the last place: calls want(want_ctx, digest, executable, length) for every
     * object that is missing. digest: REPX_DIGEST_LEN bytes, valid until want returns.
     * want calls none of these functions. One round trip.
     * Errors: those named above. Threads: caller. Since: 0.1. */
    int32_t (*lacking)(void *ctx,
                       void (*want)(void *want_ctx, const uint8_t *digest,
                                    uint32_t executable, uint64_t length),
                       void *want_ctx, struct repx_err *err);
    /* Send the content of source entry i. Not waited for.
     * Errors: REPX_E_USAGE (no file), REPX_E_CORRUPT (changed since it was digested).
     * Threads: caller. Since: 0.1. */
    int32_t (*put)(void *ctx, uint64_t i, struct repx_err *err);
    /* Waits until all that was placed stands there. One round trip; fails with what is
     * missing, differs or could not be written.
     * Errors: REPX_E_CORRUPT, REPX_E_FAILED. Threads: caller. Since: 0.1. */
    int32_t (*verify)(void *ctx, struct repx_err *err);

    /* Room on the target's file system: free bytes and inodes. One round trip.
     * Errors: those named above. Threads: caller. Since: 0.1. */
    int32_t (*room)(void *ctx, uint64_t *bytes, uint64_t *inodes, struct repx_err *err);

    /* Deltas, between lacking and put; signature and patch may both be NULL. signature: of
     * what the target has that is similar to source entry i, at the same path or in the same
     * role: calls part(part_ctx, bytes, n) with its librsync signature, in parts, valid until
     * part returns; not at all when there is nothing. In the order of `want` only the first
     * one costs a round trip.
     * Errors: those named above. Threads: caller. Since: 0.1. */
    int32_t (*signature)(void *ctx, uint64_t i,
                         void (*part)(void *part_ctx, const void *bytes, uint64_t n),
                         void *part_ctx, struct repx_err *err);
    /* n bytes of the delta that leads from there to entry i; last is 1 for the part that
     * ends it, else 0. One entry after the other. An entry whose delta made something else
     * is still lacking: ask again before put. Not waited for.
     * Errors: those named above. Threads: caller. Since: 0.1. */
    int32_t (*patch)(void *ctx, uint64_t i, const void *bytes, uint64_t n,
                     uint32_t last, struct repx_err *err);

    /* Bootstrap only, before the agent runs; the three are NULL otherwise. Start the first
     * command, a line for the login shell; once. When connect returns 0 its stream becomes
     * the agent's channel.
     * Errors: those named above. Threads: caller. Since: 0.1. */
    int32_t (*raw_exec)(void *ctx, const char *command, struct repx_err *err);
    /* Up to len bytes of its output: at least one, 0 at the end.
     * Errors: REPX_E_TIMEOUT (the deadline). Threads: caller. Since: 0.1. */
    int64_t (*raw_read)(void *ctx, void *to, uint64_t len, int64_t deadline_ms,
                        struct repx_err *err);
    /* len bytes to its input: all of them.
     * Errors: REPX_E_TIMEOUT (the deadline). Threads: caller. Since: 0.1. */
    int32_t (*raw_write)(void *ctx, const void *from, uint64_t len, int64_t deadline_ms,
                         struct repx_err *err);
    /* Lines for the first command's input, without newline: the base path as configured, and
     * the state path, which may be "". The core's, valid as long as this struct.
     * Errors: none. Threads: caller. Since: 0.1. */
    const char *(*base_path)(void *ctx);
    const char *(*state_path)(void *ctx);

    /* The digest of a tree as the target computes it, whatever the order of its entries: a
     * name for a set of them (known, remember). Asks nobody.
     * Errors: none of its own. Threads: caller. Since: 0.1. */
    int32_t (*tree_digest)(void *ctx, const struct repx_tree *tree,
                           uint8_t digest[REPX_DIGEST_LEN], struct repx_err *err);
};

struct repx_sync_ops {
    uint64_t size; /* sizeof(struct repx_sync_ops) */

    /* Do the phase: ask, send, verify. Done twice it finds all in place.
     * Errors: those of the services, as they came; REPX_E_CANCELED. Threads: any, one call
     * at a time for a target. Since: 0.1. */
    int32_t (*perform)(const struct repx_sync_host *sync, struct repx_err *err);
    /* Bootstrap only, NULL otherwise: reach the agent with the first command (raw_exec). Its
     * source is the agents: entries "ARCH/repx-agent", ARCH as uname -m prints it.
     * Errors: REPX_E_UNSUPPORTED (no agent for that machine), REPX_E_LINK, REPX_E_TIMEOUT,
     * REPX_E_CANCELED. Threads: any, one call at a time for a target. Since: 0.1. */
    int32_t (*connect)(const struct repx_sync_host *sync, struct repx_err *err);
};

#ifdef __cplusplus
}
#endif

#endif
