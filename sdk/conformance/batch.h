/* SPDX-License-Identifier: MIT */
/* batch.h: the fake batch system of --fake (fake_batch/): its directory is SCRATCH/fake. */
#ifndef REPX_CONFORM_BATCH_H
#define REPX_CONFORM_BATCH_H

#include "conform.h"

/* Make it, and put its commands first in PATH. program: repx-fake-batch. */
int batch_set_up(struct conform *c, const char *program, struct repx_err *err);
/* "submit late 1": what it is to act out next; "" for nothing. */
void batch_fault(const struct conform *c, const char *line);
/* So many more rows than there are jobs. */
void batch_rows(const struct conform *c, size_t rows);
/* Its queries show nothing that has ended. */
void batch_forget(const struct conform *c, int forget);
/* How many jobs were ever submitted; the last one has that number in its id. */
int64_t batch_jobs(const struct conform *c);
/* How many commands were ever run. */
size_t batch_calls(const struct conform *c);
/* Does the command that hung last still hang? */
int batch_hangs(const struct conform *c);

#endif
