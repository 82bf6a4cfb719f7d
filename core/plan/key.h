/* SPDX-License-Identifier: MIT */
/* key.h: work keys: whether a result that is there is the one that is wanted.
 *
 * A work key is the SHA-256 of fields, each written as its length in decimal digits, ':'
 * and its bytes, after the line "repx-work-1\n":
 *
 *     package digest, hex; parameters; image digest, hex, or empty
 *     for the executables by name: "exe", name, path,
 *         "out", name, template   for the outputs by name
 *         "in", name, ...         for the inputs by name (one name: the last)
 *         "dep", name             for the steps it waits for, sorted
 *     for the producers' work keys, sorted: "job", hex
 *
 * Inputs of main, scatter and gather are written as they resolve ("job", id, template;
 * "scatter", template; "base"; "revision", file; nothing for those left out), inputs of
 * steps as source, source_output and job id, each empty when absent. Parameters are the
 * Lab's text; of an object, the members sorted by key as bytes, each as key and value
 * text. Resources, targets and names of runs do not enter. */
#ifndef REPX_PLAN_KEY_H
#define REPX_PLAN_KEY_H

#include "plan.h"

/* The key of one job; image may be NULL. `producers`: their work keys, which are sorted
 * in place. -1 when an input cannot be resolved. */
struct key_request {
    const struct lab *lab;
    const struct lab_job *job;
    const struct digest *package, *image;
    struct digest *producers;
    size_t producer_count;
};
int key_compute(const struct key_request *request, struct digest *key,
                struct repx_err *err);

#endif
