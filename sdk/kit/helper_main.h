/* SPDX-License-Identifier: MIT */
/* helper_main.h: main() of a scheduler's helper, `sched-NAME VERB WORKDIR`
 * (docs/scheduler-helper.md): one JSON document in, JSON lines out. */
#ifndef REPX_KIT_HELPER_MAIN_H
#define REPX_KIT_HELPER_MAIN_H

#include <repx/plugin.h>

/* Serve one call with the scheduler's vtable. Returns the exit status: 0 answered, 1 the
 * last line is an error, 2 wrong arguments. */
int repx_helper_main(int argc, char **argv, const struct repx_plugin *plugin);

#endif
