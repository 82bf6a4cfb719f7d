/* SPDX-License-Identifier: MIT */
/* trust.h: may this file be run as ours?
 *
 * Not when somebody else may change it, or put another in its place: the file and every
 * directory on the way to it belong to us or to root, and none is writable by a group or
 * by others who can reach it. A sticky directory such as /tmp passes, since the entry
 * below it has to be ours or root's. A group that is named as its only member is that
 * user's own. Below a directory that only its owner may enter, modes do not matter. */
#ifndef REPX_PLUGIN_TRUST_H
#define REPX_PLUGIN_TRUST_H

#include <kit/err.h>

/* *canonical (the caller frees) is the path that was checked, free of links: that one is
 * to be used. Names what may be changed, by whom, and the cure. */
int trust_file(const char *path, char **canonical, struct repx_err *err);

#endif
