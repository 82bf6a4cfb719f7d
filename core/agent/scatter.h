/* SPDX-License-Identifier: MIT */
/* scatter.h: what the phases of a scatter-gather job share.
 *
 *     J/scatter/{out,repx}            links to J/scatter/attempts/<n>
 *     J/branch-<i>/repx/work_item.json
 *     J/branch-<i>/step-<s>/{out,repx}  links to attempts likewise
 *     J/{out,repx}                    links to J/attempts/<n>: scatter makes one for the
 *                                     job's input files, gather the one that counts
 *
 * A phase is not repeated when its SUCCESS is there and its attempt names the digest of
 * everything it would depend on now. The digest of a step holds those of the steps before
 * it with the numbers of their attempts, so it changes with whatever changed upstream. */
#ifndef REPX_AGENT_SCATTER_H
#define REPX_AGENT_SCATTER_H

#include "core/agent/job.h"
#include "core/wire/digest.h"

/* The scatter's work list; hostile. Caller json_decref's. */
json_t *work_items_parse(const char *text, size_t n, struct repx_err *err);
/* That of the job, from the scatter that counts. */
json_t *work_items_read(const struct unit *u, struct repx_err *err);

/* One branch of the job. */
struct branch {
    const struct unit *u;
    int64_t number;
    const json_t *item;
    json_t *digests; /* memo: step name -> hex digest */
};

/* What scatter depends on. */
void scatter_digest(const struct unit *u, char hex[DIGEST_HEX]);
/* What step NAME (without "step-") of a branch depends on. */
int step_digest(struct branch *b, const char *name, char hex[DIGEST_HEX],
                struct repx_err *err);
/* inputs.json of a step; caller json_decref's. */
json_t *step_inputs(const struct branch *b, const char *name);

/* Homes of phases, relative to B. Callers free. */
char *scatter_home(const struct unit *u);
char *step_home(const struct unit *u, int64_t branch, const char *name);
/* Is there a success of exactly that digest? */
int phase_current(const struct unit *u, const char *home, const char *hex);

#endif
