/* SPDX-License-Identifier: MIT */
/* expect.h: what a run that finds nothing new will ask, asked all at once.
 *
 * $XDG_CACHE_HOME/repx/sets/<target> notes for the last few Labs which sets of trees the sync
 * plugins asked for and the target knew in the end. While the Lab and the helper are those of
 * the note, the same is asked when the session begins, together with the status of the jobs
 * and the collector's root, so that such a run waits once. The note decides nothing: a plugin
 * that asks something else gets its own answer, as without it. */
#ifndef REPX_PIPELINE_EXPECT_H
#define REPX_PIPELINE_EXPECT_H

#include "pipeline.h"

void expect_begin(struct pipeline *p);
/* Something was placed: what was asked before that is asked again. */
void expect_drop(struct pipeline *p);
/* The run ended well: note it. */
void expect_end(struct pipeline *p);

#endif
