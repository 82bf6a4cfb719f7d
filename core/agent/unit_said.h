/* SPDX-License-Identifier: MIT */
/* unit_said.h: what the scheduler's daemons wrote into the output of a unit that was killed
 * together with its supervisor. */
#ifndef REPX_AGENT_UNIT_SAID_H
#define REPX_AGENT_UNIT_SAID_H

#include <stddef.h>
#include <stdint.h>

#include "core/agent/agent.h"

struct unit_said {
    const char *reason; /* one of the fixed words, or NULL: nothing known was said */
    int64_t used;       /* bytes of memory, where that was said; else 0 */
    int may_return;     /* the scheduler ended it to start it again, or may do so */
};

/* Of the text of that output: what was said last counts, since a unit that was put back
 * into the queue appends to it. Pure. */
struct unit_said unit_said_text(const char *text, size_t n);
/* Reads the end of S/sub/KEY/slurm.out, or of slurm-INDEX.out when index is not -1. */
struct unit_said unit_said(struct site *site, const char *key, int64_t index);

#endif
