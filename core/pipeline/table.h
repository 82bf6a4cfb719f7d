/* SPDX-License-Identifier: MIT */
/* table.h: a run as one table: a row for each job, its scalar parameters, and each declared
 * output that is a file of one line. */
#ifndef REPX_PIPELINE_TABLE_H
#define REPX_PIPELINE_TABLE_H

#include "core/lab/lab.h"
#include "core/target/target.h"

/* ---- a table as such: no Lab, no target (table_csv.c) ---- */

#define TABLE_PARAM 0
#define TABLE_OUTPUT 1

struct table_cell {
    size_t row;
    int kind; /* TABLE_* */
    char *name, *text;
};

struct table {
    const char *const *rows; /* job ids */
    size_t row_count;
    struct table_cell *cells;
    size_t count;
};

/* Copies both. Of several with one row, kind and name the last one counts. */
void table_set(struct table *t, size_t row, int kind, const char *name,
               const char *text);
void table_free(struct table *t);
/* CSV: a header, then one line a row, in their order: "job", parameters by name, outputs by
 * name. Where a name is taken already (by "job" or a parameter), "param." or "output." comes
 * before it. What has a comma, quote, line end or blank at an end is quoted. */
void table_csv(struct table *t, struct repx_buf *to);
/* The one line of a file, or NULL: it has more, or none, or a NUL. Caller frees. */
char *table_line(const char *text, size_t n);

/* ---- filling it (table.c) ---- */

struct table_result {
    struct repx_buf csv;
    size_t without; /* rows of jobs that have not succeeded: without outputs */
    char **broken; /* outputs that should be there and could not be had: their cells are
                     * empty */
    size_t broken_count;
};

int table_of_jobs(struct target *target, const struct lab *lab, const size_t *jobs,
                  size_t count, struct table_result *result, struct repx_err *err);
void table_result_free(struct table_result *result);

#endif
