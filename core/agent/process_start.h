/* SPDX-License-Identifier: MIT */
/* process_start.h: a pid alone says little: it is given again. */
#ifndef REPX_AGENT_PROCESS_START_H
#define REPX_AGENT_PROCESS_START_H

#include <stdint.h>

/* Start time of a process in clock ticks after boot; 0 when there is none with that pid, or
 * a dead one that is only not waited for yet. */
uint64_t process_start(int64_t pid);

#endif
