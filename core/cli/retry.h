/* SPDX-License-Identifier: MIT */
/* retry.h: runs that are named by the ids of `status`, and what is to be done again of them. */
#ifndef REPX_CLI_RETRY_H
#define REPX_CLI_RETRY_H

#include "core/target/target.h"

/* Does the word look like a run of `status`: the beginning of an id, or "last"? */
int is_run_id(const char *word);

struct retry_set {
    char **names; /* of jobs */
    size_t count;
    char *scheduler; /* that the run used, or NULL */
    int keep_going;
    int going; /* some jobs have not ended */
    int head;  /* the run record came */
};

void retry_add(struct retry_set *set, const char *name);
/* Add the jobs of a run that ended otherwise than well. */
int retry_ask(struct target *target, const char *run, struct retry_set *set,
              struct repx_err *err);
void retry_free(struct retry_set *set);

#endif
