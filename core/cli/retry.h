/* SPDX-License-Identifier: MIT */
/* retry.h: runs that are named by the ids of `status`, and what is to be done again of them. */
#ifndef REPX_CLI_RETRY_H
#define REPX_CLI_RETRY_H

#include "core/target/target.h"

struct cli;

/* Does the word name a run of `status`: "last", the beginning of an id, or, when the Lab
 * has nothing of that name, of what follows the time in it? 0: it is the Lab's, -1. */
int names_run(struct cli *cli, const char *word, struct repx_err *err);
/* Says that the Lab has it not either, where names_run was not sure. Returns -1. */
int no_such_run(const char *word, struct repx_err *err);

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
