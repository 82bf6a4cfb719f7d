/* SPDX-License-Identifier: MIT */
/* capacity.h: what this machine leaves us: affinity, cgroups, rlimits, and what its
 * admin allows in /etc/repx/site.ini (keys nice, cpus, memory; must be root's). */
#ifndef REPX_AGENT_CAPACITY_H
#define REPX_AGENT_CAPACITY_H

#include <stddef.h>
#include <stdint.h>

struct capacity {
    int64_t cpus;
    int64_t memory; /* bytes */
    int64_t nice;
};

void capacity_get(struct capacity *c);
/* Apply the text of a site.ini: it can only lower cpus and memory. Unknown lines are
 * skipped, since an older agent meets newer files. */
void capacity_site(struct capacity *c, const char *text);

#endif
