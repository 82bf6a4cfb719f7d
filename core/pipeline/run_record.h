/* SPDX-License-Identifier: MIT */
/* run_record.h: the run record of docs/state-format.md section 3. */
#ifndef REPX_PIPELINE_RUN_RECORD_H
#define REPX_PIPELINE_RUN_RECORD_H

#include "core/pipeline/pipeline.h"

/* A fresh run id: time and random bits. */
int run_id_make(char id[RUN_ID_SIZE], struct repx_err *err);
/* The record as one line with its newline. helper: path below the base. */
int run_record_line(const struct pipeline *p, const char *helper, struct repx_buf *to,
                    struct repx_err *err);

#endif
