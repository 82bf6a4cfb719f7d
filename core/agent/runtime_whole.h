/* SPDX-License-Identifier: MIT */
/* runtime_whole.h: has something taken files from a tree that we made? Sites purge scratch
 * and nodes clean their disks by age, and what is unpacked is as old as its archive says. A
 * file that goes changes its directory, so a record holds each directory's time and number
 * of entries: one stat a directory tells. More entries than then are fine. */
#ifndef REPX_AGENT_RUNTIME_WHOLE_H
#define REPX_AGENT_RUNTIME_WHOLE_H

#include <kit/err.h>

/* Write the record of a tree that is done. */
int tree_note(const char *tree, const char *record, struct repx_err *err);
/* 1; 0: something is gone, or there is no record. */
int tree_whole(const char *tree, const char *record);
/* Out of the way, for what is to take its place: beside the copy, under a name that the next
 * collection removes, since something may still run from it. What is not there is fine. */
int tree_retire(const char *tree, const char *copy, struct repx_err *err);

#endif
