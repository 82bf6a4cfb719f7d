/* SPDX-License-Identifier: MIT */
/* trust.h: may somebody else change what we are about to run? */
#ifndef REPX_KIT_TRUST_H
#define REPX_KIT_TRUST_H

#include <sys/types.h>

#include "err.h"

/* Is the file, and every directory on its real way from /, ours or root's and not
 * writable by others who can reach it? A sticky directory passes, since others cannot
 * replace our entry in it; a directory that only its owner can search shields all below.
 * 1 yes; 0 no, with the reason in *why; -1 when it cannot be told, with *why. */
int repx_path_is_ours(const char *path, struct repx_err *why);
/* The same by another rule for groups that only the user is in (NULL: one with the user's
 * number); *canonical (may be NULL; the caller frees) is the path that was checked, free of
 * links: that one is to be used. */
int repx_path_trust(const char *path, int (*is_own_group)(gid_t gid), char **canonical,
                    struct repx_err *why);

#endif
