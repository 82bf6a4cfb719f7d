/* SPDX-License-Identifier: MIT */
/* elf.h: is this file a whole shared library for this machine? The dynamic linker says of
 * some that are not that they do not exist, and is killed by others. */
#ifndef REPX_PLUGIN_ELF_H
#define REPX_PLUGIN_ELF_H

#include <kit/err.h>

/* REPX_E_UNSUPPORTED with what differs, REPX_E_CORRUPT for a file that is cut short. The
 * message does not name the file. */
int elf_check(const char *path, struct repx_err *err);

#endif
