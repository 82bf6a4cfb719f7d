/* SPDX-License-Identifier: MIT */
/* trust.h: may somebody else change what we are about to run? */
#ifndef REPX_KIT_TRUST_H
#define REPX_KIT_TRUST_H

#include "err.h"

/* Is the file, and every directory on its real way from /, ours or root's and not
 * writable by others who can reach it? A sticky directory passes, since others cannot
 * replace our entry in it; a directory that only its owner can search shields all below.
 * 1 yes; 0 no, with the reason in *why; -1 when it cannot be told, with *why. */
int repx_path_is_ours(const char *path, struct repx_err *why);

#endif
