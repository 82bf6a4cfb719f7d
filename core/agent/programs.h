/* SPDX-License-Identifier: MIT */
/* programs.h: from where the agent and the schedulers' helpers are run. That is the base
 * path, unless somebody else can change what lies there (a project's directory that its
 * group may write): then it is a directory of ours below the home, which the first command
 * chose (docs/first-command.md, "Trust"). */
#ifndef REPX_AGENT_PROGRAMS_H
#define REPX_AGENT_PROGRAMS_H

#include "core/agent/agent.h"

/* Where a path "bin/..." of a run record is found: above the bin/SHA256 from which we run
 * ourselves, or the base path. The caller frees. */
char *programs_root(const struct site *site);
/* A path "bin/SHA256/NAME" made absolute, for running it. In a private root it is copied
 * from the base path when it is not there, and must have that digest. NULL with *err:
 * somebody else could change it, it is not there, or is another file. The caller frees. */
char *programs_find(const struct site *site, const char *program, struct repx_err *err);

#endif
