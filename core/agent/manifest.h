/* SPDX-License-Identifier: MIT */
/* manifest.h: the list of what a job left in `out`, with digests, beside its attempt. */
#ifndef REPX_AGENT_MANIFEST_H
#define REPX_AGENT_MANIFEST_H

#include "core/agent/agent.h"
#include "core/wire/results.h"

#define MANIFEST "manifest"

/* Everything below the directory, sorted; links are not followed; sockets and the like are
 * left out. Takes dir over. Files that cannot be read stay without a digest and are counted
 * in *unread (may be NULL). */
int results_scan(int dir, struct results *to, size_t *unread, struct repx_err *err);
/* Write B/<attempt>/repx/manifest from B/<attempt>/out, whole or not at all; hex becomes the
 * SHA-256 of its text. Nothing is flushed: who finds none makes one. */
int manifest_write(const struct site *site, const char *attempt, char hex[DIGEST_HEX],
                   struct repx_err *err);
/* SHA-256 of a manifest's text. */
void results_digest(const struct repx_buf *text, char hex[DIGEST_HEX]);
/* The manifest of a job's result into *to: 1; 0 when there is none for the `out` that
 * counts. */
int manifest_of_job(const struct site *site, int outputs, const char *job,
                    struct results *to);
/* Does a job's result no longer match the manifest that its supervisor wrote? Files that
 * were changed since are read; all are when it has lost its manifest, and 0 when it has
 * never had one. */
int result_purged(const struct site *site, const char *job);
/* The same of a directory that has `attempts`, below B: a job's, its scatter's, a step's. */
int result_purged_at(const struct site *site, const char *path);
/* When it succeeded, in ms; 0 when that cannot be told. */
int64_t result_made(const struct site *site, const char *job);
/* It is to be made anew: from now on its old attempt is no success. */
void result_void(const struct site *site, const char *job);

#endif
