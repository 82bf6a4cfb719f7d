/* SPDX-License-Identifier: MIT */
/* run_watch_said.h: what the scheduler's daemons wrote into the output of a unit that was killed
 * together with its supervisor. */
#ifndef REPX_AGENT_RUN_WATCH_SAID_H
#define REPX_AGENT_RUN_WATCH_SAID_H

#include <stddef.h>
#include <stdint.h>

#include "core/agent/agent.h"

struct unit_said {
    const char *reason; /* one of the fixed words, or NULL: nothing known was said */
    int64_t used;       /* bytes of memory, where that was said; else 0 */
};

/* Of the text of that output. Pure. */
struct unit_said unit_said_text(const char *text, size_t n);
/* Reads the end of S/sub/KEY/slurm.out. */
struct unit_said unit_said(struct site *site, const char *key);

#endif
