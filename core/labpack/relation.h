/* SPDX-License-Identifier: MIT */
/* relation.h: rows of named values, and their natural join. What expand.c computes with. */
#ifndef REPX_LABPACK_RELATION_H
#define REPX_LABPACK_RELATION_H

#include "def.h"
#include "expand.h"

struct row {
    const char **values;
    size_t width;
    size_t own; /* combination of the stage's own parameters it comes from */
    const struct job_group **bound; /* one for each input of the stage */
};

struct relation {
    struct def_names names; /* sorted */
    struct row *rows;
    size_t count;
};

int row_compare(const void *a, const void *b); /* struct row by its values */
size_t names_index(const struct def_names *names, const char *name); /* count: none */

/* Every combination of the parameters' values; zipped ones advance together. */
int relation_of_params(struct pool *pool, const struct def_stage *s,
                       const struct def_run *run, struct relation *to,
                       struct repx_err *err);
/* The producer's jobs, grouped over what the input reduces. */
int relation_of_groups(struct pool *pool, const struct stage_jobs *producer,
                       const struct def_input *in, struct relation *to,
                       struct repx_err *err);
/* Rows of a and b that agree in what they share; bound[input] is taken from b. */
int relation_join(struct pool *pool, const struct relation *a, const struct relation *b,
                  size_t input, struct relation *to, struct repx_err *err);

#endif
