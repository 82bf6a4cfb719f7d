/* SPDX-License-Identifier: MIT */
/* parse.h: what Grid Engine's commands print, read line by line as bytes from outside. */
#ifndef GRIDENGINE_PARSE_H
#define GRIDENGINE_PARSE_H

#include <kit/scheduler.h>

#include "own.h"

/* `qsub -terse`: "12" or "12.1-4:1", perhaps after lines of a site's wrapper. 1 or 0. */
int ge_parse_id(const char *out, char id[GE_ID_SIZE]);

/* Only complaints of qdel about what is gone. */
int ge_only_gone(const char *text);

/* One job, array or task. */
struct ge_row {
    char id[GE_ID_SIZE], key[REPX_KEY_SIZE];
    int64_t index; /* -1: no array, or several tasks */
    uint32_t state;
    int32_t exit;
    int64_t memory;
    char reason[128], node[128];
};

struct ge_reader {
    void (*each)(void *ctx, const struct ge_row *row); /* only rows with a key */
    void *ctx;
    struct ge_row row;
    int inside; /* a row has begun */
    int whole;  /* the end of the answer was there */
};

/* A line of `qstat -xml`. */
void ge_read_queue(void *reader, char *line);
/* A line of `qacct -j`; call it once more with NULL at the end. */
void ge_read_account(void *reader, char *line);

#endif
