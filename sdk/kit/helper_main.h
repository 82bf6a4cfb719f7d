/* SPDX-License-Identifier: MIT */
/* helper_main.h: main() of a scheduler's helper, `sched-NAME VERB WORKDIR`
 * (docs/scheduler-helper.md): one JSON document in, JSON lines out. */
#ifndef REPX_KIT_HELPER_MAIN_H
#define REPX_KIT_HELPER_MAIN_H

#include <repx/plugin.h>

#include "buf.h"

/* Serve one call with the scheduler's vtable. Returns the exit status: 0 answered, 1 the
 * last line is an error, 2 wrong arguments. */
int repx_helper_main(int argc, char **argv, const struct repx_plugin *plugin);

/* The parts, for a helper that answers in another way: 2 after the usage text when the
 * arguments are wrong, else 0; the request's bytes from standard input; the last line of
 * an answer that failed. */
int repx_helper_usage(int argc, char **argv, const struct repx_plugin *plugin);
int repx_helper_input(struct repx_buf *to, struct repx_err *err);
void repx_helper_error_line(const struct repx_err *err);

#endif
