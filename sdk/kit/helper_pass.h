/* SPDX-License-Identifier: MIT */
/* helper_pass.h: a helper that hands every call on to another program of the target. */
#ifndef REPX_KIT_HELPER_PASS_H
#define REPX_KIT_HELPER_PASS_H

#include <repx/plugin.h>

/* Read the request of `sched-NAME VERB WORKDIR`, check it, and become the program that
 * the configuration key `key` names, with the same two arguments, the request on its
 * standard input and WORKDIR made: it speaks the verb protocol itself. The program must be
 * an absolute path that only we or root can change. Returns the exit status when there is
 * nothing to become: 1 with an error line, 2 for wrong arguments. */
int repx_helper_pass(int argc, char **argv, const struct repx_plugin *plugin,
                     const char *key);

#endif
