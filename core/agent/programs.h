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

/* The private root, whether this session runs from there or not: ~/.local/share/repx. NULL:
 * there is no home. The caller frees. */
char *programs_home(const struct site *site);
/* Do we run from the directory of that name below a bin? */
int programs_is_self(const char *bin);
/* A run is about to exist: where the root is private, note there that this base path uses
 * it, so that a collection looks at its runs. */
int programs_note(const struct site *site, struct repx_err *err);
/* The run exists: is the agent that its jobs are to run still where it was? -1 with *err. */
int programs_still(const struct site *site, const char *agent, struct repx_err *err);

#endif
