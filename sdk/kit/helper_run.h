/* SPDX-License-Identifier: MIT */
/* helper_run.h: run one command on this machine, without a shell, to a deadline. */
#ifndef REPX_KIT_HELPER_RUN_H
#define REPX_KIT_HELPER_RUN_H

#include "buf.h"
#include "clock.h"
#include "err.h"

/* What a command wrote; belongs to the caller and is used again by the next run. */
struct repx_run_output {
    struct repx_buf out, errors;
};

/* Run `run` (struct repx_run of repx/plugin.h says what each field means). On success
 * status, out and errors of *run are filled and point into *output. Past the deadline the
 * command's process group is killed and the call fails with REPX_E_TIMEOUT, out and
 * errors holding what it wrote until then; a program
 * that cannot be started fails with REPX_E_NOENT or REPX_E_FAILED. A descendant that
 * keeps the pipes open after the command itself ended is not waited for. */
int repx_run_command(struct repx_run *run, struct repx_run_output *output,
                     struct repx_err *err);
void repx_run_output_free(struct repx_run_output *output);

#endif
