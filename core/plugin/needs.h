/* SPDX-License-Identifier: MIT */
/* needs.h: where a plugin's own libraries come from. */
#ifndef REPX_PLUGIN_NEEDS_H
#define REPX_PLUGIN_NEEDS_H

#include <repx/plugin.h>

/* path: a plugin's file, canonical, that elf_check passed. A library that it brings along by
 * RPATH, RUNPATH or a path of its own is to be as safe as itself: nobody else may change it,
 * or the directory that it is looked for in, and where that is may not depend on where repx is
 * started. */
int needs_check(const char *path, struct repx_err *err);

#endif
